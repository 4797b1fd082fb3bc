// SPDX-License-Identifier: Apache-2.0
// What metrics lost, in the unit of the user's limits.
#pragma once

#include <string_view>
#include <vector>

#include "accuracy/evaluation.h"
#include "tightrope/options.h"
#include "tightrope/report.h"

namespace tightrope {

// How much worse `metric` is than `original`: positive is worse, negative is better. A relative drop is a share of
// |original|. Rounded to the fifteen digits that a metric can tell, so that 0.90 against 0.89 is 0.01 and not a little
// more. Throws InvalidArgument for a relative drop from an original of zero.
double drop_of(double original, double metric, DropType drop_type, bool higher_is_better);

// All limits as the one number that the search sees.
struct Loss {
  double drop = 0;                    // one metric: its drop; several: the largest share of a limit that is used up
  std::string binding;                // the metric whose share that is; empty for one metric
  std::vector<MetricRecord> metrics;  // of each limit; empty for one metric
};

// With limits by name, a drop within its limit uses up d / limit of it. With a limit of 0 any drop above 0 uses up more
// than everything, 1 + d. So all limits hold exactly where Loss::drop <= limit_of(options).
// Both evaluations went through check_metrics().
Loss loss_of(const Evaluation& original, const Evaluation& candidate, const AccuracyOptions& options);

// max_drop, or 1 with limits by name.
double limit_of(const AccuracyOptions& options);

// Throws InvalidArgument for a metric that is not finite, for several metrics where max_drop is a number, and where a
// metric that has a limit is missing. `name` says which evaluation: "original model", "candidate 3".
void check_metrics(const Evaluation& evaluation, const AccuracyOptions& options, std::string_view name);

}  // namespace tightrope
