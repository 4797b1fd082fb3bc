// SPDX-License-Identifier: Apache-2.0
// Which layers get their bias corrected, and the part of the correction that needs no measurement: the mean error that
// the rounding of a weight makes in the output.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "statistics/collect.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Convolutions of any kind, and matrix products.
bool computes_product(OpKind kind);

// The axis of the channels of what a node of known rank gives, from the start.
int output_axis(const Node& node, const Graph& graph);

// False where only operations that have a bias are to be corrected, as with a threshold, and this one has none.
bool wants_bias(std::string_view node, const Graph& graph, const QuantizeOptions& options);

// True where every entry of the shift is below the multiple of the bias that the options set, or there is no bias.
bool is_below_threshold(const Model& model, std::string_view node, std::span<const float> shift,
                        const QuantizeOptions& options);

// True for weights whose rounding error bias_shift() knows: of convolutions whose data have their channels on axis 1,
// depthwise ones included, and matrices that sum over the last axis of the first operand.
bool corrects_bias(const Quantizer& weight, const Graph& graph);

// The mean of each channel of what the layer reads.
StatisticRequest bias_request(const Quantizer& weight, const Graph& graph);

// What to add to each output channel: the sum over input channels and taps of (weight - rounded weight) * mean input.
// Exact where the window never leaves the data; at padded borders it is an approximation. With smoothing weights and
// means are the smoothed ones.
// `elements`: [channels of the output ..., in, taps ...], where the `channel_axes` number the channels, group by group,
// and `in` is that of one group; or a matrix [in, channels]. `mean`: one per input channel, before smoothing. Formula:
// docs/algorithms.md#bias-correction
std::vector<float> bias_shift(const Tensor& elements, const Quantizer& weight, std::span<const int> channel_axes,
                              std::span<const float> mean);

}  // namespace tightrope
