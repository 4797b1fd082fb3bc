// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <openvino/op/ops.hpp>
#include <unordered_map>

#include "base/fingerprint.h"
#include "openvino/bodies.h"
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
  const auto* matmul = ov::as_type<const ov::op::v0::MatMul>(&node);
  const int last = std::min(row.weight_ports[1], static_cast<int>(node.get_input_size()) - 1);
  for (int port = std::max(row.weight_ports[0], 0); port <= last; ++port) {
    if (!is_float_constant(node.input_value(static_cast<std::size_t>(port)))) continue;
    if (matmul != nullptr) {
      weights.push_back(matmul_weight(*matmul, port));
      continue;
    }
    WeightPort weight{port, {}};
    for (const int axis : row.channel_axes) {
      if (axis != kNone) weight.channel_axes.push_back(axis);
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

// A Gather of rows of a constant table. Tables of compressed weights keep their form.
bool is_embedding(const ov::Node& node) {
  return std::string_view(node.get_type_name()) == "Gather" && is_float_constant(node.input_value(0)) &&
         !node.get_friendly_name().ends_with("nncf_codebook");
}

// Everything that an operation says of itself, but constants' elements.
class AttributeReader : public ov::AttributeVisitor {
 public:
  using ov::AttributeVisitor::on_adapter;

  std::uint64_t hash() const { return fingerprint_.value(); }

  void on_adapter(const std::string& name, ov::ValueAccessor<void>&) override { fingerprint_.add(name); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::string>& value) override { add(name, value.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<bool>& value) override { add_number(name, value.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::int64_t>& value) override {
    add_number(name, value.get());
  }
  void on_adapter(const std::string& name, ov::ValueAccessor<double>& value) override { add_number(name, value.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<std::int64_t>>& value) override {
    add(name, fmt::format("{}", fmt::join(value.get(), ",")));
  }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<std::uint64_t>>& value) override {
    add(name, fmt::format("{}", fmt::join(value.get(), ",")));
  }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<float>>& value) override {
    add(name, fmt::format("{}", fmt::join(value.get(), ",")));
  }

 private:
  template <typename T>
  void add_number(const std::string& name, T value) {
    add(name, fmt::format("{}", value));
  }
  void add(const std::string& name, const std::string& value) {
    fingerprint_.add(name);
    fingerprint_.add(value);
  }

  Fingerprint fingerprint_;
};

std::uint64_t attributes_of(const ov::Node& node) {
  AttributeReader reader;
  const_cast<ov::Node&>(node).visit_attributes(reader);  // which could also set them
  return reader.hash();
}

template <typename Convolution>
std::optional<Window> window_of(const Convolution& node) {
  const ov::op::PadType padding = node.get_auto_pad();
  const bool follows_data = padding == ov::op::PadType::SAME_UPPER || padding == ov::op::PadType::SAME_LOWER;
  const ov::PartialShape& data = node.get_input_partial_shape(0);
  if (data.rank().is_dynamic()) return std::nullopt;
  if (follows_data && !std::all_of(data.begin() + 2, data.end(), [](const auto& extent) { return extent.is_static(); }))
    return std::nullopt;
  const auto numbers = [](const auto& list) { return std::vector<std::int64_t>(list.begin(), list.end()); };
  return Window{numbers(node.get_strides()), numbers(node.get_dilations()), numbers(node.get_pads_begin()),
                numbers(node.get_pads_end())};
}

std::optional<Window> window_of(const ov::Node& node) {
  if (const auto* plain = ov::as_type<const ov::op::v1::Convolution>(&node)) return window_of(*plain);
  if (const auto* grouped = ov::as_type<const ov::op::v1::GroupConvolution>(&node)) return window_of(*grouped);
  return std::nullopt;
}

Node describe(const ov::Node& source) {
  const OpRow row = find_row(source.get_type_name());
  Node node = node_of(row, source.get_friendly_name());
  node.attributes = attributes_of(source);
  node.window = window_of(source);
  node.weights = weights_of(source, row);
  const auto* product = ov::as_type<const ov::op::v0::MatMul>(&source);
  node.sums_last_axis = product != nullptr && !product->get_transpose_a();
  if (product != nullptr && node.weights.size() == 1 && node.weights[0].port == 0) node.channel_axis = -2;
  node.data_ports = data_ports_of(node, static_cast<int>(source.get_input_size()));
  if (row.kind == OpKind::kGroupConvolution && is_depthwise(source)) {
    node.kind = OpKind::kDepthwiseConvolution;
    node.device_op = DeviceOp::kDepthwiseConvolution;
  } else if (const auto* gru = ov::as_type<const ov::op::v5::GRUSequence>(&source);
             gru != nullptr && gru->get_linear_before_reset()) {
    node.trait = Trait::kOpaque;  // a variant that no device runs in 8 bits
    node.weights.clear();
  } else if (is_embedding(source)) {
    make_embedding(node);
  }
  return node;
}

// Breadth first from inputs and states, consumers of an output by name; then what these do not reach.
std::unordered_map<const ov::Node*, std::int32_t> ranks_of(const Body& body) {
  std::unordered_map<const ov::Node*, std::int32_t> ranks;
  std::vector<ov::Node*> queue;
  const auto enqueue = [&](ov::Node* node) {
    if (ranks.emplace(node, static_cast<std::int32_t>(ranks.size())).second) queue.push_back(node);
  };
  for (const auto& parameter : body.model->get_parameters()) enqueue(parameter.get());
  for (const auto& node : body.nodes) {
    if (std::string_view(node->get_type_name()) == "ReadValue") enqueue(node.get());
  }
  for (std::size_t next = 0; next < queue.size(); ++next) {
    for (const auto& output : queue[next]->outputs()) {
      std::vector<ov::Node*> consumers;
      for (const auto& input : output.get_target_inputs()) consumers.push_back(input.get_node());
      std::ranges::stable_sort(consumers, {}, [](const ov::Node* node) { return node->get_friendly_name(); });
      for (ov::Node* consumer : consumers) enqueue(consumer);
    }
  }
  for (const auto& node : body.nodes) enqueue(node.get());
  return ranks;
}

std::string name_of(const Body& body) {
  if (!body.owner) return {};
  const bool then = body.branch == ov::op::v8::If::THEN_BODY_INDEX;
  return body.owner->get_friendly_name() + (then ? "/then" : "/else");
}

Value describe(const ov::Output<ov::Node>& output, NodeId producer) {
  const ov::PartialShape& shape = output.get_partial_shape();
  Value value;
  value.name = output.get_names().empty() ? output.get_node()->get_friendly_name() : *output.get_names().begin();
  value.type = to_element_type(output.get_element_type());
  value.known_rank = shape.rank().is_static();
  if (value.known_rank) value.shape = to_shape(shape);
  value.producer = producer;
  value.port = static_cast<int>(output.get_index());
  return value;
}

void append(Graph& graph, const Body& body) {
  const auto first_rank = static_cast<std::int32_t>(graph.nodes().size());
  const auto ranks = ranks_of(body);
  std::unordered_map<const ov::Node*, NodeId> ids;
  for (const auto& source : body.nodes) {
    Node node = describe(*source);
    node.rank = first_rank + ranks.at(source.get());
    node.body = name_of(body);
    const NodeId id = graph.add_node(std::move(node));
    ids.emplace(source.get(), id);
    for (const auto& input : source->inputs()) {
      const auto output = input.get_source_output();
      const NodeId producer = ids.at(output.get_node());
      graph.connect(graph.node(producer).outputs[output.get_index()], id, static_cast<int>(input.get_index()));
    }
    for (const auto& output : source->outputs()) graph.add_value(describe(output, id));
  }
}

}  // namespace

Graph read_graph(const ov::Model& base) {
  Graph graph;
  for (const Body& body : bodies_of(base)) append(graph, body);
  return graph;
}

}  // namespace tightrope::openvino
