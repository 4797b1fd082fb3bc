// SPDX-License-Identifier: Apache-2.0
// What a convolution reads for one position of its output.
#pragma once

#include <cstdint>
#include <span>

#include "tightrope/graph.h"
#include "tightrope/tensor.h"

namespace tightrope {

// How many positions the output has, over all samples of the batch; 0 where the window is larger than the data.
// `data`: [samples, channels, extents ...]; `taps`: the extents of the kernel.
std::size_t position_count(const Shape& data, const Window& window, std::span<const std::int64_t> taps);

// Copies the patch at a position, numbered in the order of the output: [channels, taps ...], zero where it leaves the
// data.
void copy_patch(std::span<const float> values, const Shape& data, const Window& window,
                std::span<const std::int64_t> taps, std::size_t position, std::span<float> patch);

}  // namespace tightrope
