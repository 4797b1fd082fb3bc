// SPDX-License-Identifier: Apache-2.0
// What accuracy control says on its way, and of its result.
#pragma once

#include <cstddef>
#include <string>

#include "tightrope/options.h"
#include "tightrope/report.h"

namespace tightrope {

// "metric 0.9", or "accuracy 0.9 and f1 0.8".
std::string metrics_text(const EvaluationRecord& record);

// "absolute drop 0.02 above the limit 0.01", or the same of the metric that used up the most of its limit.
std::string drop_text(const EvaluationRecord& record, const Report& report);

void log_original(const EvaluationRecord& original);
void log_trial(const EvaluationRecord& trial, const Report& report, std::size_t operations);
void log_result(const Report& report, bool met);

// A limit below the weight of one item allows no mistake at all: seldom what was meant.
void warn_of_few_items(const EvaluationRecord& original, const EvaluationRecord& quantized,
                       const AccuracyOptions& options);

// How far the limit was missed, in one sentence, where it was not met.
std::string shortfall_of(const Report& report);

// What to try next where the limit was not met, in one or two sentences; empty where it was.
std::string advice_for(const Report& report);

}  // namespace tightrope
