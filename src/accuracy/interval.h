// SPDX-License-Identifier: Apache-2.0
// What the validation items tell about data that were not among them.
#pragma once

#include <optional>

#include "accuracy/evaluation.h"
#include "tightrope/options.h"
#include "tightrope/report.h"

namespace tightrope {

// Where the drop of everything lies from which the items were drawn, with 95 % confidence. Paired: from the drop of
// each item. Nothing for several metrics, and for one that is not the mean of values per item. Formula:
// docs/algorithms.md#interval
std::optional<IntervalRecord> interval_of_drop(const Evaluation& original, const Evaluation& candidate,
                                               const AccuracyOptions& options);

// Says the interval, and warns where it is too wide for the limit.
void log_interval(const Report& report, std::int64_t items);

}  // namespace tightrope
