// SPDX-License-Identifier: Apache-2.0
// What a weight becomes.
#pragma once

#include <span>
#include <vector>

#include "tightrope/plan.h"
#include "tightrope/tensor.h"

namespace tightrope {

// Each element at the value of its level: the nearest one, or that of the quantizer's rounding. The range is known.
std::vector<float> rounded(std::span<const float> values, const Shape& shape, const Quantizer& quantizer);

}  // namespace tightrope
