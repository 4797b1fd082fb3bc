// SPDX-License-Identifier: Apache-2.0
// Accuracy control from a finished plan on: measure, rank, search. The C++ API and the Python module both run this.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "accuracy/evaluation.h"
#include "accuracy/groups.h"
#include "base/stopwatch.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/report.h"

namespace tightrope {

struct Controlled {
  Plan plan;  // measured by `evaluate`; the report's final metrics are what it returned
  Report report;
  bool met = false;  // otherwise `plan` is the one with the lowest drop that was measured
};

// What accuracy control needs from outside.
struct Means {
  Evaluate evaluate;  // what it throws reaches the caller unchanged
  Memory memory;      // evaluations that are in there are not made again
  // The harm of each group by itself, 0 or more; asked for once, and only if the limit is broken.
  std::function<std::vector<double>(const Plan& plan, std::span<const Group> groups)> rank;
  std::int64_t ranking_samples = 0;  // items per score, from which the time of the ranking is estimated
  Stopwatch since;                   // when AccuracyOptions::time_budget began
  // A plan that may be better than this one; asked for once, and only if the limit is broken. Empty: none is tried.
  std::function<Plan(const Plan& plan)> tune;
};

// The first step, before any calibration, so that a mistake in the user's function costs no work: measures the original
// model and starts the report. Throws InvalidArgument for metrics that do not fit the limits, are not finite, or are
// zero for a relative drop.
Report evaluate_original(const Means& means, const AccuracyOptions& options);

// Leaves out of `plan` what the limit of `options` demands. `report` is what the run has gathered since
// evaluate_original(); the rest of it is filled in here.
//
// With a time budget nothing begins that is not expected to end in time: neither the ranking, without which groups
// count as equally harmful, nor another evaluation. The first two evaluations are always made.
//
// Throws InvalidArgument for a metric that is not finite, and where the validation data were used up by an earlier
// pass. Story: docs/algorithms.md#accuracy-control
Controlled control_accuracy(const Plan& plan, const Means& means, const AccuracyOptions& options, Report report);

// How far the limit was missed, in one sentence, where it was not met.
std::string shortfall_of(const Report& report);

// What to try next where the limit was not met, in one or two sentences; empty where it was.
std::string advice_for(const Report& report);

}  // namespace tightrope
