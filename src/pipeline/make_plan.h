// SPDX-License-Identifier: Apache-2.0
// The first half of both jobs: from a model and calibration data to a plan.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/watch.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/report.h"

namespace tightrope {

struct PlanResult {
  Plan plan;
  std::vector<Sample> samples;  // of the calibration data, for ranking
  Report report;                // so far: stages, calibration items, quantized operations
};

// Keeps `kept_samples` of the calibration items for the ranking, and goes on with `report`. The watch is told of
// stages. Throws what quantize() throws.
PlanResult make_plan(const Model& model, const Dataset& calibration, const QuantizeOptions& options,
                     std::size_t kept_samples, Report report = {}, const Watch& watch = {});

// Items per ranking score.
std::size_t ranking_samples(const AccuracyOptions& options);

// Where intermediate_model_dir wants the quantized model before the search. Throws IoError where there is no such
// folder.
std::filesystem::path intermediate_model_path(const std::string& folder, std::string_view framework);

}  // namespace tightrope
