// SPDX-License-Identifier: Apache-2.0
// Judging candidates on a part of the validation data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "accuracy/bets.h"
#include "accuracy/control.h"
#include "tightrope/options.h"

namespace tightrope {

// The drop of each item, in the order of the items: how much worse `candidate` did on it. In the unit of the metric.
std::vector<double> drops_of(std::span<const double> original, std::span<const double> candidate,
                             bool higher_is_better);

// Between which numbers the values of items lie. Known where they are steps, as right and wrong, 1 and 0: where there
// are no more than half as many different values as items.
std::optional<Bounds> bounds_of(std::span<const double> original, std::span<const double> candidate);

// Between which numbers the drops of these items lie if values are within `values`.
Bounds bounds_of_drops(std::span<const double> original, const Bounds& values, bool higher_is_better);

// Whether the metric of an evaluation of one metric is the mean of its values per item.
bool is_mean_of_values(const Evaluation& evaluation);

// The items in the order in which parts take them, by chance but always the same.
std::vector<std::int64_t> shuffled(std::int64_t items);

// Validates candidates on more and more items, in an order that is always the same, until these tell on which side of
// the limit all items would be. The risk of saying the wrong thing of any candidate is kEarlyRisk for a whole run.
class EarlyJudge {
 public:
  // All outlive it; `quantized` is an evaluation on all items. Where the metric is not the mean of values per item,
  // where values of the trial on a few items are not those that all items gave, where parts of the data can't be had
  // cheaply, or where there are too few items to save any, nothing is ever judged.
  EarlyJudge(const Start& start, const Evaluation& quantized, const Means& means, const AccuracyOptions& options);

  bool is_possible() const { return is_possible_; }

  // An evaluation with fewer items than all and without values, whose metric is an estimate on the right side of the
  // limit; or a whole one, in parts. Nothing where only a validation in one go can tell, or where the memory holds one
  // that is needed.
  std::optional<Evaluation> judge(const Plan& plan, std::string_view name);

 private:
  Evaluation whole_of(const Evaluation& part) const;
  bool read_to(std::size_t count, const Plan& plan, std::string_view name, Evaluation& part);

  const Evaluation& original_;
  const Parts& parts_;
  const Memory& memory_;
  const Elsewhere& elsewhere_;
  bool higher_is_better_;
  double limit_ = 0;  // of the mean drop, in the unit of the metric
  bool is_possible_ = false;
  std::optional<Bounds> values_;  // where values lie
  std::optional<Bounds> drops_;   // where drops lie
  std::vector<std::int64_t> order_;
  std::int64_t judged_ = 0;
};

inline constexpr double kEarlyRisk = 0.05;
inline constexpr double kFirstLook = 16;   // items
inline constexpr double kLastLook = 0.55;  // of all items: beyond it little is saved

// From one look to the next: six looks at most, since each calls the user's function, which may take its time to start.
double growth_of_looks(std::size_t items);

}  // namespace tightrope
