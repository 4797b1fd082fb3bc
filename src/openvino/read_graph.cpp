// SPDX-License-Identifier: Apache-2.0
#include <openvino/op/ops.hpp>
#include <unordered_map>

#include "openvino/convert.h"
#include "openvino/op_table.h"
#include "openvino/openvino_model.h"

namespace tightrope::openvino {
namespace {

bool is_float_constant(const ov::Output<ov::Node>& source) {
  return ov::is_type<ov::op::v0::Constant>(source.get_node()) && source.get_element_type().is_real();
}

// A group convolution is depthwise where every input channel is a group of its own.
bool is_depthwise(const ov::Node& node) {
  const ov::PartialShape data = node.get_input_partial_shape(0);
  const ov::PartialShape weight = node.get_input_partial_shape(1);
  if (data.rank().is_dynamic() || weight.rank().is_dynamic() || data[1].is_dynamic() || weight[0].is_dynamic())
    return false;
  return data[1] == weight[0] && weight[0].get_length() > 1;
}

// MatMul multiplies the last two axes. All other axes of a constant operand, and the one that is not summed over, keep
// a scale of their own; a vector is summed over entirely.
WeightPort matmul_weight(const ov::op::v0::MatMul& node, int port) {
  const auto rank = static_cast<int>(node.get_input_shape(static_cast<std::size_t>(port)).size());
  const bool transposed = port == 0 ? node.get_transpose_a() : node.get_transpose_b();
  WeightPort weight{port, {}};
  if (rank < 2) return weight;
  const bool output_is_last = (port == 1) != transposed;
  for (int axis = 0; axis < rank - 2; ++axis) weight.channel_axes.push_back(axis);
  weight.channel_axes.push_back(output_is_last ? rank - 1 : rank - 2);
  return weight;
}

std::vector<WeightPort> weights_of(const ov::Node& node, const OpRow& row) {
  std::vector<WeightPort> weights;
  if (const auto* matmul = ov::as_type<const ov::op::v0::MatMul>(&node)) {
    for (int port : {0, 1}) {
      if (is_float_constant(node.input_value(static_cast<std::size_t>(port))))
        weights.push_back(matmul_weight(*matmul, port));
    }
  } else if (row.weight_port != kNone &&
             is_float_constant(node.input_value(static_cast<std::size_t>(row.weight_port)))) {
    WeightPort weight{row.weight_port, {}};
    for (const int axis : row.channel_axes) {
      if (axis != kNone) weight.channel_axes.push_back(axis);
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

Node describe(const ov::Node& source) {
  const OpRow row = find_row(source.get_type_name());
  Node node;
  node.name = source.get_friendly_name();
  node.type = source.get_type_name();
  node.kind = row.kind;
  if (row.kind == OpKind::kGroupConvolution && is_depthwise(source)) node.kind = OpKind::kDepthwiseConvolution;
  node.trait = row.trait;
  node.channel_axis = row.channel_axis;
  node.weights = weights_of(source, row);
  for (int port = 0; port < static_cast<int>(source.get_input_size()); ++port) {
    if (row.trait == Trait::kMovesData && port > 0) break;
    node.data_ports.push_back(port);
  }
  return node;
}

}  // namespace

Graph read_graph(const ov::Model& base) {
  Graph graph;
  std::unordered_map<const ov::Node*, NodeId> ids;
  for (const auto& source : base.get_ordered_ops()) {
    const NodeId id = graph.add_node(describe(*source));
    ids.emplace(source.get(), id);
    for (const auto& input : source->inputs()) {
      const auto output = input.get_source_output();
      const NodeId producer = ids.at(output.get_node());
      graph.connect(graph.node(producer).outputs[output.get_index()], id, static_cast<int>(input.get_index()));
    }
    for (const auto& output : source->outputs()) {
      const ov::PartialShape& shape = output.get_partial_shape();
      Value value;
      value.name = output.get_names().empty() ? source->get_friendly_name() : *output.get_names().begin();
      value.type = to_element_type(output.get_element_type());
      value.known_rank = shape.rank().is_static();
      if (value.known_rank) value.shape = to_shape(shape);
      value.producer = id;
      value.port = static_cast<int>(output.get_index());
      graph.add_value(std::move(value));
    }
  }
  return graph;
}

}  // namespace tightrope::openvino
