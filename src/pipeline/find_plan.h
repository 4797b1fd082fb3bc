// SPDX-License-Identifier: Apache-2.0
// The whole job of accuracy control, in its one order, for every interface.
#pragma once

#include <functional>

#include "accuracy/control.h"
#include "tightrope/dataset.h"
#include "tightrope/model.h"
#include "tightrope/options.h"

namespace tightrope {

// What the job asks of its caller.
struct Caller {
  Evaluate evaluate;                                   // runs the user's function
  std::function<void(const Plan&)> save_intermediate;  // keeps the quantized model before the search; empty: not
};

// Measures the original, calibrates, measures the quantized model, and leaves out of the plan what the limit demands.
// Throws what make_plan() and control_accuracy() throw, and what the caller's functions do, unchanged.
Controlled find_plan(const Model& model, const Dataset& calibration, const Caller& caller,
                     const QuantizeOptions& options, const AccuracyOptions& accuracy);

}  // namespace tightrope
