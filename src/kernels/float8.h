// SPDX-License-Identifier: Apache-2.0
// 8-bit floating point: which numbers there are, and rounding to them.
#pragma once

#include <vector>

#include "tightrope/plan.h"
#include "tightrope/tensor.h"

namespace tightrope {

// The largest finite number of the format: 448 or 57344.
float largest_float8(NumberFormat format);

// The nearest number of the format, ties to even; what lies beyond the largest one becomes that one. NaN stays.
float to_float8(float value, NumberFormat format);

// A weight as real = level / scale[channel].
struct Float8Tensor {
  std::vector<float> levels;  // numbers of the format, as many as elements
  std::vector<float> scale;
};

// The largest number of the format stands for the upper end of the range. Formula:
// docs/algorithms.md#8-bit-floating-point
std::vector<float> float8_scale(const Range& range, NumberFormat format);
Float8Tensor float8_tensor(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes,
                           const Range& range, NumberFormat format);

}  // namespace tightrope
