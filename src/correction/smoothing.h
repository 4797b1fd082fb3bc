// SPDX-License-Identifier: Apache-2.0
// Moves outliers from the data of convolutions and matrix products to their weights, where scales per output channel
// take them in.
#pragma once

#include <span>
#include <vector>

#include "statistics/collect.h"
#include "tightrope/graph.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// How much of the outliers of a layer's data goes to its weight; negative: it isn't smoothed.
double alpha_of(const Node& layer, const QuantizeOptions& options);

// Marks the quantizers that are to be smoothed with a smoothing of ones: those of data that nothing but matrix products
// with constant weights reads, or nothing but convolutions without groups, and those of these weights. Data of products
// need three axes, unless the model is said to be a transformer.
Plan mark_smoothed(Plan plan, const Graph& graph, const QuantizeOptions& options);

// What each channel of the data is divided by, from the largest magnitudes of the data and of the weights' rows.
// Formula: docs/algorithms.md#smoothing
std::vector<float> smoothing_of(std::span<const float> data, std::span<const float> weights, double alpha);

// What the data of a weight's layer are divided by in the quantized model, where they are quantized or in the operation
// in front; empty: nothing.
std::vector<float> divisor_of(const Quantizer& weight, const Plan& plan);

// What would have been observed of the whole tensor, had its channels been divided.
Observed divided(const Observed& channels, std::span<const float> smoothing);

// A weight as it is quantized: multiplied where the quantizer is smoothed.
Tensor multiplied(const Tensor& weight, const Quantizer& quantizer);

}  // namespace tightrope
