// SPDX-License-Identifier: Apache-2.0
// Small OpenVINO networks, and a text of everything in one.
#pragma once

#include <cmath>
#include <memory>
#include <openvino/op/ops.hpp>
#include <openvino/openvino.hpp>
#include <string>
#include <vector>

#include "backend/files.h"
#include "tightrope/dataset.h"

namespace tightrope::test {

using NodePtr = std::shared_ptr<ov::Node>;

// Numbers without a pattern that a quantizer would hit exactly, from -1 to 1.
inline std::vector<float> waves(std::size_t count, float phase = 0) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i));
  return values;
}

inline Sample wave_sample(const Shape& shape, float phase = 0) {
  Sample sample;
  sample.inputs.push_back({{}, Tensor::copy_of(std::span<const float>(waves(element_count(shape), phase)), shape)});
  return sample;
}

inline std::vector<Sample> wave_samples(const Shape& shape, std::size_t count) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) samples.push_back(wave_sample(shape, static_cast<float>(i)));
  return samples;
}

inline std::shared_ptr<ov::op::v0::Parameter> parameter(const std::string& name, const ov::PartialShape& shape,
                                                        const ov::element::Type& type = ov::element::f32) {
  auto node = std::make_shared<ov::op::v0::Parameter>(type, shape);
  node->set_friendly_name(name);
  node->get_output_tensor(0).set_names({name});
  return node;
}

inline NodePtr constant(const std::string& name, const ov::Shape& shape, const std::vector<float>& values) {
  auto node = std::make_shared<ov::op::v0::Constant>(ov::element::f32, shape, values);
  node->set_friendly_name(name);
  return node;
}

inline NodePtr weights(const std::string& name, const ov::Shape& shape, float phase = 0) {
  return constant(name, shape, waves(ov::shape_size(shape), phase));
}

template <typename Op, typename... Args>
std::shared_ptr<Op> op(const std::string& name, Args&&... args) {
  auto node = std::make_shared<Op>(std::forward<Args>(args)...);
  node->set_friendly_name(name);
  return node;
}

inline NodePtr reshape(const std::string& name, const ov::Output<ov::Node>& x, const std::vector<std::int64_t>& shape) {
  const auto sizes = op<ov::op::v0::Constant>(name + "/sizes", ov::element::i64, ov::Shape{shape.size()}, shape);
  return op<ov::op::v1::Reshape>(name, x, sizes, false);
}

// Unpadded, stride 1.
inline NodePtr convolution(const std::string& name, const ov::Output<ov::Node>& x, const ov::Output<ov::Node>& weight) {
  return op<ov::op::v1::Convolution>(name, x, weight, ov::Strides{1, 1}, ov::CoordinateDiff{0, 0},
                                     ov::CoordinateDiff{0, 0}, ov::Strides{1, 1});
}

inline NodePtr group_convolution(const std::string& name, const ov::Output<ov::Node>& x,
                                 const ov::Output<ov::Node>& weight) {
  return op<ov::op::v1::GroupConvolution>(name, x, weight, ov::Strides{1, 1}, ov::CoordinateDiff{0, 0},
                                          ov::CoordinateDiff{0, 0}, ov::Strides{1, 1});
}

inline std::shared_ptr<ov::Model> network(const std::vector<std::pair<std::string, ov::Output<ov::Node>>>& outputs,
                                          const ov::ParameterVector& inputs) {
  ov::ResultVector results;
  for (const auto& [name, output] : outputs) {
    ov::Output<ov::Node>(output).add_names({name});
    results.push_back(op<ov::op::v0::Result>(name + "/result", output));
  }
  return std::make_shared<ov::Model>(results, inputs, "network");
}

// x [?,3,6,6] -> conv1 -> bias1 -> relu1 -> conv2 -> sum (with relu1) -> flat -> fc -> y; also depth, read from relu1
// by a depthwise convolution, and shape, the shape of relu1.
inline std::shared_ptr<ov::Model> small_network() {
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto conv1 = convolution("conv1", x, weights("w1", {4, 3, 3, 3}));
  const auto bias1 = op<ov::op::v1::Add>("bias1", conv1, weights("b1", {1, 4, 1, 1}, 0.3F));
  const auto relu1 = op<ov::op::v0::Relu>("relu1", bias1);
  const auto conv2 = convolution("conv2", relu1, weights("w2", {4, 4, 1, 1}, 0.5F));
  const auto sum = op<ov::op::v1::Add>("sum", conv2, relu1);
  const auto fc =
      op<ov::op::v0::MatMul>("fc", reshape("flat", sum, {-1, 64}), weights("w3", {5, 64}, 0.7F), false, true);
  const auto depthwise = group_convolution("depthwise", relu1, weights("w4", {4, 1, 1, 3, 3}, 0.9F));
  return network({{"y", fc}, {"depth", depthwise}, {"shape", op<ov::op::v3::ShapeOf>("shape_of", relu1)}}, {x});
}

inline NodePtr node_called(const ov::Model& model, const std::string& name) {
  for (const auto& node : model.get_ops()) {
    if (node->get_friendly_name() == name) return node;
  }
  ADD_FAILURE() << "no node is called " << name;
  return nullptr;
}

inline NodePtr source_of(const NodePtr& node, std::size_t port) { return node->get_input_node_shared_ptr(port); }

inline std::size_t count_of(const ov::Model& model, const std::string& type) {
  std::size_t count = 0;
  for (const auto& node : model.get_ops()) count += node->get_type_name() == type ? 1 : 0;
  return count;
}

// Operations, names, connections, constants and notes: two models with the same text are the same.
inline std::string text_of(const ov::Model& model) {
  std::string text;
  for (const auto& node : model.get_ordered_ops()) {
    text += std::string(node->get_type_name()) + " " + node->get_friendly_name() + "(";
    for (const auto& input : node->input_values()) {
      text += input.get_node()->get_friendly_name() + ":" + std::to_string(input.get_index()) + ",";
    }
    text += ")";
    for (const auto& output : node->outputs()) {
      const auto& names = output.get_names();
      text += " " + output.get_element_type().to_string() + output.get_partial_shape().to_string();
      for (const std::string& name : std::set<std::string>(names.begin(), names.end())) text += " " + name;
    }
    if (const auto* values = ov::as_type<ov::op::v0::Constant>(node.get())) {
      text += " " + std::to_string(std::hash<std::string_view>()(
                        {static_cast<const char*>(values->get_data_ptr()), values->get_byte_size()}));
    }
    for (const auto& entry : node->get_rt_info()) text += " " + entry.first;
    text += "\n";
  }
  for (const auto& [key, value] : model.get_rt_info()) text += key + "\n";
  return text;
}

}  // namespace tightrope::test
