// SPDX-License-Identifier: Apache-2.0
// From what calibration observed to the ranges of a plan.
#pragma once

#include "pipeline/calibration.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Chooses the smoothing, and whether operations in front take it in, and fits the ranges of activations, and of weights
// that share theirs. What no 8-bit range holds, or no item gave values to, leaves the plan with a warning.
Plan fit_activations(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options);

// Fits the ranges of all other weights. `model` has the rescalings of the plan. Throws InvalidArgument for weights that
// are not finite.
Plan fit_weights(const Model& model, Plan plan, const QuantizeOptions& options);

}  // namespace tightrope
