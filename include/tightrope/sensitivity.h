// SPDX-License-Identifier: Apache-2.0
// Which operations suffer from 8 bits.
#pragma once

#include <vector>

#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/report.h"

namespace tightrope {

// The groups of operations that accuracy control would revert together, with the output error that each makes when only
// it is in 8 bits: the ranking of accuracy control itself, the most harmful group first. Throws what quantize() throws.
// Formula: docs/algorithms.md#ranking
std::vector<GroupRecord> sensitivity(const Model& model, const Dataset& calibration,
                                     const QuantizeOptions& options = {}, const AccuracyOptions& accuracy = {});

}  // namespace tightrope
