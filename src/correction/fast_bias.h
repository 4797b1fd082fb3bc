// SPDX-License-Identifier: Apache-2.0
// Takes out of an operation's output the mean error that the rounding of its weight makes.
#pragma once

#include <span>
#include <vector>

#include "statistics/collect.h"
#include "tightrope/plan.h"

namespace tightrope {

// True for the weights of convolutions whose data have their channels on axis 1, depthwise ones included.
bool corrects_bias(const Quantizer& weight, const Graph& graph);

// The mean of each channel of what the convolution reads.
StatisticRequest bias_request(const Quantizer& weight, const Graph& graph);

// What to add to each output channel: the sum over input channels and taps of (weight - rounded weight) * mean input.
// Exact where the window never leaves the data; at padded borders it is an approximation.
// `elements`: [channels of the output ..., in, taps ...], where the first `channel_axes` axes number the channels,
// group by group, and `in` is that of one group; `mean`: one per input channel. Formula:
// docs/algorithms.md#bias-correction
std::vector<float> bias_shift(const Tensor& elements, const Quantizer& weight, std::size_t channel_axes,
                              std::span<const float> mean);

}  // namespace tightrope
