// SPDX-License-Identifier: Apache-2.0
// From what calibration observed to the ranges of a plan.
#pragma once

#include "pipeline/calibration.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Chooses the smoothing, and whether operations in front take it in, and fits every range. What no 8-bit range holds,
// or no item gave values to, leaves the plan with a warning. Throws InvalidArgument for weights that are not finite.
Plan fit_plan(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options);

}  // namespace tightrope
