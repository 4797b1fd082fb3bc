// SPDX-License-Identifier: Apache-2.0
// Repair before and behind the search: other ways to quantize, if the metric agrees. What they are:
// docs/algorithms.md#alternatives
#pragma once

#include "accuracy/control.h"
#include "accuracy/validator.h"

namespace tightrope {

// The repaired plan where that is better, with which everything goes on; `quantized` is the evaluation of what is
// returned.
Plan repaired_or_same(const Plan& plan, const Means& means, Validator& validate, const AccuracyOptions& options,
                      Report& report, Trial& quantized);

// Weights that nothing in 8 bits reads need less memory in 8 bits all the same: `with_weights` takes the place of
// `best`, the result of the search, where they are a good part of all weights and the limit holds. `final` is the
// evaluation of `best`.
void keep_weights(Plan& best, Trial& final, const Plan& with_weights, const Means& means, Validator& validate,
                  const AccuracyOptions& options, Report& report);

}  // namespace tightrope
