// SPDX-License-Identifier: Apache-2.0
#include "pipeline/forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr double kQuantized = 0.6;     // seconds of a validation in 8 bits, of one in floating point
constexpr double kRoundingItems = 15;  // as long as so many items takes the rounding of weights
constexpr double kAgain = 0.5;         // of the preparation: the first model of a process takes longer
constexpr double kOverhead = 0.1;      // seconds, to make a model

}  // namespace

std::vector<StageRecord> forecast(const Start& start, std::int64_t calibration_items) {
  if (start.original.items <= 0) return {};
  const double validation = start.original.seconds;
  const double item = validation / static_cast<double>(start.original.items);
  const double compiling = kAgain * start.preparation + kOverhead;
  return {{"calibration", 0, compiling + static_cast<double>(calibration_items) * item},
          {"weights", 0, kRoundingItems * item},
          {"validation of the quantized model", 0, compiling + kQuantized * validation}};
}

void log_forecast(const std::vector<StageRecord>& stages, const Start& start, double elapsed) {
  if (stages.empty()) return;
  double rest = 0;
  for (const StageRecord& stage : stages) rest += stage.estimate;
  log(LogLevel::kInfo,
      fmt::format(
          "[plan] about {:.3g} s in all, {:.3g} s of them still to come (calibration {:.3g} s), where everything "
          "can stay in 8 bits; otherwise up to {:.3g} s more for each candidate.",
          elapsed + rest, rest, stages.front().estimate, start.preparation + start.original.seconds));
}

void add_estimates(Report& report, const std::vector<StageRecord>& stages) {
  for (StageRecord& stage : report.stages) {
    const auto expected = std::ranges::find(stages, stage.name, &StageRecord::name);
    if (expected != stages.end()) stage.estimate = expected->estimate;
  }
}

}  // namespace tightrope
