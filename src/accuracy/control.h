// SPDX-License-Identifier: Apache-2.0
// Accuracy control from a finished plan on: measure, rank, search. The C++ API and the Python module both run this.
#pragma once

#include <span>
#include <string>

#include "accuracy/evaluation.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/report.h"

namespace tightrope {

struct Controlled {
  Plan plan;  // measured by `evaluate`; the report's final metrics are what it returned
  Report report;
  bool met = false;  // otherwise `plan` is the one with the lowest drop that was measured
};

// The first step, before any calibration, so that a mistake in the user's function costs no work: measures the original
// model and starts the report. Throws InvalidArgument for metrics that do not fit the limits, are not finite, or are zero
// for a relative drop.
// What `evaluate` throws reaches the caller unchanged, here and below.
Report evaluate_original(const Evaluate& evaluate, const AccuracyOptions& options);

// Leaves out of `plan` what the limit of `options` demands. `report` is what the run has gathered since
// evaluate_original(); the rest of it is filled in here. `samples` are what the ranking runs on (see rank_groups); they
// are used only if the limit is broken.
//
// Throws InvalidArgument for a metric that is not finite, and where the validation data were used up by an earlier
// pass. Story: docs/algorithms.md#accuracy-control
Controlled control_accuracy(const Model& model, const Plan& plan, std::span<const Sample> samples,
                            const Evaluate& evaluate, const AccuracyOptions& options, Report report);

// How far the limit was missed, in one sentence, where it was not met.
std::string shortfall_of(const Report& report);

// What to try next where the limit was not met, in one or two sentences; empty where it was.
std::string advice_for(const Report& report);

}  // namespace tightrope
