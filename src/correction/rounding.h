// SPDX-License-Identifier: Apache-2.0
// Rounds weights so that the errors of one output channel cancel each other on the data, instead of each to the nearest
// level.
#pragma once

#include <cstddef>
#include <span>

#include "correction/layers.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

struct RoundedWeights {
  Plan plan;
  std::size_t rounded = 0;  // layers with a rounding that lowers the error of their outputs
  std::size_t refused = 0;  // layers whose outputs were no better on the samples that judge
  std::size_t too_large = 0;
};

// How many samples round_weights() can use.
inline constexpr std::size_t kRoundingSamples = 32;

// Gives Quantizer::rounding to weights whose nearest levels cost their layer's output more than it can bear, or to all
// where the options ask for it. `model` is the base, `plan` has its ranges. Every other sample judges whether the
// outputs are better. With fewer than two samples the plan stays as it is. Method: docs/algorithms.md#weight-rounding
RoundedWeights round_weights(const Model& model, Plan plan, std::span<const Sample> samples,
                             const QuantizeOptions& options);

// The same for these layers of the plan, whatever their nearest levels cost. `centered`: biases make up for the mean
// error of an output.
RoundedWeights round_layers(const Model& model, Plan plan, std::vector<Layer> layers, std::span<const Sample> samples,
                            bool centered);

// The best found levels for the weight of one layer, as steps beyond the nearest ones, in the order of its elements.
// `elements`: the weight as it is quantized, [channels, inputs] of one group after the other, `scale` and `zero_point`
// (empty: zero) per channel or one for all, levels from `lowest` to `highest`. `moments`: for each group the second
// moments of the entries of a row, [groups, inputs, inputs].
struct RoundingProblem {
  std::span<const double> elements;
  std::size_t channels = 0;
  std::size_t inputs = 0;
  std::span<const double> moments;
  std::size_t groups = 1;
  std::span<const float> scale;
  std::span<const float> zero_point;
  int lowest = 0;
  int highest = 0;
};
std::vector<std::int8_t> best_rounding(const RoundingProblem& problem);

}  // namespace tightrope
