// SPDX-License-Identifier: Apache-2.0
#include <unordered_set>

#include "onnx/facts.h"
#include "onnx/fold.h"
#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/raise_opset.h"
#include "onnx/tensors.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope::onnx {
namespace {

constexpr std::int64_t kPlainInitializersIr = 4;  // the first version whose initializers need not be inputs

// Nodes without a name get the one that NNCF would give them: ignored scopes may rely on it.
void name_nodes(proto::GraphProto& graph) {
  Names names;
  for (int i = 0; i < graph.node_size(); ++i) {
    auto& node = *graph.mutable_node(i);
    node.set_name(names.unique(node.name().empty() ? fmt::format("{}_nncf_{}", node.op_type(), i) : node.name()));
  }
}

// Initializers that are inputs, too, could be overridden by the caller.
void make_initializers_constant(proto::ModelProto& model) {
  auto& graph = *model.mutable_graph();
  std::unordered_set<std::string> initializers;
  for (const auto& initializer : graph.initializer()) initializers.insert(initializer.name());
  for (const auto& initializer : graph.sparse_initializer()) initializers.insert(initializer.values().name());
  auto& inputs = *graph.mutable_input();
  const auto rest = std::stable_partition(inputs.begin(), inputs.end(),
                                          [&](const auto& i) { return !initializers.contains(i.name()); });
  inputs.DeleteSubrange(static_cast<int>(rest - inputs.begin()), static_cast<int>(inputs.end() - rest));
  model.set_ir_version(std::max(model.ir_version(), kPlainInitializersIr));
}

std::unordered_set<std::string> output_names(const proto::GraphProto& graph) {
  std::unordered_set<std::string> names;
  for (const auto& output : graph.output()) names.insert(output.name());
  return names;
}

void remove_nodes(proto::GraphProto& graph, const std::vector<bool>& leaves) {
  auto& nodes = *graph.mutable_node();
  int kept = 0;
  for (int i = 0; i < nodes.size(); ++i) {
    if (!leaves[static_cast<std::size_t>(i)]) nodes.SwapElements(kept++, i);
  }
  nodes.DeleteSubrange(kept, nodes.size() - kept);
}

// The value of a Constant node that keeps it in another attribute than a tensor.
std::optional<Tensor> value_of(const proto::NodeProto& node) {
  if (const auto* number = find_attribute(node, "value_float")) return Tensor::copy_of(std::vector{number->f()}, {});
  if (const auto* number = find_attribute(node, "value_int")) return Tensor::copy_of(std::vector{number->i()}, {});
  if (const auto* list = find_attribute(node, "value_floats")) {
    return Tensor::copy_of(std::vector<float>(list->floats().begin(), list->floats().end()), {list->floats_size()});
  }
  if (const auto* list = find_attribute(node, "value_ints")) {
    return Tensor::copy_of(std::vector<std::int64_t>(list->ints().begin(), list->ints().end()), {list->ints_size()});
  }
  return std::nullopt;
}

// Constant nodes become initializers; those that hold texts, and those that are outputs, stay.
void lift_constants(Network& network) {
  auto& graph = *network.model.mutable_graph();
  const auto outputs = output_names(graph);
  std::vector<bool> leaves(static_cast<std::size_t>(graph.node_size()), false);
  for (int i = 0; i < graph.node_size(); ++i) {
    const auto& node = graph.node(i);
    const std::string& name = output_of(node, 0);
    if (node.op_type() != "Constant" || !is_standard(node, network.model) || name.empty()) continue;
    if (auto value = value_of(node)) network.constants.insert_or_assign(name, std::move(*value));
    const auto found = network.constants.find(name);
    if (found == network.constants.end() || outputs.contains(name)) continue;
    add_constant(network, name, found->second);
    leaves[static_cast<std::size_t>(i)] = true;
  }
  remove_nodes(graph, leaves);
}

// Folds what only rearranges constants, and takes casts out that change nothing.
void fold(Network& network) {
  auto& graph = *network.model.mutable_graph();
  const std::vector<int> order = sorted_nodes(graph);
  const Facts facts = infer_facts(network, order);
  auto kept = output_names(graph);  // values that must stay by their name
  for (const auto& node : graph.node()) {
    for (auto& name : captured_by(node)) kept.insert(std::move(name));
  }
  std::vector<bool> leaves(static_cast<std::size_t>(graph.node_size()), false);
  std::unordered_map<std::string, std::string> same;  // a value and the one that takes its place
  const auto source_of = [&](const std::string& name) {
    const auto found = same.find(name);
    return found == same.end() ? name : found->second;
  };
  const auto outputs = output_names(graph);
  for (const int index : order) {
    auto& node = *graph.mutable_node(index);
    for (auto& input : *node.mutable_input()) input = source_of(input);
    if (node.output_size() != 1 || !is_standard(node, network.model)) continue;
    const std::string& result = node.output(0);
    if (auto folded = outputs.contains(result) ? std::nullopt : folded_constant(network, node)) {
      add_constant(network, result, std::move(*folded));
      leaves[static_cast<std::size_t>(index)] = true;
    } else if (node.op_type() == "Cast" && !kept.contains(result) && changes_nothing(node, facts)) {
      same.emplace(result, node.input(0));
      leaves[static_cast<std::size_t>(index)] = true;
    }
  }
  remove_nodes(graph, leaves);
}

// The name and type of every operation.
std::vector<FoldedOperation> operations_of(const proto::GraphProto& graph) {
  std::vector<FoldedOperation> operations;
  for (const auto& node : graph.node()) operations.push_back({node.name(), node.op_type()});
  return operations;
}

// Operator sets below 10 have no quantizers at all.
void check_raised(const Network& network, const std::string& obstacle) {
  if (obstacle.empty()) return;
  const std::int64_t opset = opset_of(network.model);
  if (opset < kQuantizingOpset) {
    throw Unsupported(fmt::format(
        "[model] it has operator set {}, which has no quantization; it can't be carried over to {}, because {}", opset,
        kPerChannelOpset, obstacle));
  }
  log(LogLevel::kWarning,
      fmt::format("The model has operator set {}, which knows one scale per tensor only; scales per channel can be had "
                  "from version {} on, but {}. Accuracy may suffer.",
                  opset, kPerChannelOpset, obstacle));
}

}  // namespace

std::vector<FoldedOperation> normalize(Network& network) {
  auto& graph = *network.model.mutable_graph();
  name_nodes(graph);
  std::vector<FoldedOperation> folded = operations_of(graph);
  make_initializers_constant(network.model);
  lift_constants(network);
  check_raised(network, raise_opset(network));
  fold(network);
  drop_unused(network);
  std::unordered_set<std::string> left;
  for (const auto& node : network.model.graph().node()) left.insert(node.name());
  std::erase_if(folded, [&](const FoldedOperation& operation) { return left.contains(operation.name); });
  return folded;
}

}  // namespace tightrope::onnx
