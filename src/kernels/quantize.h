// SPDX-License-Identifier: Apache-2.0
// Arithmetic on whole weight tensors: extremes per channel, and rounding to levels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tightrope/plan.h"
#include "tightrope/tensor.h"

namespace tightrope {

struct Extremes {
  std::vector<float> low;  // one entry per channel
  std::vector<float> high;
};

// NaN in a channel makes both of its extremes NaN. Channels without elements give +inf and -inf.
Extremes extremes_of(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes);

// A tensor as real = scale[channel] * (level - zero_point[channel]).
struct QuantizedTensor {
  std::vector<std::int16_t> levels;  // as many as elements
  std::vector<float> scale;
  std::vector<float> zero_point;  // empty where it is zero for every channel
  int lowest = 0;                 // the levels are integers from here on
};

// Multiplies each channel by its factor, then adds its addend; no addends add nothing.
void adjust_channels(std::span<float> values, const Shape& shape, std::span<const int> channel_axes,
                     std::span<const float> factors, std::span<const float> addends = {});

// Rounds to the nearest level, ties to even, and goes on by the `rounding` of the element (none: nowhere); stays within
// the range. `range` has at most 65536 levels, and one entry or one per channel. Formula: docs/algorithms.md#weights
QuantizedTensor quantize_tensor(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes,
                                const Range& range, std::span<const std::int8_t> rounding = {});

}  // namespace tightrope
