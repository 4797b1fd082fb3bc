// SPDX-License-Identifier: Apache-2.0
#include "accuracy/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace tightrope {
namespace {

using Set = std::vector<bool>;

constexpr std::size_t kOneByOne = 8;  // sets up to this size are given back one by one: most members have to stay

// Answers "does this set meet the limit", each set once, and remembers the best one.
class Trials {
 public:
  Trials(std::span<const double> prices, double initial_drop, double max_drop, std::int64_t max_validations,
         const EvaluateSet& evaluate)
      : prices_(prices), max_drop_(max_drop), max_validations_(max_validations), evaluate_(evaluate) {
    remember(Set(prices.size(), false), initial_drop);
  }

  // Once the validations are used up, no further set passes, so that every loop over trials runs out by itself.
  bool passes(const Set& reverted) {
    if (const auto known = drops_.find(reverted); known != drops_.end()) return known->second <= max_drop_;
    if (validations_ == max_validations_) {
      used_up_ = true;
      return false;
    }
    const std::optional<double> drop = used_up_ ? std::nullopt : evaluate_(reverted);
    if (!drop) {
      used_up_ = stopped_ = true;
      return false;
    }
    ++validations_;
    remember(reverted, *drop);
    return *drop <= max_drop_;
  }

  bool stopped() const { return stopped_; }  // by `evaluate`
  bool used_up() const { return used_up_; }
  std::int64_t validations() const { return validations_; }
  const Candidate& best() const { return best_; }
  bool met() const { return best_.drop <= max_drop_; }

 private:
  double price_of(const Set& reverted) const {
    double sum = 0;
    for (std::size_t g = 0; g < reverted.size(); ++g) sum += reverted[g] ? prices_[g] : 0;
    return sum;
  }

  bool is_better(const Candidate& a, const Candidate& b) const {
    const bool a_passes = a.drop <= max_drop_;
    if (a_passes != (b.drop <= max_drop_)) return a_passes;
    const double a_price = price_of(a.reverted);
    const double b_price = price_of(b.reverted);
    return a_passes ? std::tie(a_price, a.drop) < std::tie(b_price, b.drop)
                    : std::tie(a.drop, a_price) < std::tie(b.drop, b_price);
  }

  void remember(const Set& reverted, double drop) {
    const bool first = drops_.empty();
    drops_.emplace(reverted, drop);
    Candidate candidate{reverted, drop};
    if (first || is_better(candidate, best_)) best_ = std::move(candidate);
  }

  std::span<const double> prices_;
  double max_drop_;
  std::int64_t max_validations_;
  const EvaluateSet& evaluate_;
  std::map<Set, double> drops_;
  Candidate best_;
  std::int64_t validations_ = 0;
  bool used_up_ = false;
  bool stopped_ = false;
};

// Groups from the most to the least harm per price.
std::vector<std::size_t> order_of(std::span<const double> prices, std::span<const double> scores) {
  std::vector<std::size_t> order(prices.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return scores[a] / prices[a] > scores[b] / prices[b]; });
  return order;
}

// The smallest prefix that meets the limit if scores add up to the drop; at least one group.
std::size_t predicted_prefix(const std::vector<std::size_t>& order, std::span<const double> scores, double initial_drop,
                             double max_drop) {
  const double allowed = initial_drop > 0 ? std::clamp(max_drop / initial_drop, 0.0, 1.0) : 0;
  const double total =
      std::accumulate(order.begin(), order.end(), 0.0, [&](double sum, auto g) { return sum + scores[g]; });
  double remaining = 0;
  std::size_t k = order.size();
  while (k > 1 && remaining + scores[order[k - 1]] <= allowed * total) remaining += scores[order[--k]];
  return k;
}

// A prefix of `order` that passes while the one before it fails, or 0 where none passes: up from `start` by doubling,
// then by bisection. The empty prefix is known to fail.
std::size_t find_prefix(Trials& trials, const std::vector<std::size_t>& order, std::size_t start) {
  const auto passes = [&](std::size_t k) {
    Set reverted(order.size(), false);
    for (std::size_t i = 0; i < k; ++i) reverted[order[i]] = true;
    return trials.passes(reverted);
  };
  std::size_t failing = 0;
  std::size_t passing = start;
  while (!passes(passing)) {
    if (passing == order.size()) return 0;
    failing = passing;
    passing = std::min(2 * passing, order.size());
  }
  while (passing - failing > 1) {
    const std::size_t middle = failing + (passing - failing) / 2;
    (passes(middle) ? passing : failing) = middle;
  }
  return passing;
}

// One round over `members` (of `reverted`, least harmful first), taking out what the limit allows: `chunk` groups at a
// time, half as many after a failure, twice as many after a success. Says which members had to stay.
std::vector<std::size_t> give_back(Trials& trials, Set& reverted, const std::vector<std::size_t>& members,
                                   std::size_t chunk) {
  std::vector<std::size_t> kept;
  for (std::size_t at = 0; at < members.size();) {
    const std::size_t left = members.size() - at;
    chunk = kept.size() + left <= kOneByOne ? 1 : std::clamp<std::size_t>(chunk, 1, left);
    Set smaller = reverted;
    for (std::size_t i = at; i < at + chunk; ++i) smaller[members[i]] = false;
    if (trials.passes(smaller)) {
      reverted = std::move(smaller);
      at += chunk;
      chunk *= 2;
    } else if (chunk > 1) {
      chunk /= 2;
    } else {
      kept.push_back(members[at++]);
    }
  }
  return kept;
}

// Gives back until a whole round returns nothing: then each member was seen to be needed.
void minimize(Trials& trials, const std::vector<std::size_t>& order, std::size_t prefix) {
  Set reverted(order.size(), false);
  std::vector<std::size_t> members(order.rend() - static_cast<std::ptrdiff_t>(prefix), order.rend());
  for (const std::size_t g : members) reverted[g] = true;
  for (std::size_t chunk = prefix / 2;; chunk = 1) {  // what stayed in the first round does so mostly
    std::vector<std::size_t> kept = give_back(trials, reverted, members, chunk);
    if (kept.size() == members.size()) return;
    members = std::move(kept);
  }
}

}  // namespace

RestoreResult restore(std::span<const double> prices, std::span<const double> scores, double initial_drop,
                      double max_drop, std::int64_t max_validations, const EvaluateSet& evaluate) {
  Trials trials(prices, initial_drop, max_drop, max_validations, evaluate);
  RestoreResult result;
  if (trials.met()) {
    result.stopped = "With everything in 8 bits the drop is within the limit.";
    result.minimal = true;
  } else if (prices.empty()) {
    result.stopped = "There is nothing to revert.";
  } else {
    const std::vector<std::size_t> order = order_of(prices, scores);
    const std::size_t prefix = find_prefix(trials, order, predicted_prefix(order, scores, initial_drop, max_drop));
    if (prefix > 0) minimize(trials, order, prefix);
    result.minimal = prefix > 0 && !trials.used_up();
    if (trials.stopped()) {
      result.stopped = "The search was stopped.";
    } else if (trials.used_up()) {
      result.stopped = fmt::format("Validations were limited to {} (max_num_iterations).", max_validations);
    } else if (prefix > 0) {
      result.stopped = "No reverted operation can return to 8 bits within the limit.";
    } else {
      result.stopped = "Even with everything reverted the drop is above the limit.";
    }
  }
  result.best = trials.best();
  result.met = trials.met();
  result.validations = trials.validations();
  return result;
}

}  // namespace tightrope
