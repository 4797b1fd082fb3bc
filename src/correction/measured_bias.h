// SPDX-License-Identifier: Apache-2.0
// Takes out of the outputs of layers the mean error that quantization makes there, measured on the quantized model.
#pragma once

#include <cstddef>
#include <span>

#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

struct MeasuredBiases {
  Plan plan;
  std::size_t refused = 0;  // measured shifts that did not lower the error of their layer on other samples
  bool is_better = true;    // false: the outputs of the model were better without the measured shifts
};

// How many samples to measure on.
std::size_t bias_samples(const QuantizeOptions& options);

// True for the weight of a convolution of any kind or a matrix product whose output has as many channels on every item,
// outside of the branches of an If.
bool measures_bias(const Quantizer& weight, const Graph& graph);

// Starts from the shifts of the plan, which needs its ranges, and replaces those of the layers above. Every layer is
// corrected as it is behind all the corrected ones before it. Half of the samples fit the shifts, the other half judge
// them: of the measured shift, that of the plan and none, each layer gets the one with the smallest error; and the
// model gets the set with the smallest error of its outputs. With fewer than two samples the plan stays as it is.
// Compiles the base and the quantized model once. Method: docs/algorithms.md#bias-correction
MeasuredBiases measure_biases(const Model& model, Plan plan, std::span<const Sample> samples,
                              const QuantizeOptions& options);

}  // namespace tightrope
