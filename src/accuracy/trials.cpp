// SPDX-License-Identifier: Apache-2.0
#include "accuracy/trials.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace tightrope {

Trials::Trials(std::span<const double> prices, double initial_drop, double max_drop, std::int64_t max_validations,
               const EvaluateSet& evaluate, DropModel& model)
    : prices_(prices),
      max_drop_(max_drop),
      max_validations_(max_validations),
      evaluate_(evaluate),
      model_(model),
      best_{std::vector<bool>(prices.size(), false), initial_drop} {
  drops_.emplace(best_.reverted, initial_drop);
}

bool Trials::passes(const std::vector<bool>& reverted) {
  if (const auto known = drops_.find(reverted); known != drops_.end()) return known->second <= max_drop_;
  const bool is_everything = std::ranges::all_of(reverted, std::identity{});
  const std::int64_t kept = met() || is_everything ? 0 : 1;
  used_up_ = used_up_ || validations_ + kept >= max_validations_;
  if (stopped_ || validations_ + kept >= max_validations_) return false;
  const std::optional<double> drop = evaluate_(reverted);
  if (!drop) {
    stopped_ = true;
    return false;
  }
  ++validations_;
  remember(reverted, *drop);
  return *drop <= max_drop_;
}

double Trials::price_of(const std::vector<bool>& reverted) const {
  double sum = 0;
  for (std::size_t g = 0; g < reverted.size(); ++g) sum += reverted[g] ? prices_[g] : 0;
  return sum;
}

bool Trials::is_better(const Candidate& a, const Candidate& b) const {
  const bool a_passes = a.drop <= max_drop_;
  if (a_passes != (b.drop <= max_drop_)) return a_passes;
  const double a_price = price_of(a.reverted);
  const double b_price = price_of(b.reverted);
  return a_passes ? std::tie(a_price, a.drop) < std::tie(b_price, b.drop)
                  : std::tie(a.drop, a_price) < std::tie(b.drop, b_price);
}

void Trials::remember(const std::vector<bool>& reverted, double drop) {
  drops_.emplace(reverted, drop);
  model_.observe(reverted, drop);
  if (Candidate candidate{reverted, drop}; is_better(candidate, best_)) best_ = std::move(candidate);
}

}  // namespace tightrope
