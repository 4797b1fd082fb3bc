// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <limits>

#include "kernels/channels.h"

namespace tightrope {
namespace {

// Below this many levels a zero point is rounding noise of the division that gave it.
constexpr float kZeroPointNoise = 1e-4F;

void widen(float value, float& low, float& high) {
  if (std::isnan(value) || std::isnan(low)) {
    low = high = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  low = std::min(low, value);
  high = std::max(high, value);
}

}  // namespace

Extremes extremes_of(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes) {
  const std::size_t channels = channel_count(shape, channel_axes);
  Extremes extremes{std::vector<float>(channels, std::numeric_limits<float>::infinity()),
                    std::vector<float>(channels, -std::numeric_limits<float>::infinity())};
  for_each_run(shape, channel_axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
    for (std::size_t i = 0; i < length; ++i, channel += step) {
      widen(values[offset + i], extremes.low[channel], extremes.high[channel]);
    }
  });
  return extremes;
}

QuantizedTensor quantize_tensor(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes,
                                const Range& range) {
  const std::size_t channels = range.low.size();
  const int lowest = -(range.levels / 2);
  const int highest = lowest + range.levels - 1;
  QuantizedTensor result;
  result.levels.resize(values.size());
  result.scale.resize(channels);
  result.zero_point.resize(channels);
  bool centered = true;
  for (std::size_t c = 0; c < channels; ++c) {
    const float span = range.high[c] - range.low[c];
    result.scale[c] = span > 0 ? span / static_cast<float>(range.levels - 1) : 1.0F;
    const float zero_point = static_cast<float>(lowest) - range.low[c] / result.scale[c];
    result.zero_point[c] = std::abs(zero_point) < kZeroPointNoise ? 0.0F : zero_point;
    centered = centered && result.zero_point[c] == 0.0F;
  }
  const std::span<const int> axes = channels == 1 ? std::span<const int>() : channel_axes;
  for_each_run(shape, axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
    for (std::size_t i = 0; i < length; ++i, channel += step) {
      const float level = std::nearbyint(values[offset + i] / result.scale[channel] + result.zero_point[channel]);
      result.levels[offset + i] =
          static_cast<std::int8_t>(std::clamp(level, static_cast<float>(lowest), static_cast<float>(highest)));
    }
  });
  if (centered) result.zero_point.clear();
  return result;
}

}  // namespace tightrope
