// SPDX-License-Identifier: Apache-2.0
// What a plan means, written down once more: its quantizers as arithmetic in floating point, without any quantization
// operator.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/onnx_model.h"
#include "onnx/session.h"
#include "onnx/tensors.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope::test {

// Numbers without a pattern that a quantizer would hit exactly, from -1 to 1.
inline std::vector<float> sines(std::size_t count, float phase = 0) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i));
  return values;
}

// Sines for every input, open extents being 1; truth for truth values.
inline Sample sines_for(const onnx::proto::ModelProto& model, float phase = 0) {
  Sample sample;
  for (const auto& input : model.graph().input()) {
    const auto& type = input.type().tensor_type();
    Shape shape;
    for (const auto& dim : type.shape().dim()) shape.push_back(dim.has_dim_value() ? dim.dim_value() : 1);
    std::vector<float> values = sines(element_count(shape), phase);
    if (type.elem_type() == onnx::proto::TensorProto::BOOL) values.assign(values.size(), 1);
    const Tensor tensor = Tensor::copy_of(values, shape).cast(onnx::to_element_type(type.elem_type()));
    sample.inputs.push_back({input.name(), tensor});
  }
  return sample;
}

inline std::unique_ptr<Session> session_of(const onnx::Network& network) { return onnx::make_session(network, {}); }

inline std::vector<float> constant_floats(const onnx::Network& network, const std::string& name) {
  return network.constants.at(name).to_floats();
}

class OnnxSimulation {
 public:
  OnnxSimulation(onnx::Network base, const Graph& graph)
      : network_(std::move(base)), graph_(graph), names_(messages()) {}

  onnx::Network of(const Plan& plan) {
    for (const BiasShift& shift : plan.bias_shifts) shift_output(shift);
    for (const Quantizer& quantizer : plan.quantizers) {
      if (quantizer.kind == SiteKind::kOutput) round_output(quantizer);
    }
    for (const Quantizer& quantizer : plan.quantizers) {
      if (quantizer.kind != SiteKind::kOutput) round_input(quantizer);
    }
    sort();
    return std::move(network_);
  }

 private:
  onnx::proto::GraphProto& messages() { return *network_.model.mutable_graph(); }

  std::string node(const std::string& type, const std::vector<std::string>& inputs,
                   const std::string& wanted = "simulated", int to = 0) {
    auto& added = *messages().add_node();
    const std::string name = names_.unique(wanted);
    added.set_op_type(type);
    added.set_name(name);
    for (const auto& input : inputs) added.add_input(input);
    added.add_output(name);
    if (to != 0) onnx::set_attribute(added, "to", to);
    return name;
  }

  std::string number(std::vector<float> values, Shape shape) {
    const std::string name = names_.unique("number");
    onnx::add_constant(network_, name, Tensor::copy_of(values, std::move(shape)));
    return name;
  }

  // (round(clip(x) / step) * step, zero being on a level
  std::string rounded(const std::string& value, const Value& facts, const Quantizer& quantizer) {
    const Range& range = quantizer.range;
    Shape shape(range.low.size() > 1 ? facts.shape.size() : 0, 1);
    if (range.low.size() > 1)
      shape[static_cast<std::size_t>(quantizer.channel_axes[0])] = static_cast<std::int64_t>(range.low.size());
    std::vector<float> steps;
    std::vector<float> lowest;
    std::vector<float> highest;
    for (std::size_t c = 0; c < range.low.size(); ++c) {
      const double span = static_cast<double>(range.high[c]) - static_cast<double>(range.low[c]);
      const double step = span > 0 ? span / (range.levels - 1) : 1.0;
      steps.push_back(static_cast<float>(step));
      lowest.push_back(static_cast<float>(std::nearbyint(range.low[c] / static_cast<float>(step))));
      highest.push_back(lowest.back() + static_cast<float>(range.levels - 1));
    }
    const std::string step = number(steps, shape);
    std::string now = node("Cast", {value}, "single", onnx::proto::TensorProto::FLOAT);
    now = node("Round", {node("Div", {now, step})});
    now = node("Min", {node("Max", {now, number(lowest, shape)}), number(highest, shape)});
    return node("Cast", {node("Mul", {now, step})}, "rounded", onnx::to_data_type(facts.type));
  }

  int index_of(const std::string& name) {
    for (int i = 0; i < messages().node_size(); ++i) {
      if (messages().node(i).name() == name) return i;
    }
    return -1;
  }

