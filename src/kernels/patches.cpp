// SPDX-License-Identifier: Apache-2.0
#include "kernels/patches.h"

namespace tightrope {
namespace {

std::int64_t output_extent(std::int64_t extent, const Window& window, std::span<const std::int64_t> taps,
                           std::size_t axis) {
  const std::int64_t reach = (taps[axis] - 1) * window.dilations[axis] + 1;
  const std::int64_t room = extent + window.pads_begin[axis] + window.pads_end[axis] - reach;
  return room < 0 ? 0 : room / window.strides[axis] + 1;
}

}  // namespace

std::size_t position_count(const Shape& data, const Window& window, std::span<const std::int64_t> taps) {
  std::int64_t count = data[0];
  for (std::size_t axis = 0; axis < taps.size(); ++axis) count *= output_extent(data[axis + 2], window, taps, axis);
  return static_cast<std::size_t>(count);
}

void copy_patch(std::span<const float> values, const Shape& data, const Window& window,
                std::span<const std::int64_t> taps, std::size_t position, std::span<float> patch) {
  const std::size_t axes = taps.size();
  auto rest = static_cast<std::int64_t>(position);
  Shape corner(axes);
  for (std::size_t axis = axes; axis-- > 0;) {
    const std::int64_t extent = output_extent(data[axis + 2], window, taps, axis);
    corner[axis] = rest % extent * window.strides[axis] - window.pads_begin[axis];
    rest /= extent;
  }
  const std::size_t tap_count = element_count(Shape(taps.begin(), taps.end()));
  const std::size_t plane = element_count(Shape(data.begin() + 2, data.end()));
  const auto channels = static_cast<std::size_t>(data[1]);
  Shape tap(axes, 0);
  for (std::size_t t = 0; t < tap_count; ++t) {
    bool is_inside = true;
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const std::int64_t at = corner[axis] + tap[axis] * window.dilations[axis];
      is_inside = is_inside && at >= 0 && at < data[axis + 2];
      offset = offset * data[axis + 2] + at;
    }
    const std::size_t first = static_cast<std::size_t>(rest) * channels * plane;
    for (std::size_t channel = 0; channel < channels; ++channel) {
      patch[channel * tap_count + t] =
          is_inside ? values[first + channel * plane + static_cast<std::size_t>(offset)] : 0.0F;
    }
    for (std::size_t axis = axes; axis-- > 0 && ++tap[axis] == taps[axis];) tap[axis] = 0;
  }
}

}  // namespace tightrope
