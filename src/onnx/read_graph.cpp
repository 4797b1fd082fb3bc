// SPDX-License-Identifier: Apache-2.0
#include "base/fingerprint.h"
#include "onnx/facts.h"
#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/op_table.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {
namespace {

const Tensor* float_constant(const Network& network, const std::string& name) {
  const auto found = network.constants.find(name);
  return found != network.constants.end() && is_float(found->second.type()) ? &found->second : nullptr;
}

// A constant with rows to look up.
bool is_table(const Network& network, const std::string& name) {
  const Tensor* tensor = float_constant(network, name);
  return tensor != nullptr && !tensor->shape().empty();
}

// The axis of the operand that is not summed over; a vector has none. Nor has a stack of matrices: ONNX Runtime turns
// products of such with a scale per column into an operation that it then can't run.
std::optional<int> kept_axis(const proto::NodeProto& node, int port, std::size_t rank) {
  if (rank != 2) return std::nullopt;
  const bool transposed = int_attribute(node, port == 0 ? "transA" : "transB", 0) != 0;  // attributes of Gemm
  const bool is_last = (port == 1) != transposed;
  return static_cast<int>(rank) - (is_last ? 1 : 2);
}

std::vector<WeightPort> weights_of(const Network& network, const proto::NodeProto& node, const OpRow& row) {
  std::vector<WeightPort> weights;
  for (int port = std::max(row.weight_ports[0], 0); port <= row.weight_ports[1]; ++port) {
    const Tensor* tensor = float_constant(network, input_of(node, port));
    if (tensor == nullptr) continue;
    const std::size_t rank = tensor->shape().size();
    auto axis = std::optional(row.channel_axes[0]);  // the format has one axis for scales
    if (axis == kNone) axis = kept_axis(node, port, rank);
    if (axis && static_cast<std::size_t>(*axis) >= rank) continue;  // no weight that the operator could take
    weights.push_back({port, axis ? std::vector{*axis} : std::vector<int>()});
  }
  return weights;
}

// A group convolution is depthwise where every input channel is a group of its own.
void describe_groups(const proto::NodeProto& source, const Facts& facts, Node& node) {
  const std::int64_t group = int_attribute(source, "group", 1);
  if (group == 1) return;
  if (node.kind == OpKind::kTransposedConvolution) {
    node.kind = OpKind::kGroupTransposedConvolution;
    return;
  }
  node.kind = OpKind::kGroupConvolution;
  const auto weight = facts.find(input_of(source, 1));
  if (weight == facts.end() || !weight->second.known_rank || weight->second.shape.size() < 2 || group < 1) return;
  const Shape& shape = weight->second.shape;
  if (shape[1] != 1 || shape[0] < 1 || shape[0] % group != 0) return;
  node.kind = OpKind::kDepthwiseConvolution;
  node.device_op = DeviceOp::kDepthwiseConvolution;
}

// Padding by name: as many steps as the data have strides, what is odd at the end or at the start.
bool pad_by_name(Window& window, std::string_view padding, const Shape& data, const Shape& weight) {
  if (padding == "NOTSET" || padding == "VALID") return true;
  for (std::size_t axis = 0; axis < window.strides.size(); ++axis) {
    const std::int64_t extent = data[axis + 2];
    if (extent < 0) return false;
    const std::int64_t stride = window.strides[axis];
    const std::int64_t reach = (weight[axis + 2] - 1) * window.dilations[axis] + 1;
    const std::int64_t pads = std::max<std::int64_t>(((extent + stride - 1) / stride - 1) * stride + reach - extent, 0);
    window.pads_begin[axis] = padding == "SAME_LOWER" ? (pads + 1) / 2 : pads / 2;
    window.pads_end[axis] = pads - window.pads_begin[axis];
  }
  return true;
}

std::optional<Window> window_of(const proto::NodeProto& node, const Facts& facts) {
  const auto data = facts.find(input_of(node, 0));
  const auto weight = facts.find(input_of(node, 1));
  if (data == facts.end() || weight == facts.end() || !data->second.known_rank || !weight->second.known_rank)
    return std::nullopt;
  const Shape& shape = weight->second.shape;
  if (shape.size() < 3 || data->second.shape.size() != shape.size()) return std::nullopt;
  const std::size_t axes = shape.size() - 2;
  const auto numbers = [&](std::string_view name, std::size_t count, std::int64_t otherwise) {
    std::vector<std::int64_t> list = ints_attribute(node, name);
    list.resize(count, otherwise);
    return list;
  };
  const std::vector<std::int64_t> pads = numbers("pads", 2 * axes, 0);
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(axes);
  Window window{
      numbers("strides", axes, 1), numbers("dilations", axes, 1), {pads.begin(), middle}, {middle, pads.end()}};
  const auto is_step = [](std::int64_t step) { return step >= 1; };
  if (!std::ranges::all_of(window.strides, is_step) || !std::ranges::all_of(window.dilations, is_step))
    return std::nullopt;
  if (!pad_by_name(window, text_attribute(node, "auto_pad", "NOTSET"), data->second.shape, shape)) return std::nullopt;
  return window;
}

Node describe(const Network& network, const proto::NodeProto& source, const Facts& facts) {
  const OpRow row = is_standard(source, network.model) ? find_row(source.op_type()) : OpRow{source.op_type()};
  Node node = node_of(row, source.name());
  Fingerprint attributes;
  for (const auto& attribute : source.attribute()) attributes.add(attribute.SerializeAsString());
  node.attributes = attributes.value();
  node.weights = weights_of(network, source, row);
  node.sums_last_axis = node.kind == OpKind::kMatMul && int_attribute(source, "transA", 0) == 0;
  if (node.kind == OpKind::kMatMul && node.weights.size() == 1 && node.weights[0].port == 0) node.channel_axis = -2;
  node.data_ports = data_ports_of(node, source.input_size());
  std::erase_if(node.data_ports, [&](int port) { return input_of(source, port).empty(); });
  if (row.kind == OpKind::kConvolution || row.kind == OpKind::kTransposedConvolution) {
    describe_groups(source, facts, node);
    if (row.kind == OpKind::kConvolution) node.window = window_of(source, facts);
  } else if (row.kind == OpKind::kAdd &&
             (input_of(source, 0).empty() || input_of(source, 1).empty() || source.input_size() != 2)) {
    node.kind = OpKind::kOther;  // a sum of one, or of many
  } else if (row.type == "Gather" && is_table(network, input_of(source, 0))) {
    make_embedding(node);
  }
  return node;
}

class GraphReader {
 public:
  explicit GraphReader(const Network& base)
      : base_(base), messages_(base.model.graph()), order_(sorted_nodes(messages_)), facts_(infer_facts(base, order_)) {
    graph_.vocabulary = Vocabulary::kOnnx;
    graph_.per_channel = opset_of(base.model) >= kPerChannelOpset;
    for (const auto& node : messages_.node()) names_.insert(node.name());
  }

