// SPDX-License-Identifier: Apache-2.0
// Small ONNX models as their bytes, written by hand: fields of onnx.proto in the wire format of protocol buffers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tightrope/tensor.h"

namespace tightrope::test {

// A message: its fields in the order in which they are added.
struct Message {
  std::string bytes;

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
    bytes += static_cast<char>(value);
  }
  Message number(int field, std::int64_t value) && {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
    return std::move(*this);
  }
  Message text(int field, std::string_view value) && {
    varint((static_cast<std::uint64_t>(field) << 3) | 2);
    varint(value.size());
    bytes += value;
    return std::move(*this);
  }
};

// TensorProto.DataType
constexpr std::int64_t kOnnxFloat = 1;
constexpr std::int64_t kOnnxInt64 = 7;
constexpr std::int64_t kOnnxString = 8;
constexpr std::int64_t kOnnxFloat8 = 17;

// The message TypeProto of a tensor; -1 leaves an extent open.
inline Message onnx_tensor_type(std::int64_t type, const Shape& shape) {
  Message shape_message;
  for (const std::int64_t extent : shape) {
    Message dimension = extent < 0 ? Message().text(2, "n") : Message().number(1, extent);
    shape_message = std::move(shape_message).text(1, dimension.bytes);
  }
  return Message().text(1, Message().number(1, type).text(2, shape_message.bytes).bytes);
}

struct OnnxPort {
  std::string name;
  std::int64_t type = kOnnxFloat;
  Shape shape;
};

inline Message onnx_value_info(const OnnxPort& port) {
  return Message().text(1, port.name).text(2, onnx_tensor_type(port.type, port.shape).bytes);
}

// A constant: the elements' bytes or, with `file`, where they lie.
struct OnnxConstant {
  std::string name;
  std::int64_t type = kOnnxFloat;
  Shape shape;
  std::string bytes;
  std::string file;
};

template <typename T>
OnnxConstant onnx_constant(std::string name, std::int64_t type, Shape shape, const std::vector<T>& values) {
  return {std::move(name),
          type,
          std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)),
          {}};
}

struct OnnxNode {
  std::string type;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, std::int64_t>> attributes;  // integers
};

// A ModelProto of opset 17. `graph_fields` are appended to the graph as they are.
inline std::string onnx_model(const std::vector<OnnxPort>& inputs, const std::vector<OnnxPort>& outputs,
                              const std::vector<OnnxNode>& nodes, const std::vector<OnnxConstant>& constants = {},
                              std::string_view graph_fields = {}) {
  Message graph = Message().text(2, "graph");
  for (const OnnxNode& node : nodes) {
    Message message = Message().text(4, node.type);
    for (const std::string& name : node.inputs) message = std::move(message).text(1, name);
    for (const std::string& name : node.outputs) message = std::move(message).text(2, name);
    for (const auto& [name, value] : node.attributes)
      message = std::move(message).text(5, Message().text(1, name).number(3, value).number(20, 2).bytes);
    graph = std::move(graph).text(1, message.bytes);
  }
  for (const OnnxConstant& constant : constants) {
    Message message = Message().number(2, constant.type).text(8, constant.name);
    for (const std::int64_t extent : constant.shape) message = std::move(message).number(1, extent);
    message =
        constant.file.empty()
            ? std::move(message).text(9, constant.bytes)
            : std::move(message).text(13, Message().text(1, "location").text(2, constant.file).bytes).number(14, 1);
    graph = std::move(graph).text(5, message.bytes);
  }
  for (const OnnxPort& port : inputs) graph = std::move(graph).text(11, onnx_value_info(port).bytes);
  for (const OnnxPort& port : outputs) graph = std::move(graph).text(12, onnx_value_info(port).bytes);
  graph.bytes += graph_fields;
  return Message().number(1, 8).text(7, graph.bytes).text(8, Message().number(2, 17).bytes).bytes;
}

}  // namespace tightrope::test
