// SPDX-License-Identifier: Apache-2.0
// From a plan with ranges to one with bias shifts.
#pragma once

#include <span>

#include "pipeline/calibration.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// `model` has the rescalings of the plan. Starts from the mean inputs that calibration saw; then, unless the correction
// is to be fast, measures on the `samples` and says in the log how many layers were corrected. Throws InvalidArgument
// for NaN in the data.
Plan correct_biases(const Model& model, Plan plan, const Calibration& calibration, std::span<const Sample> samples,
                    const QuantizeOptions& options);

}  // namespace tightrope
