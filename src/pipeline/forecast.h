// SPDX-License-Identifier: Apache-2.0
// How long a run of accuracy control will take, before it takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "accuracy/control.h"
#include "tightrope/report.h"

namespace tightrope {

// The stages that follow the validation of the original where everything can stay in 8 bits, with the seconds expected
// of them. Formula: docs/algorithms.md#health-check
std::vector<StageRecord> forecast(const Start& start, std::int64_t calibration_items);

// Says what a forecast adds up to. `elapsed` are the seconds that the run has taken so far.
void log_forecast(const std::vector<StageRecord>& stages, const Start& start, double elapsed);

// Notes in the stages of a report what was expected of them.
void add_estimates(Report& report, const std::vector<StageRecord>& stages);

}  // namespace tightrope
