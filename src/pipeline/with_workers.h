// SPDX-License-Identifier: Apache-2.0
// The jobs that rank groups, with scores from elsewhere. Otherwise they are those of tightrope/quantize.h and
// tightrope/sensitivity.h; without `elsewhere` they are the same.
#pragma once

#include <vector>

#include "accuracy/ranking.h"
#include "tightrope/quantize.h"
#include "tightrope/report.h"

namespace tightrope {

// quantize_with_accuracy_control
QuantizationResult quantize_with_workers(const Model& model, const Dataset& calibration, const Dataset& validation,
                                         const ValidationFn& validate, const QuantizeOptions& options,
                                         const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere,
                                         EventFn on_event = {});
QuantizationResult quantize_with_workers(const Model& model, const Dataset& calibration, const Dataset& validation,
                                         const ModelValidationFn& validate, const QuantizeOptions& options,
                                         const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere,
                                         EventFn on_event = {});

std::vector<GroupRecord> sensitivity(const Model& model, const Dataset& calibration, const QuantizeOptions& options,
                                     const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere);

}  // namespace tightrope
