// SPDX-License-Identifier: Apache-2.0
// Validations of sets of reverted groups.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "accuracy/early.h"
#include "accuracy/groups.h"
#include "accuracy/restore.h"
#include "accuracy/validator.h"

namespace tightrope {

// The plan without the groups of a set, and what measuring it gave. Each set is measured once; what was judged on a
// part of the items can be measured on all of them later.
class Candidates {
 public:
  // All outlive it. `quantized`: the plan as it is, on all items.
  Candidates(const Plan& plan, std::span<const Group> groups, Validator& validate, EarlyJudge& early,
             const AccuracyOptions& options, Report& report, const Trial& quantized);

  Plan plan_of(const std::vector<bool>& reverted) const;

  // The drop, judged on a part of the items where that settles on which side of the limit it is. Nothing where the time
  // budget leaves no time.
  std::optional<double> drop(const std::vector<bool>& reverted);
  std::optional<double> drop_on_all_items(const std::vector<bool>& reverted);

  // Known sets only.
  const Trial& trial(const std::vector<bool>& reverted) const { return trials_.at(reverted); }
  bool knows(const std::vector<bool>& reverted) const { return trials_.contains(reverted); }

  // Of the sets that were measured on all items the cheapest within the limit, else the one with the lowest drop.
  Candidate best_on_all_items() const;

  bool is_late() const { return is_late_; }  // there was no time for one

 private:
  std::optional<double> keep(const std::vector<bool>& reverted, Trial trial);

  const Plan& plan_;
  std::span<const Group> groups_;
  Validator& validate_;
  EarlyJudge& early_;
  const AccuracyOptions& options_;
  Report& report_;
  std::map<std::vector<bool>, Trial> trials_;
  std::size_t count_ = 0;
  bool is_late_ = false;
};

// Names of the operations that run in 8 bits under `plan` but not under `candidate`, sorted.
std::vector<std::string> reverted_between(const Plan& plan, const Plan& candidate);

}  // namespace tightrope
