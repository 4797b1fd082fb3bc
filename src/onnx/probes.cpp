// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <optional>
#include <ranges>
#include <unordered_set>

#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/rewrite.h"
#include "onnx/tensors.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

constexpr std::int64_t kAxesAsInputOpset = 18;  // the first in which every reduction reads its axes

class ProbeWriter {
 public:
  ProbeWriter(Network& network, const Graph& graph)
      : network_(network), messages_(*network.model.mutable_graph()), graph_(graph), names_(messages_) {}

  std::string add(const Probe& probe) {
    const Value& value = graph_.value(probe.value);
    const std::string name = names_.unique("probe");
    auto& output = *messages_.add_output();
    output.set_name(name);
    auto& type = *output.mutable_type()->mutable_tensor_type();
    if (probe.reduction == Probe::Reduction::kWhole) {
      type.set_elem_type(to_data_type(value.type));
      add_node("Identity", value.name, name);
    } else if (probe.reduction == Probe::Reduction::kHead) {
      type.set_elem_type(to_data_type(value.type));
      add_head(value, probe.head, name);
    } else {
      type.set_elem_type(proto::TensorProto::FLOAT);
      reduce(probe, value, name);
    }
    return name;
  }

  void insert(const Addend& addend) {
    const Value& value = graph_.value(addend.value);
    const std::string sum = names_.unique(value.name + "/with_addend");
    for (auto& node : *messages_.mutable_node()) {
      for (auto& input : *node.mutable_input()) {
        if (input == value.name) input = sum;
      }
    }
    const auto rank = static_cast<int>(value.shape.size());
    const int axis = addend.channel_axis < 0 ? addend.channel_axis + rank : addend.channel_axis;
    Shape aligned(value.shape.size(), 1);
    aligned[static_cast<std::size_t>(axis)] = value.shape[static_cast<std::size_t>(axis)];
    const std::string offset = add_input(sum + "/offset", aligned[static_cast<std::size_t>(axis)]);
    const std::string gain = add_input(sum + "/gain", 1);
    const std::string mean = names_.unique(sum + "/mean");
    reduce({addend.value, Probe::Reduction::kMean, {axis}}, value, mean);
    const std::string shape = names_.unique(sum + "/shape");
    add_constant(network_, shape, Tensor::copy_of(aligned, {rank}));
    const std::string offsets = add_binary("Reshape", offset, shape);
    std::string total = add_binary("Add", offsets, add_binary("Mul", mean, gain));
    if (value.type != ElementType::kF32) {
      const std::string narrow = names_.unique(total + "/cast");
      set_attribute(add_node("Cast", total, narrow), "to", to_data_type(value.type));
      total = narrow;
    }
    add_node("Add", value.name, sum).add_input(total);
  }

