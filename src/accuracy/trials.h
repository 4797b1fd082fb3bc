// SPDX-License-Identifier: Apache-2.0
// The validations of a search: each set once, and the best one so far.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "accuracy/drop_model.h"
#include "accuracy/restore.h"

namespace tightrope {

// Answers "does this set meet the limit" and teaches the model what it sees. Once the search is over, because
// validations are used up or `evaluate` said so, no further set passes, so that every loop over trials runs out.
class Trials {
 public:
  Trials(std::span<const double> prices, double initial_drop, double max_drop, std::int64_t max_validations,
         const EvaluateSet& evaluate, DropModel& model);

  // Until a set passes, the last validation is kept for everything reverted.
  bool passes(const std::vector<bool>& reverted);

  bool knows(const std::vector<bool>& reverted) const { return drops_.contains(reverted); }
  bool over() const { return used_up_ || stopped_; }
  bool stopped() const { return stopped_; }  // by `evaluate`
  std::int64_t validations() const { return validations_; }
  double max_drop() const { return max_drop_; }

  // Of the sets that pass the cheapest, then the one with the lower drop; where none passes, the lowest drop.
  const Candidate& best() const { return best_; }
  bool met() const { return best_.drop <= max_drop_; }
  double price_of(const std::vector<bool>& reverted) const;
  double best_price() const { return price_of(best_.reverted); }

 private:
  bool is_better(const Candidate& a, const Candidate& b) const;
  void remember(const std::vector<bool>& reverted, double drop);

  std::span<const double> prices_;
  double max_drop_;
  std::int64_t max_validations_;
  const EvaluateSet& evaluate_;
  DropModel& model_;
  std::map<std::vector<bool>, double> drops_;
  Candidate best_;
  std::int64_t validations_ = 0;
  bool used_up_ = false;
  bool stopped_ = false;
};

}  // namespace tightrope
