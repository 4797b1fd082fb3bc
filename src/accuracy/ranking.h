// SPDX-License-Identifier: Apache-2.0
// How much harm each group does by itself.
#pragma once

#include <span>
#include <vector>

#include "accuracy/groups.h"
#include "tightrope/model.h"

namespace tightrope {

// One score per group, 0 (harmless) to 1: the mean over samples of the error that quantizing only this group makes in
// the outputs of `model`, capped at 1 per sample. It is measured against the plan with every group reverted, which is
// the original model, or with kActivationsOnly the one with weights in 8 bits.
//
// The error of a sample is the mean over its floating-point outputs of |y - y0|^2 / |y0|^2. Outputs of zeros count 0
// without an error and 1 with one. NaN, infinities and shapes that only one of the two has make the error 1. Integer
// outputs are left out; where there are no others, the error is the share of unequal elements.
// Reports progress of "ranking" after each inference. Throws InvalidArgument where there are no samples.
// Formula: docs/algorithms.md#ranking
std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode);

// The error of one sample as above.
double output_error(std::span<const Tensor> outputs, std::span<const Tensor> reference);

}  // namespace tightrope
