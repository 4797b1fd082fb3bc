// SPDX-License-Identifier: Apache-2.0
#include "correction/channel_alignment.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "graph/walk.h"

namespace tightrope {
namespace {

// What is added to the output of a convolution, one number per channel: an operand of its own, or an addition's.
std::optional<Operand> bias_per_channel(const Graph& graph, NodeId convolution) {
  const Node& node = graph.node(convolution);
  const auto bias = bias_of(convolution, graph);
  const bool has_own = node.inputs.size() > 2 && node.inputs[2] != kNone;
  if (!bias || (has_own && bias->node != convolution)) return std::nullopt;
  if (has_own) return Operand{convolution, bias->port, {0}};
  const Shape& output = graph.value(node.outputs[0]).shape;
  const Shape& shape = graph.value(graph.node(bias->node).inputs[static_cast<std::size_t>(bias->port)]).shape;
  const auto axis = static_cast<int>(shape.size()) - static_cast<int>(output.size()) + 1;
  if (axis < 0 || shape[static_cast<std::size_t>(axis)] != output[1]) return std::nullopt;
  return Operand{bias->node, bias->port, {axis}};
}

// One tap, and as many positions behind it as before: no padding, whose zeros a shift would have to move, too.
bool reads_single_positions(const Graph& graph, const Node& convolution) {
  const Shape& before = graph.value(convolution.inputs[0]).shape;
  const Shape& weight = graph.value(convolution.inputs[1]).shape;
  const Shape& after = graph.value(convolution.outputs[0]).shape;
  if (convolution.kind != OpKind::kConvolution || before.size() != after.size()) return false;
  for (std::size_t axis = 2; axis < before.size(); ++axis) {
    if (weight[axis] != 1 || before[axis] < 0 || before[axis] != after[axis]) return false;
  }
  return true;
}

// The biases of the layer in front and of the convolution behind, where both can take a shift.
struct Biases {
  Operand front;
  Operand behind;
};

std::optional<Biases> biases_for_shift(const Graph& graph, const AlignedTensor& tensor) {
  const auto& [value, makers, readers] = tensor;
  if (!makers.passes_shifts || readers.size() != 1 || makers.operands.size() != 2) return std::nullopt;
  if (!reads_single_positions(graph, graph.node(readers[0].node))) return std::nullopt;
  const auto behind = bias_per_channel(graph, readers[0].node);
  if (!behind) return std::nullopt;
  return Biases{makers.operands[0], *behind};
}

// A range over the median of those that are not empty; 1 for channels without one.
std::vector<float> factors_of(const std::vector<float>& extents) {
  constexpr float kLeast = 1e-2F;
  std::vector<float> sorted;
  const float least = *std::ranges::max_element(extents) * 1e-6F;
  std::ranges::copy_if(extents, std::back_inserter(sorted), [&](float extent) { return extent > least; });
  std::vector<float> factors(extents.size(), 1);
  if (sorted.empty()) return factors;
  std::ranges::sort(sorted);
  const float median = sorted[sorted.size() / 2];
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] > least) factors[i] = std::clamp(extents[i] / median, kLeast, 1 / kLeast);
  }
  return factors;
}

// With x = factor * x' + center: the bias in front loses the center, the one behind gains what it contributed.
void shift_between(Rescaling& rescaling, const Model& model, const AlignedTensor& tensor, const Biases& biases,
                   const std::vector<float>& factors, const std::vector<float>& centers) {
  const Graph& graph = model.graph();
  for (AdjustedConstant& constant : rescaling.constants) {
    if (constant.node != graph.node(biases.front.node).name || constant.port != biases.front.port) continue;
    for (std::size_t c = 0; c < centers.size(); ++c) constant.addends.push_back(-centers[c] / factors[c]);
  }
  const Tensor weight = model.constant(graph.node(tensor.readers[0].node).inputs[1]);
  const auto values = weight.as<float>();
  std::vector<float> gain(static_cast<std::size_t>(weight.shape()[0]), 0);
  for (std::size_t i = 0; i < values.size(); ++i) gain[i / centers.size()] += values[i] * centers[i % centers.size()];
  rescaling.constants.push_back({graph.node(biases.behind.node).name, biases.behind.port, biases.behind.axes,
                                 std::vector<float>(gain.size(), 1), gain});
}

}  // namespace

std::vector<AlignedTensor> alignable_tensors(const Graph& graph) {
  std::vector<AlignedTensor> tensors;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
    const Value& value = graph.value(id);
    AlignedTensor tensor{id, {}, {}};
    bool fits = value.known_rank && value.shape.size() > 2 && value.shape[1] > 1;
    for (const Use& use : value.uses) {
      if (!fits) break;
      if (graph.node(use.node).kind == OpKind::kShapeOf) continue;
      const auto weight = graph.node(use.node).kind == OpKind::kMatMul ? std::nullopt : reading_weight(graph, use, 1);
      fits = weight.has_value();
      if (weight) tensor.readers.push_back(*weight);
    }
    if (!fits || tensor.readers.empty()) continue;
    auto makers = makers_of(graph, id, 1);
    if (!makers || graph.node(makers->operands.back().node).weights.empty()) continue;
    tensor.makers = std::move(*makers);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

StatisticRequest alignment_request(const AlignedTensor& tensor) {
  StatisticRequest request;
  request.value = tensor.value;
  request.channel_axes = {1};
  return request;
}

Rescaling aligned(const Model& model, const AlignedTensor& tensor, const Observed& observed) {
  const auto biases = biases_for_shift(model.graph(), tensor);
  std::vector<float> extents = observed.magnitude;
  std::vector<float> centers;
  if (biases) {
    for (std::size_t c = 0; c < extents.size(); ++c) {
      centers.push_back((observed.high[c] + observed.low[c]) / 2);
      extents[c] = (observed.high[c] - observed.low[c]) / 2;
    }
  }
  const std::vector<float> factors = factors_of(extents);
  Rescaling rescaling = rescaling_of(model.graph(), tensor.makers.operands, tensor.readers, factors);
  if (biases) shift_between(rescaling, model, tensor, *biases, factors, centers);
  return rescaling;
}

}  // namespace tightrope
