// SPDX-License-Identifier: Apache-2.0
#include "accuracy/candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "accuracy/messages.h"
#include "tightrope/log.h"

namespace tightrope {

Candidates::Candidates(const Plan& plan, std::span<const Group> groups, Validator& validate, EarlyJudge& early,
                       const AccuracyOptions& options, Report& report, const Trial& quantized)
    : plan_(plan), groups_(groups), validate_(validate), early_(early), options_(options), report_(report) {
  trials_.emplace(std::vector<bool>(groups.size(), false), quantized);
}

Plan Candidates::plan_of(const std::vector<bool>& reverted) const {
  return without_orphans(without(plan_, groups_, reverted, options_.restore_mode));
}

std::optional<double> Candidates::drop(const std::vector<bool>& reverted) {
  if (const auto known = trials_.find(reverted); known != trials_.end()) return known->second.record.drop;
  const Plan candidate = plan_of(reverted);
  const bool is_everything = std::ranges::all_of(reverted, std::identity{});
  is_late_ = !validate_.has_time_for(candidate, early_.is_possible());
  if (is_late_) return std::nullopt;
  const std::string name = fmt::format("candidate {}", ++count_);
  const std::vector<std::string> names = reverted_between(plan_, candidate);
  const auto judged = is_everything ? std::nullopt : early_.judge(candidate, name);
  if (!judged) return keep(reverted, validate_(candidate, name, names));
  return keep(reverted, validate_.record(*judged, name, names, judged->values.empty()));
}

std::optional<double> Candidates::drop_on_all_items(const std::vector<bool>& reverted) {
  const auto known = trials_.find(reverted);
  if (known != trials_.end() && !known->second.record.early) return known->second.record.drop;
  const Plan candidate = plan_of(reverted);
  is_late_ = !validate_.has_time_for(candidate, false);
  if (is_late_) return std::nullopt;
  const std::string name =
      known != trials_.end() ? known->second.record.name + " on all items" : fmt::format("candidate {}", ++count_);
  return keep(reverted, validate_(candidate, name, reverted_between(plan_, candidate)));
}

std::optional<double> Candidates::keep(const std::vector<bool>& reverted, Trial trial) {
  if (std::ranges::all_of(reverted, std::identity{})) report_.drop_reverted = trial.record.drop;
  log_trial(trial.record, report_, quantized_operations(plan_).size());
  progress("search", count_, 0);
  return trials_.insert_or_assign(reverted, std::move(trial)).first->second.record.drop;
}

Candidate Candidates::best_on_all_items() const {
  const auto key = [&](const auto& entry) { return standing(entry.second.record, report_.max_drop); };
  const auto best = std::ranges::min_element(trials_, {}, key);
  return {best->first, best->second.record.drop};
}

std::vector<std::string> reverted_between(const Plan& plan, const Plan& candidate) {
  const std::vector<std::string> all = quantized_operations(plan);
  const std::vector<std::string> left = quantized_operations(candidate);
  std::vector<std::string> names;
  std::ranges::set_difference(all, left, std::back_inserter(names));
  return names;
}

}  // namespace tightrope
