// SPDX-License-Identifier: Apache-2.0
// Ranges chosen by the error that they make in the outputs of the layers that read a tensor, instead of in the tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "correction/layer_outputs.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// How many samples fit_by_outputs() can use.
inline constexpr std::size_t kOutputSamples = 32;

// Which ends of a range may move inwards. A symmetric range, or one that starts or ends at zero, has one end.
struct MovingEnds {
  bool low = true;
  bool high = true;
};

// The range of an activation's quantizer, or one within it, for which `error` is the least: each end keeps a share of
// its distance from zero. A range is tried only where it may matter: some 30 to 90 times.
// Method: docs/algorithms.md#output-error
Range best_range(const Quantizer& quantizer, MovingEnds ends, const std::function<double(const Range&)>& error);

// The layers that read what these quantizers give, with rows of the samples: the shared part of all that judges by
// outputs. `model` has the rescalings of the plan. Layers without rows are left out.
std::vector<LayerOutputs> outputs_of(const Model& model, const Plan& plan, std::vector<Layer> layers,
                                     std::span<const Sample> samples);

// Layers whose rows are in memory at the same time, and the index behind the last one that they belong to.
struct Batch {
  std::vector<Layer> layers;
  std::size_t end = 0;
};

// From `first` on, as many of `count` owners of layers as outputs_of() needs 256 MB for, but one at least.
Batch next_batch(std::size_t first, std::size_t count, const std::function<std::vector<Layer>(std::size_t)>& layers_of);

// The sum over layers of the errors of their outputs, with their data as quantized by `data`, and weights as they are.
double error_of(std::span<const LayerOutputs* const> readers, const Quantizer& data, Half half);

// Moves the ends of ranges that the options want chosen so: of activations that layers read, quantizers that share a
// scale together, and of the layers' weights, by output channel. A range stays where the samples that judge are no
// better off. Nothing changes without such an option, or with fewer than two samples.
Plan fit_by_outputs(const Model& model, Plan plan, std::span<const Sample> samples, const QuantizeOptions& options);

// Of a layer's weight, by output channel. The range itself where that is the best one.
Range best_weight_range(const LayerOutputs& outputs, const Quantizer& weight, bool centered);

// Whether the options want any range chosen so.
bool chooses_by_outputs(const QuantizeOptions& options);

}  // namespace tightrope
