// SPDX-License-Identifier: Apache-2.0
#include "correction/rescaling.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "graph/walk.h"

namespace tightrope {
namespace {

bool is_one_of(std::string_view type, std::span<const std::string_view> types) {
  return std::ranges::find(types, type) != types.end();
}

// What a positive factor passes, whatever the axis of the channels.
constexpr std::array<std::string_view, 5> kPasses = {"Relu", "LeakyRelu", "PRelu", "Identity", "Dropout"};
// The same for channels on axis 1.
constexpr std::array<std::string_view, 5> kPools = {"MaxPool", "AvgPool", "AveragePool", "GlobalAveragePool",
                                                    "GlobalMaxPool"};
// Operations whose inputs 1 and 2 multiply the channels and add to them: on the last axis, and on axis 1.
constexpr std::array<std::string_view, 3> kLastAxisAffine = {"LayerNormalization", "RMSNormalization",
                                                             "SimplifiedLayerNormalization"};
constexpr std::array<std::string_view, 3> kAxisOneAffine = {"BatchNormalization", "InstanceNormalization",
                                                            "GroupNormalization"};
constexpr std::array<std::string_view, 2> kMultiplies = {"Multiply", "Mul"};
constexpr std::array<std::string_view, 2> kSubtracts = {"Subtract", "Sub"};

bool is_layer(const Node& node) {
  switch (node.kind) {
    case OpKind::kConvolution:
    case OpKind::kDepthwiseConvolution:
    case OpKind::kGroupConvolution:
    case OpKind::kTransposedConvolution:
    case OpKind::kGroupTransposedConvolution:
    case OpKind::kMatMul:
      return node.weights.size() == 1 && node.weights[0].port == 1;
    default:
      return false;
  }
}

class MakerSearch {
 public:
  MakerSearch(const Graph& graph, int axis, std::int64_t channels) : graph_(graph), axis_(axis), channels_(channels) {}

  // `reader` is the one operation that may read the value; kNone: whoever does.
  bool search(ValueId id, NodeId reader) {
    const Value& value = graph_.value(id);
    const auto axis = static_cast<std::size_t>(axis_);
    if (!value.known_rank || axis >= value.shape.size() || value.shape[axis] != channels_ || value.port != 0)
      return false;
    if (reader != kNone && !is_read_once(value)) return false;
    makers_.scaled.push_back(id);
    const Node& node = graph_.node(value.producer);
    if (!node.body.empty()) return false;
    if (is_layer(node)) return scale_layer(value.producer);
    const bool is_last = axis + 1 == value.shape.size();
    if (is_one_of(node.type, kLastAxisAffine)) return is_last && scale_vectors(value.producer);
    if (is_one_of(node.type, kAxisOneAffine)) return axis == 1 && scale_vectors(value.producer);
    if (is_one_of(node.type, kPasses) || (axis == 1 && value.shape.size() > 2 && is_one_of(node.type, kPools))) {
      makers_.passes_shifts = false;
      return search(node.inputs[0], value.producer);
    }
    if (node.inputs.size() != 2 || node.inputs[0] == kNone || node.inputs[1] == kNone) return false;
    if (is_one_of(node.type, kMultiplies)) return scale_product(value.producer, value.shape.size());
    if (node.kind == OpKind::kAdd || is_one_of(node.type, kSubtracts))
      return scale_sum(value.producer, value.shape.size());
    return false;
  }

  // Nothing where a constant has fewer bits than its share of the factor may need.
  std::optional<Makers> take() {
    for (const auto& [node, port, axes] : makers_.operands) {
      if (graph_.value(graph_.node(node).inputs[static_cast<std::size_t>(port)]).type != ElementType::kF32)
        return std::nullopt;
    }
    return std::move(makers_);
  }

 private:
  bool is_read_once(const Value& value) const {
    const auto reads = std::ranges::count_if(
        value.uses, [&](const Use& use) { return graph_.node(use.node).kind != OpKind::kShapeOf; });
    return reads == 1;
  }

  // The axis of a constant that meets the channels, where it has an element for each.
  std::optional<int> channels_in(ValueId constant, std::size_t rank) const {
    const Shape& shape = graph_.value(constant).shape;
    const auto axis = axis_ - static_cast<int>(rank) + static_cast<int>(shape.size());
    if (axis < 0 || shape[static_cast<std::size_t>(axis)] != channels_) return std::nullopt;
    return axis;
  }

  bool scale_constant(NodeId id, int port, std::size_t rank) {
    const auto axis = channels_in(graph_.node(id).inputs[static_cast<std::size_t>(port)], rank);
    if (!axis) return false;
    makers_.operands.push_back({id, port, {*axis}});
    return true;
  }

  // An addition that scales as a whole: of a constant, and of what scales in turn.
  bool scale_sum(NodeId id, std::size_t rank) {
    const Node& node = graph_.node(id);
    const int constant = is_constant(node.inputs[1], graph_) ? 1 : 0;
    const ValueId other = node.inputs[static_cast<std::size_t>(1 - constant)];
    if (!is_constant(node.inputs[static_cast<std::size_t>(constant)], graph_) || is_constant(other, graph_))
      return false;
    if (node.kind != OpKind::kAdd) makers_.passes_shifts = false;
    return scale_constant(id, constant, rank) && search(other, id);
  }

