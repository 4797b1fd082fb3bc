// SPDX-License-Identifier: Apache-2.0
// How much harm each group does by itself.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "accuracy/groups.h"
#include "tightrope/model.h"

namespace tightrope {

// One score per group, 0 (harmless) to 1: the mean over samples of the error that quantizing only this group makes in
// the outputs of `model`, capped at 1 per sample. It is measured against the plan with every group reverted, which is
// the original model, or with kActivationsOnly the one with weights in 8 bits. The error of a sample:
// base/output_error.h.
//
// Before each group `has_time` is asked about the seconds that the slowest group took so far; where it says no, the
// scores end there. Empty: there is time.
//
// Reports progress of "ranking" after each inference. Throws InvalidArgument where there are no samples.
// Formula: docs/algorithms.md#ranking
std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode,
                                const std::function<bool(double seconds)>& has_time = {});

}  // namespace tightrope
