// SPDX-License-Identifier: Apache-2.0
// Walks a dense tensor whose kept axes form channels, and whose other axes are reduced.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tightrope/tensor.h"

namespace tightrope {

// Product of the extents of `axes`; 1 where there are none.
inline std::size_t channel_count(const Shape& shape, std::span<const int> axes) {
  std::size_t count = 1;
  for (const int axis : axes) count *= static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
  return count;
}

// True where the axes exist, in ascending order, and number this many channels.
inline bool numbers_channels(const Shape& shape, std::span<const int> axes, std::size_t channels) {
  int next = 0;
  for (const int axis : axes) {
    if (axis < next || static_cast<std::size_t>(axis) >= shape.size()) return false;
    next = axis + 1;
  }
  return channel_count(shape, axes) == channels;
}

// The shape with every axis that is not kept reduced to 1.
inline Shape kept_shape(const Shape& shape, std::span<const int> axes) {
  Shape kept(shape.size(), 1);
  for (const int axis : axes) kept[static_cast<std::size_t>(axis)] = shape[static_cast<std::size_t>(axis)];
  return kept;
}

// Calls run(offset, length, channel, step) for contiguous runs that cover the tensor: element offset + i belongs to
// channel + i * step, step being 0 or 1. `axes` are ascending.
template <typename Run>
void for_each_run(const Shape& shape, std::span<const int> axes, Run&& run) {
  const std::size_t total = element_count(shape);
  if (total == 0) return;
  const std::size_t rank = shape.size();
  std::vector<std::size_t> stride(rank, 0);  // of each axis in channels; 0 where it is reduced
  std::size_t channels = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    stride[static_cast<std::size_t>(axes[i])] = channels;
    channels *= static_cast<std::size_t>(shape[static_cast<std::size_t>(axes[i])]);
  }
  // The run: the last axis if it is kept, else all trailing axes that are reduced.
  std::size_t outer = rank;
  std::size_t length = 1;
  const std::size_t step = rank > 0 && stride[rank - 1] != 0 ? 1 : 0;
  if (step == 1) {
    length = static_cast<std::size_t>(shape[--outer]);
  } else {
    while (outer > 0 && stride[outer - 1] == 0) length *= static_cast<std::size_t>(shape[--outer]);
  }
  std::vector<std::size_t> index(outer, 0);
  std::size_t channel = 0;
  for (std::size_t offset = 0; offset < total; offset += length) {
    run(offset, length, channel, step);
    for (std::size_t axis = outer; axis-- > 0;) {
      channel += stride[axis];
      if (++index[axis] < static_cast<std::size_t>(shape[axis])) break;
      channel -= stride[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace tightrope
