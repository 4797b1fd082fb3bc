// SPDX-License-Identifier: Apache-2.0
// The smoothing of a plan, from what calibration observed.
#pragma once

#include "pipeline/calibration.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Gives a value to the smoothing of each quantizer that is marked. Layers that read one tensor have one smoothing, from
// the weights of all of them. Formula: docs/algorithms.md#smoothing
Plan choose_smoothing(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options);

// Where the operation in front can divide, nothing has to as the model runs: smoothing becomes a rescaling of the plan.
Plan fold_smoothing(Plan plan, const Graph& graph);

}  // namespace tightrope
