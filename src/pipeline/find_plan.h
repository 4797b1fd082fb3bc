// SPDX-License-Identifier: Apache-2.0
// The whole job of accuracy control, in its one order, for every interface.
#pragma once

#include <functional>
#include <string>

#include "accuracy/control.h"
#include "accuracy/ranking.h"
#include "tightrope/dataset.h"
#include "tightrope/model.h"
#include "tightrope/options.h"

namespace tightrope {

// What the job asks of its caller.
struct Caller {
  Evaluate evaluate;                                   // runs the user's function
  Evaluate evaluate_deployed;                          // the same in the precision that the device chooses
  Parts parts;                                         // the same on some of the items
  std::function<void(const Plan&)> save_intermediate;  // keeps the quantized model before the search; empty: not
  // Of the data, for AccuracyOptions::work_dir; asked for only where there is one.
  std::function<std::string()> calibration_fingerprint;
  std::function<std::string()> validation_fingerprint;
  ScoreElsewhere score_elsewhere = {};  // for the ranking; empty: everything is computed here
  Elsewhere elsewhere = {};             // runs the user's function, too
  EventFn on_event = {};                // is told what happens, of any progress too
};

// Measures the original, calibrates, measures the quantized model, and leaves out of the plan what the limit demands.
//
// With a work_dir the plan, the scores and each evaluation are kept there as soon as they are known, and what an
// earlier run of the same model, data and options kept is not done again: a run that was ended at any moment goes on,
// and gives what it would have given. Other limits use the same evaluations.
//
// Throws what make_plan() and control_accuracy() throw, what the caller's functions do, unchanged, and IoError where
// the work_dir cannot be used.
Controlled find_plan(const Model& model, const Dataset& calibration, const Caller& caller,
                     const QuantizeOptions& options, const AccuracyOptions& accuracy);

}  // namespace tightrope
