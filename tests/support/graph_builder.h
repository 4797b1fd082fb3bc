// SPDX-License-Identifier: Apache-2.0
// Graphs by hand, for tests of what needs structure alone.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "onnx/op_table.h"
#include "openvino/op_table.h"
#include "tightrope/graph.h"

namespace tightrope::test {

// An operation with the facts of its framework's table, but for what depends on its inputs.
inline Node node_of(const std::string& name, const std::string& type, OpKind kind = OpKind::kOther,
                    Vocabulary vocabulary = Vocabulary::kOpenVino) {
  const OpRow row = vocabulary == Vocabulary::kOnnx ? onnx::find_row(type) : openvino::find_row(type);
  Node node = tightrope::node_of(row, name);
  node.kind = kind;
  if (kind == OpKind::kDepthwiseConvolution) node.device_op = DeviceOp::kDepthwiseConvolution;
  return node;
}

// Adds one operation per call and returns its first output. Values are f32 [1,4,8,8] unless told otherwise.
class GraphBuilder {
 public:
  Graph graph;

  ValueId input(const std::string& name, ElementType type = ElementType::kF32, Shape shape = kImage) {
    return add(name, "Parameter", OpKind::kParameter, {}, Trait::kOpaque, type, std::move(shape));
  }
  ValueId constant(const std::string& name, ElementType type = ElementType::kF32, Shape shape = {4, 4, 3, 3}) {
    return add(name, "Constant", OpKind::kConstant, {}, Trait::kOpaque, type, std::move(shape));
  }
  // With a constant weight called "<name>/w".
  ValueId conv(const std::string& name, ValueId x, OpKind kind = OpKind::kConvolution) {
    const bool grouped = kind == OpKind::kDepthwiseConvolution || kind == OpKind::kGroupConvolution;
    if (graph.vocabulary == Vocabulary::kOnnx) return weighted(name, "Conv", kind, x, {0});
    return weighted(name, grouped ? "GroupConvolution" : "Convolution", kind, x,
                    grouped ? std::vector{0, 1} : std::vector{0});
  }
  ValueId depthwise(const std::string& name, ValueId x) { return conv(name, x, OpKind::kDepthwiseConvolution); }
  ValueId matmul(const std::string& name, ValueId x) { return weighted(name, "MatMul", OpKind::kMatMul, x, {1}); }
  ValueId matmul(const std::string& name, ValueId a, ValueId b) { return add(name, "MatMul", OpKind::kMatMul, {a, b}); }
  // With a constant of one dimension.
  ValueId dot(const std::string& name, ValueId x) { return weighted(name, "MatMul", OpKind::kMatMul, x, {}); }
  ValueId bias(const std::string& name, ValueId x) {
    return add(name, "Add", OpKind::kAdd, {x, constant(name + "/c", ElementType::kF32, {1, 4, 1, 1})});
  }
  ValueId sum(const std::string& name, ValueId a, ValueId b) { return add(name, "Add", OpKind::kAdd, {a, b}); }
  // Of two operands: Multiply, Maximum ...; the second is a constant called "<name>/c" where it is left out.
  ValueId eltwise(const std::string& name, const std::string& type, ValueId a, ValueId b = kNone) {
    const OpKind kind = openvino::find_row(type).kind;
    return add(name, type, kind, {a, b == kNone ? constant(name + "/c", ElementType::kF32, {1, 4, 1, 1}) : b});
  }
  ValueId attention(const std::string& name, ValueId query, ValueId key, ValueId value) {
    return insert(node_of(name, "ScaledDotProductAttention", OpKind::kAttention), {query, key, value});
  }
  // A whole sequence; the initial state of the cell is a constant, and so is that of its output unless it is given.
  ValueId lstm(const std::string& name, ValueId x, ValueId hidden = kNone) {
    Node node = node_of(name, "LSTMSequence", OpKind::kLstm);
    for (const int port : {1, 2, 4, 5}) {
      if (port != 1 || hidden == kNone) node.weights.push_back({port, {1}});
    }
    if (hidden == kNone) hidden = constant(name + "/h");
    const ValueId cell = constant(name + "/cell");
    const ValueId lengths = constant(name + "/lengths", ElementType::kI64, {1});
    return insert(std::move(node),
                  {x, hidden, cell, lengths, constant(name + "/w"), constant(name + "/r"), constant(name + "/b")});
  }
  // Rows of a constant table called "<name>/table".
  ValueId embedding(const std::string& name, ValueId ids) {
    Node node = node_of(name, "Gather");
    make_embedding(node);
    return insert(std::move(node), {constant(name + "/table"), ids});
  }
  // Anything that changes values: Relu, Softmax ...
  ValueId other(const std::string& name, const std::string& type, ValueId x, ElementType result = ElementType::kF32) {
    return add(name, type, OpKind::kOther, {x}, Trait::kOpaque, result);
  }
  ValueId relu(const std::string& name, ValueId x) { return other(name, "Relu", x); }
  // Anything that moves the elements of its first input: MaxPool, Reshape, Split ...
  ValueId move(const std::string& name, const std::string& type, ValueId x, const std::vector<ValueId>& indices = {},
               int outputs = 1) {
    std::vector<ValueId> inputs = {x};
    inputs.insert(inputs.end(), indices.begin(), indices.end());
    const ValueId first = add(name, type, OpKind::kOther, inputs, Trait::kMovesData);
    for (int port = 1; port < outputs; ++port) another_output(first);
    return first;
  }
  ValueId concat(const std::string& name, const std::vector<ValueId>& values) {
    return add(name, "Concat", OpKind::kConcat, values, Trait::kJoins);
  }
  ValueId shape_of(const std::string& name, ValueId x) {
    return add(name, "ShapeOf", OpKind::kShapeOf, {x}, Trait::kOpaque, ElementType::kI64, {4});
  }
  // Of the operation that gives `first`.
  ValueId another_output(ValueId first, ElementType type = ElementType::kF32) {
    const NodeId node = graph.value(first).producer;
    return add_output(node, static_cast<int>(graph.node(node).outputs.size()), type, kImage);
  }
  std::vector<ValueId> outputs_of(ValueId first) const { return graph.node(graph.value(first).producer).outputs; }
  void result(ValueId x) { add(graph.value(x).name + "/result", "Result", OpKind::kResult, {x}); }

