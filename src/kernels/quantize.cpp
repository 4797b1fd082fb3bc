// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <limits>

#include "kernels/channels.h"

namespace tightrope {
namespace {

// So close to an integer, the difference is rounding noise of the divisions that gave the zero point.
constexpr float kZeroPointNoise = 1e-4F;

void widen(float value, float& low, float& high) {
  if (std::isnan(value) || std::isnan(low)) {
    low = high = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  low = std::min(low, value);
  high = std::max(high, value);
}

float without_noise(float zero_point) {
  const float whole = std::nearbyint(zero_point);
  return std::abs(zero_point - whole) < kZeroPointNoise ? whole : zero_point;
}

// Levels of ranges that begin at zero begin at zero, so that no zero point is needed; others lie around zero.
int lowest_level(const Range& range) {
  const bool from_zero = std::all_of(range.low.begin(), range.low.end(), [](float low) { return low == 0; });
  return from_zero && range.levels <= 256 ? 0 : -(range.levels / 2);
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

void adjust_channels(std::span<float> values, const Shape& shape, std::span<const int> channel_axes,
                     std::span<const float> factors, std::span<const float> addends) {
  for_each_run(shape, channel_axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
    for (std::size_t i = 0; i < length; ++i, channel += step) {
      values[offset + i] *= factors[channel];
      if (!addends.empty()) values[offset + i] += addends[channel];
    }
  });
}

QuantizedTensor quantize_tensor(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes,
                                const Range& range, std::span<const std::int8_t> rounding) {
  const std::size_t channels = range.low.size();
  QuantizedTensor result;
  result.lowest = lowest_level(range);
  const auto lowest = static_cast<float>(result.lowest);
  const auto highest = static_cast<float>(result.lowest + range.levels - 1);
  result.levels.resize(values.size());
  result.scale.resize(channels);
  result.zero_point.resize(channels);
  bool centered = true;
  for (std::size_t c = 0; c < channels; ++c) {
    const float span = range.high[c] - range.low[c];
    result.scale[c] = span > 0 ? span / static_cast<float>(range.levels - 1) : 1.0F;
    result.zero_point[c] = without_noise(lowest - range.low[c] / result.scale[c]);
    centered = centered && result.zero_point[c] == 0.0F;
  }
  const std::span<const int> axes = channels == 1 ? std::span<const int>() : channel_axes;
  for_each_run(shape, axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
    for (std::size_t i = 0; i < length; ++i, channel += step) {
      float level = std::nearbyint(values[offset + i] / result.scale[channel] + result.zero_point[channel]);
      if (!rounding.empty()) level += static_cast<float>(rounding[offset + i]);
      result.levels[offset + i] = static_cast<std::int16_t>(std::clamp(level, lowest, highest));
    }
  });
  if (centered) result.zero_point.clear();
  return result;
}

}  // namespace tightrope
