// SPDX-License-Identifier: Apache-2.0
// Accuracy control from a finished plan on: measure, rank, search. The C++ API and the Python module both run this.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "accuracy/evaluation.h"
#include "accuracy/groups.h"
#include "accuracy/latency.h"
#include "base/stopwatch.h"
#include "base/watch.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/report.h"

namespace tightrope {

struct Controlled {
  Plan plan;  // measured by `evaluate`; the report's final metrics are what it returned
  Report report;
  bool met = false;  // otherwise `plan` is the one with the lowest drop that was measured
};

// A plan, and what was changed in it.
struct Repaired {
  Plan plan;
  std::vector<RepairRecord> repairs;
};

// What accuracy control needs from outside.
struct Means {
  Evaluate evaluate;  // what it throws reaches the caller unchanged
  Memory memory;      // evaluations that are in there are not made again
  // The harm of each group by itself, 0 or more; asked for once, and only if the limit is broken. Before it goes on it
  // asks `has_time` for some seconds; where it is refused, the scores end there.
  std::function<std::vector<double>(const Plan& plan, std::span<const Group> groups,
                                    const std::function<bool(double seconds)>& has_time)>
      rank;
  Latency latency;                     // empty: latencies are not measured
  Stopwatch since;                     // when AccuracyOptions::time_budget began
  Parts parts = {};                    // of the validation data
  std::function<Plan()> damaged = {};  // a plan that any metric must find bad; may be empty
  // In the precision that the device chooses by itself, and its name; empty where the validation's is no other.
  Evaluate evaluate_deployed = {};
  std::string deployed_precision = {};
  // The plan with groups quantized in another way that promises less error; asked for where the limit is broken, or
  // with tune_hyperparams. Empty: nothing is repaired.
  std::function<Repaired(const Plan& plan)> repair = {};
  // How many elements the weights have that a plan keeps in 8 bits. Empty: weights leave 8 bits with their operations.
  std::function<double(const Plan& plan)> weight_elements = {};
  Elsewhere elsewhere = {};
  Watch watch = {};  // where it is stopped, what follows is as if the time budget had ended
};

// What is known once the original has been measured.
struct Start {
  Report report;
  Evaluation original;
  std::optional<Evaluation> trial;  // of the original on the items of accuracy/health.h, where there was one
  double preparation = 0;           // seconds that a model takes before its first item, as far as is known
  bool is_known = false;            // the original was measured in an earlier run
};

// The first step, before any calibration, so that a mistake in the user's function costs no work: tries the function
// out on a few items, measures the original model and starts the report. Throws InvalidArgument for metrics that do not
// fit the limits, are not finite, or are zero for a relative drop, and for data that are used up by one reading.
Start evaluate_original(const Means& means, const AccuracyOptions& options);

// Leaves out of `plan` what the limit of `options` demands. `start` is what evaluate_original() gave, with what the
// report has gathered since; the rest of it is filled in here.
//
// Candidates are judged on a part of the items where that settles it (accuracy/early.h); the returned plan was measured
// on all of them.
//
// With a time budget nothing begins that is not expected to end in time: neither the score of another group, without
// which it counts as harmful as the others on average, nor another evaluation. The first two evaluations are always
// made.
//
// Where latencies are measured, those of the original and of the returned model are compared at the end, and the log
// says where 8 bits do not pay. With Objective::kLatency the search keeps the groups that save most, reverts in the end
// what only costs time, and gives the original where nothing is faster than that.
//
// Throws InvalidArgument for a metric that is not finite, and where the validation data were used up by an earlier
// pass. Story: docs/algorithms.md#accuracy-control
Controlled control_accuracy(const Plan& plan, const Means& means, const AccuracyOptions& options, Start start);

}  // namespace tightrope