  ValueId add(const std::string& name, const std::string& type, OpKind kind, const std::vector<ValueId>& inputs,
              Trait trait = Trait::kOpaque, ElementType result = ElementType::kF32, Shape shape = kImage) {
    Node node = node_of(name, type, kind, graph.vocabulary);
    if (trait != Trait::kOpaque) node.trait = trait;
    return insert(std::move(node), inputs, result, std::move(shape));
  }

 private:
  inline static const Shape kImage = {1, 4, 8, 8};

  ValueId insert(Node node, const std::vector<ValueId>& inputs, ElementType result = ElementType::kF32,
                 Shape shape = kImage) {
    node.data_ports = data_ports_of(node, static_cast<int>(inputs.size()));
    const NodeId id = graph.add_node(std::move(node));
    for (std::size_t port = 0; port < inputs.size(); ++port) graph.connect(inputs[port], id, static_cast<int>(port));
    return add_output(id, 0, result, std::move(shape));
  }

  ValueId weighted(const std::string& name, const std::string& type, OpKind kind, ValueId x, std::vector<int> axes) {
    Node node = node_of(name, type, kind, graph.vocabulary);
    node.weights = {{1, std::move(axes)}};
    return insert(std::move(node), {x, constant(name + "/w")});
  }

  ValueId add_output(NodeId node, int port, ElementType type, Shape shape) {
    Value value;
    value.name = graph.node(node).name + (port > 0 ? "." + std::to_string(port) : "");
    value.type = type;
    value.shape = std::move(shape);
    value.producer = node;
    value.port = port;
    return graph.add_value(std::move(value));
  }
};

}  // namespace tightrope::test
