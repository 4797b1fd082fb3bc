// SPDX-License-Identifier: Apache-2.0
// From what calibration observed to the ranges of a plan.
#pragma once

#include <memory>

#include "pipeline/calibration.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// The model with nothing but the rescalings of a plan; null where it has none. Operations have the same names.
std::unique_ptr<Model> with_rescalings(const Model& model, const Plan& plan);

// Chooses the smoothing, and whether operations in front take it in, and fits every range. What no 8-bit range holds,
// or no item gave values to, leaves the plan with a warning. Throws InvalidArgument for weights that are not finite.
Plan fit_plan(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options);

}  // namespace tightrope