  Graph read() {
    // NNCF counts the nodes first, in their order in the file, then inputs, then outputs.
    std::int32_t rank = messages_.node_size();
    for (const auto& input : messages_.input()) add_source(input.name(), "Parameter", OpKind::kParameter, rank++);
    const std::int32_t first_result = rank;
    rank += messages_.output_size();
    for (const auto& constant : messages_.initializer())
      add_source(constant.name(), "Constant", OpKind::kConstant, rank++);
    for (const auto& constant : messages_.sparse_initializer())
      add_source(constant.values().name(), "Constant", OpKind::kConstant, rank++);
    for (const int index : order_) add_operation(messages_.node(index), index);
    rank = first_result;
    for (const auto& output : messages_.output()) add_result(output.name(), rank++);
    return std::move(graph_);
  }

 private:
  void add_value(const std::string& name, NodeId producer, int port) {
    Value value;
    value.name = name;
    const auto found = facts_.find(name);
    const ValueFacts facts = found == facts_.end() ? ValueFacts() : found->second;
    value.type = facts.type;
    value.shape = facts.shape;
    value.known_rank = facts.known_rank;
    value.producer = producer;
    value.port = port;
    values_.emplace(name, graph_.add_value(std::move(value)));
  }

  // An input or an initializer, which the file keeps apart from the nodes.
  void add_source(const std::string& name, std::string_view type, OpKind kind, std::int32_t rank) {
    Node node;
    node.name = names_.unique(name);
    node.type = type;
    node.kind = kind;
    node.rank = rank;
    add_value(name, graph_.add_node(std::move(node)), 0);
  }

  void add_operation(const proto::NodeProto& source, int index) {
    Node node = describe(base_, source, facts_);
    node.rank = index;
    const NodeId id = graph_.add_node(std::move(node));
    int port = 0;
    const auto read = [&](const std::string& name) {
      if (!name.empty()) graph_.connect(values_.at(name), id, port);
      ++port;
    };
    for (const auto& input : source.input()) read(input);
    for (const auto& input : captured_by(source)) read(input);
    for (int output = 0; output < source.output_size(); ++output) {
      if (!source.output(output).empty()) add_value(source.output(output), id, output);
    }
  }

  void add_result(const std::string& name, std::int32_t rank) {
    Node node;
    node.name = names_.unique(name + "/result");
    node.type = "Result";
    node.kind = OpKind::kResult;
    node.rank = rank;
    const NodeId id = graph_.add_node(std::move(node));
    graph_.connect(values_.at(name), id, 0);
  }

  const Network& base_;
  const proto::GraphProto& messages_;
  std::vector<int> order_;
  Facts facts_;
  Graph graph_;
  Names names_;  // of nodes
  std::unordered_map<std::string, ValueId> values_;
};

}  // namespace

Graph read_graph(const Network& base) { return GraphReader(base).read(); }

}  // namespace tightrope::onnx
