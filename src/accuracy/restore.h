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

// Measures the drop with these groups reverted, on all of the validation data. Nothing ends the search.
using EvaluateSet = std::function<std::optional<double>(const std::vector<bool>& reverted)>;

struct RestoreResult {
  Candidate best;  // within the limit: the cheapest that was evaluated; otherwise the one with the lowest drop
  bool met = false;
  bool minimal = false;  // proven: giving back any single reverted group breaks the limit
  std::int64_t validations = 0;
  std::string stopped;                     // why the search ended, one sentence
  std::vector<double> contributions = {};  // of each group to the initial drop, as the model sees it in the end
};

// Looks for the cheapest set of groups to revert that brings the drop from `initial_drop` to `max_drop` or below.
//
// `prices` and `scores` have one entry per group. A price is what reverting costs, in any unit and above 0: operations,
// or the milliseconds that a group saves. Scores say how harmful the group is; see DropModel for those that say
// nothing. The search validates what a model of the drop proposes, gives groups back until none can be given back any
// more, and tries what the model takes for a cheaper set. It evaluates no set twice and at most `max_validations` sets,
// the last of them with everything reverted if nothing has passed by then; it does not give up before it has tried
// that. Its order depends on the arguments alone. Formula: docs/algorithms.md#restore
RestoreResult restore(std::span<const double> prices, std::span<const double> scores, double initial_drop,
                      double max_drop, std::int64_t max_validations, const EvaluateSet& evaluate);

}  // namespace tightrope
