// SPDX-License-Identifier: Apache-2.0
// Neighbours in a graph. Inputs and outputs that are left out are passed over.
#pragma once

#include <optional>

#include "tightrope/graph.h"

namespace tightrope {

inline bool is_constant(ValueId value, const Graph& graph) {
  return value != kNone && graph.node(graph.value(value).producer).kind == OpKind::kConstant;
}

// Plain, with groups, or depthwise; not transposed.
inline bool is_convolution(OpKind kind) {
  return kind == OpKind::kConvolution || kind == OpKind::kGroupConvolution || kind == OpKind::kDepthwiseConvolution;
}

// The operand that adds a constant to what a layer gives: its own third one, or that of an addition that alone reads
// it.
inline std::optional<Use> bias_of(NodeId layer, const Graph& graph) {
  const Node& node = graph.node(layer);
  if (node.inputs.size() > 2 && is_constant(node.inputs[2], graph)) return Use{layer, 2};
  const std::vector<Use>& uses = graph.value(node.outputs[0]).uses;
  if (uses.size() != 1 || graph.node(uses[0].node).kind != OpKind::kAdd) return std::nullopt;
  const Use other{uses[0].node, 1 - uses[0].port};
  if (!is_constant(graph.node(other.node).inputs[static_cast<std::size_t>(other.port)], graph)) return std::nullopt;
  return other;
}

// Calls visit(NodeId) for what makes each input, once per input.
template <typename Visit>
void for_each_producer(const Graph& graph, const Node& node, const Visit& visit) {
  for (const ValueId input : node.inputs) {
    if (input != kNone) visit(graph.value(input).producer);
  }
}

// Calls visit(const Use&) for each use of each output.
template <typename Visit>
void for_each_use(const Graph& graph, const Node& node, const Visit& visit) {
  for (const ValueId output : node.outputs) {
    if (output == kNone) continue;
    for (const Use& use : graph.value(output).uses) visit(use);
  }
}

}  // namespace tightrope
