// SPDX-License-Identifier: Apache-2.0
// ONNX models by hand.
#pragma once

#include <string>
#include <vector>

#include "onnx/onnx_model.h"
#include "onnx/tensors.h"

namespace tightrope::test {

namespace proto = onnx::proto;

class OnnxBuilder {
 public:
  explicit OnnxBuilder(std::int64_t opset = 17) {
    model.set_ir_version(8);
    model.add_opset_import()->set_version(opset);
    model.mutable_graph()->set_name("test");
  }

  proto::ModelProto model;

  proto::GraphProto& graph() { return *model.mutable_graph(); }

  // -1 stands for an open extent.
  OnnxBuilder& input(const std::string& name, const Shape& shape, int type = proto::TensorProto::FLOAT) {
    describe(*graph().add_input(), name, shape, type);
    return *this;
  }
  OnnxBuilder& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  // Holds 0, 1, 2 ... where no values are given.
  OnnxBuilder& weight(const std::string& name, const Shape& shape, std::vector<float> values = {}) {
    proto::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(proto::TensorProto::FLOAT);
    for (const auto extent : shape) tensor.add_dims(extent);
    for (std::size_t i = values.size(); i < element_count(shape); ++i) values.push_back(static_cast<float>(i));
    for (const float value : values) tensor.add_float_data(value);
    return *this;
  }
  // Of any element type.
  OnnxBuilder& constant(const std::string& name, const Tensor& value) {
    proto::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::to_data_type(value.type()));
    for (const auto extent : value.shape()) tensor.add_dims(extent);
    tensor.set_raw_data(value.data(), value.bytes());
    return *this;
  }
  OnnxBuilder& ints(const std::string& name, const std::vector<std::int64_t>& values) {
    proto::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(proto::TensorProto::INT64);
    tensor.add_dims(static_cast<std::int64_t>(values.size()));
    for (const auto value : values) tensor.add_int64_data(value);
    return *this;
  }
  // Named as its first output.
  proto::NodeProto& node(const std::string& type, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs) {
    proto::NodeProto& added = *graph().add_node();
    added.set_op_type(type);
    added.set_name(outputs[0]);
    for (const auto& name : inputs) added.add_input(name);
    for (const auto& name : outputs) added.add_output(name);
    return added;
  }

  onnx::Network network() const {
    const std::string bytes = model.SerializeAsString();
    return onnx::parse_network({bytes.data(), bytes.size()});
  }
  onnx::Network base() const {
    onnx::Network base = network();
    onnx::normalize(base);
    return base;
  }

  static void describe(proto::ValueInfoProto& info, const std::string& name, const Shape& shape, int type) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (const auto extent : shape) {
      auto& dim = *tensor.mutable_shape()->add_dim();
      if (extent >= 0) dim.set_dim_value(extent);
    }
  }
};

inline void set(proto::NodeProto& node, const std::string& name, std::int64_t value) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(proto::AttributeProto::INT);
  attribute.set_i(value);
}

inline void set(proto::NodeProto& node, const std::string& name, float value) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(proto::AttributeProto::FLOAT);
  attribute.set_f(value);
}

inline void set(proto::NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(proto::AttributeProto::INTS);
  for (const auto value : values) attribute.add_ints(value);
}

inline proto::TensorProto& tensor_attribute(proto::NodeProto& node, const std::string& name) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(proto::AttributeProto::TENSOR);
  return *attribute.mutable_t();
}

// Adds a body with one output.
inline proto::GraphProto& body(proto::NodeProto& node, const std::string& name, const std::string& output) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(proto::AttributeProto::GRAPH);
  attribute.mutable_g()->set_name(name);
  OnnxBuilder::describe(*attribute.mutable_g()->add_output(), output, {}, proto::TensorProto::FLOAT);
  attribute.mutable_g()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  return *attribute.mutable_g();
}

inline proto::NodeProto& add_node(proto::GraphProto& graph, const std::string& type,
                                  const std::vector<std::string>& inputs, const std::string& output) {
  proto::NodeProto& added = *graph.add_node();
  added.set_op_type(type);
  for (const auto& name : inputs) added.add_input(name);
  added.add_output(output);
  return added;
}

// Makes a tensor refer to a file that has its elements from an offset on.
inline void move_to_file(proto::TensorProto& tensor, const std::string& location, std::size_t offset) {
  tensor.clear_float_data();
  tensor.clear_raw_data();
  tensor.set_data_location(proto::TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair("location", location), std::pair("offset", std::to_string(offset))}) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
}

}  // namespace tightrope::test