  // A product scales with either of its operands.
  bool scale_product(NodeId id, std::size_t rank) {
    const Node& node = graph_.node(id);
    makers_.passes_shifts = false;
    for (const int port : {0, 1}) {
      if (is_constant(node.inputs[static_cast<std::size_t>(port)], graph_) && scale_constant(id, port, rank))
        return true;
    }
    const Makers before = makers_;
    for (const ValueId input : node.inputs) {
      if (!is_constant(input, graph_) && graph_.value(input).shape.size() == rank && search(input, id)) return true;
      makers_ = before;
    }
    return false;
  }

  // A bias that convolutions of ONNX (and Gemm) have as an operand, and the weight.
  bool scale_layer(NodeId id) {
    const Node& node = graph_.node(id);
    const Value& weight = graph_.value(node.inputs[1]);
    const std::vector<int>& axes = node.weights[0].channel_axes;
    std::int64_t channels = axes.empty() ? 0 : 1;
    for (const int axis : axes) channels *= weight.shape[static_cast<std::size_t>(axis)];
    const bool is_product = node.kind == OpKind::kMatMul;
    const auto output_rank = static_cast<int>(graph_.value(node.outputs[0]).shape.size());
    if (channels != channels_ || axis_ != (is_product ? output_rank - 1 : 1)) return false;
    if (is_product && weight.shape.size() != 2) return false;
    if (node.inputs.size() > 2 && node.inputs[2] != kNone) {
      const ValueId bias = node.inputs[2];
      const auto rank = graph_.value(bias).shape.size();
      if (!is_constant(bias, graph_) || rank == 0 || graph_.value(bias).shape.back() != channels_) return false;
      makers_.operands.push_back({id, 2, {static_cast<int>(rank) - 1}});
    }
    makers_.operands.push_back({id, 1, axes});
    return true;
  }

  // Inputs 1 and 2 of a normalization, a vector each.
  bool scale_vectors(NodeId id) {
    const Node& node = graph_.node(id);
    for (int port = 1; port < std::min<int>(static_cast<int>(node.inputs.size()), 3); ++port) {
      const ValueId input = node.inputs[static_cast<std::size_t>(port)];
      if (input == kNone) continue;
      if (!is_constant(input, graph_) || graph_.value(input).shape != Shape{channels_}) return false;
      makers_.operands.push_back({id, port, {0}});
    }
    makers_.passes_shifts = false;
    return !makers_.operands.empty();
  }

  const Graph& graph_;
  int axis_;
  std::int64_t channels_;
  Makers makers_;
};

}  // namespace

std::optional<Makers> makers_of(const Graph& graph, ValueId value, int axis) {
  const Value& tensor = graph.value(value);
  if (axis < 0 || static_cast<std::size_t>(axis) >= tensor.shape.size()) return std::nullopt;
  MakerSearch search(graph, axis, tensor.shape[static_cast<std::size_t>(axis)]);
  if (!search.search(value, kNone)) return std::nullopt;
  return search.take();
}

std::optional<Operand> reading_weight(const Graph& graph, const Use& use, int axis) {
  const Node& node = graph.node(use.node);
  if (use.port != 0 || !is_layer(node)) return std::nullopt;
  const std::vector<int>& kept = node.weights[0].channel_axes;
  const std::size_t rank = graph.value(node.inputs[1]).shape.size();
  const Value& data = graph.value(node.inputs[0]);
  switch (node.kind) {
    case OpKind::kConvolution:
      return axis == 1 ? std::optional(Operand{use.node, 1, {1}}) : std::nullopt;
    case OpKind::kDepthwiseConvolution: {  // one filter per channel; of several the axes differ by framework
      const Shape& shape = graph.value(node.inputs[1]).shape;
      const bool is_single = axis == 1 && shape[0] == data.shape[1] && shape[1] == 1;
      return is_single ? std::optional(Operand{use.node, 1, {0}}) : std::nullopt;
    }
    case OpKind::kMatMul:
      if (rank != 2 || kept.size() != 1 || !node.sums_last_axis || axis + 1 != static_cast<int>(data.shape.size()))
        return std::nullopt;
      return Operand{use.node, 1, {1 - kept[0]}};
    default:
      return std::nullopt;
  }
}

Rescaling rescaling_of(const Graph& graph, std::span<const Operand> divided, std::span<const Operand> multiplied,
                       std::span<const float> factors) {
  std::vector<float> reciprocals;
  for (const float factor : factors) reciprocals.push_back(1 / factor);
  Rescaling rescaling;
  for (const Operand& operand : divided)
    rescaling.constants.push_back({graph.node(operand.node).name, operand.port, operand.axes, reciprocals, {}});
  for (const Operand& operand : multiplied) {
    rescaling.constants.push_back(
        {graph.node(operand.node).name, operand.port, operand.axes, {factors.begin(), factors.end()}, {}});
  }
  return rescaling;
}

}  // namespace tightrope
