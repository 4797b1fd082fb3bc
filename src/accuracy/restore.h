// SPDX-License-Identifier: Apache-2.0
// The search for the cheapest groups to revert.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tightrope {

struct Candidate {
  std::vector<bool> reverted;  // by group
  double drop = 0;
};

// Measures the drop with these groups reverted, on all of the validation data. Nothing: the search is to stop now, and
// the best set so far is its result.
using EvaluateSet = std::function<std::optional<double>(const std::vector<bool>& reverted)>;

struct RestoreResult {
  Candidate best;  // within the limit: the cheapest that was evaluated; otherwise the one with the lowest drop
  bool met = false;
  bool minimal = false;  // proven: giving back any single reverted group breaks the limit
  std::int64_t validations = 0;
  std::string stopped;  // why the search ended, one sentence
};

// Looks for the cheapest set of groups to revert that brings the drop from `initial_drop` to `max_drop` or below.
//
// `prices` (above 0) and `scores` (harm, 0 or more) have one entry per group. Groups are ordered by score per price.
// The search finds the smallest prefix of that order that passes, starting where the scores predict it, then gives
// groups back, the least harmful first, until none can be given back any more. It always tries "everything reverted"
// before it gives up, evaluates no set twice and at most `max_validations` sets, and its order depends on the arguments
// alone. Formula: docs/algorithms.md#restore
RestoreResult restore(std::span<const double> prices, std::span<const double> scores, double initial_drop,
                      double max_drop, std::int64_t max_validations, const EvaluateSet& evaluate);

}  // namespace tightrope