 private:
  std::string add_input(const std::string& wanted, std::int64_t extent) {
    const std::string name = names_.unique(wanted);
    auto& input = *messages_.add_input();
    input.set_name(name);
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(proto::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_value(extent);
    return name;
  }

  std::string add_binary(const char* type, const std::string& first, const std::string& second) {
    const std::string name = names_.unique(first + "/" + type);
    add_node(type, first, name).add_input(second);
    return name;
  }

  void add_head(const Value& value, std::int64_t entries, const std::string& name) {
    auto& node = add_node("Slice", value.name, name);
    for (const auto& [port, number] : {std::pair("starts", std::int64_t{0}), {"ends", entries}, {"axes", 0}}) {
      const std::string constant = names_.unique(name + "/" + port);
      add_constant(network_, constant, Tensor::copy_of(std::span(&number, 1), {1}));
      node.add_input(constant);
    }
  }

  proto::NodeProto& add_node(const char* type, const std::string& input, const std::string& output) {
    auto& node = *messages_.add_node();
    node.set_op_type(type);
    node.set_name(output);
    node.add_input(input);
    node.add_output(output);
    return node;
  }

  // The value in single precision: few runtimes reduce others.
  const std::string& as_float(const Value& value) {
    if (value.type == ElementType::kF32) return value.name;
    const auto [found, is_new] = as_float_.try_emplace(value.name);
    if (is_new) {
      found->second = names_.unique(value.name + "/float");
      set_attribute(add_node("Cast", value.name, found->second), "to", proto::TensorProto::FLOAT);
    }
    return found->second;
  }

  void reduce(const Probe& probe, const Value& value, const std::string& name) {
    const auto axes = reduced_axes(probe, value);
    if (!axes) {
      add_node("Identity", as_float(value), name);
      return;
    }
    switch (probe.reduction) {
      case Probe::Reduction::kMin:
        reduce("ReduceMin", value, *axes, name);
        break;
      case Probe::Reduction::kMax:
        reduce_to_maximum(value, *axes, name);
        break;
      default:
        reduce("ReduceMean", value, *axes, name);
    }
  }

  // ONNX Runtime's minima and maxima overlook NaN, which a sum of squares is wherever one of its elements is.
  void reduce_to_maximum(const Value& value, const std::vector<std::int64_t>& axes, const std::string& name) {
    const std::string maximum = names_.unique(name + "/maximum");
    const std::string squares = names_.unique(name + "/squares");
    const std::string is_nan = names_.unique(name + "/is_nan");
    reduce("ReduceMax", value, axes, maximum);
    reduce("ReduceSumSquare", value, axes, squares);
    add_node("IsNaN", squares, is_nan);
    auto& choice = add_node("Where", is_nan, name);
    choice.add_input(squares);
    choice.add_input(maximum);
  }

  // No axes: all of them.
  void reduce(const char* type, const Value& value, const std::vector<std::int64_t>& axes, const std::string& name) {
    auto& node = add_node(type, as_float(value), name);
    if (axes.empty()) return;
    if (opset_of(network_.model) < kAxesAsInputOpset) {
      set_attribute(node, "axes", axes);
    } else {
      const std::string constant = names_.unique(name + "/axes");
      add_constant(network_, constant, Tensor::copy_of(axes, {static_cast<std::int64_t>(axes.size())}));
      node.add_input(constant);
    }
  }

  // Empty: all axes; nothing: none.
  std::optional<std::vector<std::int64_t>> reduced_axes(const Probe& probe, const Value& value) const {
    std::vector<std::int64_t> axes;
    if (probe.kept_axes.empty()) return axes;
    if (!value.known_rank) {
      throw Unsupported(
          fmt::format("[statistics] node '{}': its output has no known rank; a model with known ranks is needed",
                      graph_.node(value.producer).name));
    }
    for (int axis = 0; axis < static_cast<int>(value.shape.size()); ++axis) {
      if (std::ranges::find(probe.kept_axes, axis) == probe.kept_axes.end()) axes.push_back(axis);
    }
    return axes.empty() ? std::nullopt : std::optional(axes);
  }

  Network& network_;
  proto::GraphProto& messages_;
  const Graph& graph_;
  Names names_;
  std::map<std::string, std::string> as_float_;
};

// ONNX Runtime would run them all the same.
void drop_unneeded_nodes(proto::GraphProto& graph) {
  std::unordered_set<std::string> needed;
  for (const auto& output : graph.output()) needed.insert(output.name());
  const std::vector<int> order = sorted_nodes(graph);
  std::vector<int> kept;
  for (const int index : order | std::views::reverse) {
    const auto& node = graph.node(index);
    if (std::ranges::none_of(node.output(), [&](const auto& output) { return needed.contains(output); })) continue;
    kept.push_back(index);
    needed.insert(node.input().begin(), node.input().end());
    for (auto& name : captured_by(node)) needed.insert(std::move(name));
  }
  google::protobuf::RepeatedPtrField<proto::NodeProto> nodes;
  for (const int index : kept | std::views::reverse) nodes.Add()->Swap(graph.mutable_node(index));
  graph.mutable_node()->Swap(&nodes);
}

}  // namespace

std::vector<std::string> add_probes(Network& copy, const Graph& graph, std::span<const Probe> probes,
                                    std::span<const Addend> addends) {
  ProbeWriter writer(copy, graph);
  copy.model.mutable_graph()->clear_output();
  for (const Addend& addend : addends) writer.insert(addend);
  std::vector<std::string> names;
  for (const Probe& probe : probes) names.push_back(writer.add(probe));
  drop_unneeded_nodes(*copy.model.mutable_graph());
  drop_unused(copy);
  return names;
}

}  // namespace tightrope::onnx
