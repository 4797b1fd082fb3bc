// SPDX-License-Identifier: Apache-2.0
#include "kernels/float8.h"

#include <algorithm>
#include <cmath>

#include "kernels/channels.h"

namespace tightrope {
namespace {

struct Layout {
  int mantissa;        // stored bits
  int least_exponent;  // of normal numbers; smaller ones have the same step
  float largest;
};

Layout layout_of(NumberFormat format) {
  return format == NumberFormat::kF8E4M3 ? Layout{3, -6, 448.0F} : Layout{2, -14, 57344.0F};
}

}  // namespace

float largest_float8(NumberFormat format) { return layout_of(format).largest; }

float to_float8(float value, NumberFormat format) {
  const Layout layout = layout_of(format);
  if (std::isnan(value)) return value;
  if (std::abs(value) >= layout.largest) return std::copysign(layout.largest, value);
  const int exponent = value == 0 ? layout.least_exponent : std::max(std::ilogb(value), layout.least_exponent);
  const int step = exponent - layout.mantissa;
  return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
}

std::vector<float> float8_scale(const Range& range, NumberFormat format) {
  std::vector<float> scale;
  for (const float high : range.high) scale.push_back(largest_float8(format) / high);
  return scale;
}

Float8Tensor float8_tensor(std::span<const float> values, const Shape& shape, std::span<const int> channel_axes,
                           const Range& range, NumberFormat format) {
  Float8Tensor result{std::vector<float>(values.size()), float8_scale(range, format)};
  const std::span<const int> axes = result.scale.size() == 1 ? std::span<const int>() : channel_axes;
  for_each_run(shape, axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
    for (std::size_t i = 0; i < length; ++i, channel += step)
      result.levels[offset + i] = to_float8(values[offset + i] * result.scale[channel], format);
  });
  return result;
}

}  // namespace tightrope