  // Lets the value be given under another name, which it returns: outputs of the model and bodies read the old one.
  std::string renamed(const std::string& value) {
    const std::string other = names_.unique("exact");
    for (auto& node : *messages().mutable_node()) {
      for (auto& input : *node.mutable_input()) {
        if (input == value) input = other;
      }
      for (auto& output : *node.mutable_output()) {
        if (output == value) output = other;
      }
    }
    return other;
  }

  void shift_output(const BiasShift& shift) {
    const Value& value = graph_.value(graph_.node(graph_.find(shift.node)).outputs[0]);
    const std::string type = messages().node(index_of(shift.node)).op_type();
    const std::size_t rank = value.shape.size();
    const std::size_t axis = type.starts_with("Conv") ? 1 : rank - 1;
    Shape shape(rank, 1);
    shape[axis] = static_cast<std::int64_t>(shift.shift.size());
    const std::string addend = node("Cast", {number(shift.shift, shape)}, "shift", onnx::to_data_type(value.type));
    const std::string exact = renamed(value.name);
    names_.insert(value.name);
    auto& sum = *messages().add_node();
    sum.set_op_type("Add");
    sum.set_name(names_.unique("sum"));
    sum.add_input(exact);
    sum.add_input(addend);
    sum.add_output(value.name);
    for (auto& node : *messages().mutable_node()) {  // all who read it get the sum
      if (&node == &sum) continue;
      for (auto& input : *node.mutable_input()) {
        if (input == exact) input = value.name;
      }
    }
  }

  bool is_output(const std::string& value) {
    return std::ranges::any_of(messages().output(), [&](const auto& output) { return output.name() == value; });
  }

  // The name goes over to `result` where the value is an output of the model that a body does not read.
  void give_output(const std::string& value, const std::string& result) {
    for (const auto& node : messages().node()) {
      for (const auto& name : onnx::captured_by(node)) {
        if (name == value) return;
      }
    }
    const std::string exact = renamed(value);
    auto& output = *messages().add_node();
    output.set_op_type("Identity");
    output.set_name(names_.unique("output"));
    output.add_input(result);
    output.add_output(value);
    exact_[value] = exact;
  }

  void round_output(const Quantizer& quantizer) {
    const Value& value =
        graph_.value(graph_.node(graph_.find(quantizer.node)).outputs[static_cast<std::size_t>(quantizer.port)]);
    const int count = messages().node_size();
    const std::string result = rounded(value.name, value, quantizer);
    for (int i = 0; i < count; ++i) {
      auto& node = *messages().mutable_node(i);
      if (node.op_type() == "Shape") continue;
      for (auto& input : *node.mutable_input()) {
        if (input == value.name) input = result;
      }
    }
    if (is_output(value.name)) {
      give_output(value.name, result);
      result_[value.name] = result;
    }
  }

  void round_input(const Quantizer& quantizer) {
    const Node& reader = graph_.node(graph_.find(quantizer.node));
    const Value& value = graph_.value(reader.inputs[static_cast<std::size_t>(quantizer.port)]);
    if (reader.kind == OpKind::kResult) {
      const auto before = result_.find(value.name);
      if (before == result_.end()) {
        give_output(value.name, rounded(value.name, value, quantizer));
        return;
      }
      const std::string result = rounded(before->second, value, quantizer);
      for (auto& node : *messages().mutable_node()) {
        if (node.op_type() == "Identity" && node.output(0) == value.name) node.set_input(0, result);
      }
      return;
    }
    const int index = index_of(quantizer.node);
    const std::string now = messages().node(index).input(quantizer.port);
    const std::string result = rounded(now, value, quantizer);
    messages().mutable_node(index)->set_input(quantizer.port, result);
  }

  void sort() {
    const std::vector<int> order = onnx::sorted_nodes(messages());
    google::protobuf::RepeatedPtrField<onnx::proto::NodeProto> before;
    before.Swap(messages().mutable_node());
    for (const int index : order) messages().add_node()->Swap(&before[index]);
  }

  onnx::Network network_;
  const Graph& graph_;
  onnx::Names names_;
  std::unordered_map<std::string, std::string> exact_;
  std::unordered_map<std::string, std::string> result_;
};

inline onnx::Network simulated(onnx::Network base, const Graph& graph, const Plan& plan) {
  return OnnxSimulation(std::move(base), graph).of(plan);
}

}  // namespace tightrope::test
