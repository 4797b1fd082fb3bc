// SPDX-License-Identifier: Apache-2.0
// Where in a graph a quantizer sits.
#pragma once

#include <algorithm>

#include "tightrope/graph.h"
#include "tightrope/plan.h"

namespace tightrope {

// The value at a port of a node: what the node gives for kOutput, what it reads otherwise.
inline ValueId value_at(const Node& node, SiteKind kind, int port) {
  return (kind == SiteKind::kOutput ? node.outputs : node.inputs)[static_cast<std::size_t>(port)];
}

// The value that a quantizer of a plan for this graph quantizes.
inline ValueId value_of(const Quantizer& quantizer, const Graph& graph) {
  return value_at(graph.node(graph.find(quantizer.node)), quantizer.kind, quantizer.port);
}

// The operand that a weight's quantizer stands for.
inline const WeightPort& weight_port(const Quantizer& quantizer, const Graph& graph) {
  const auto& weights = graph.node(graph.find(quantizer.node)).weights;
  return *std::ranges::find(weights, quantizer.port, &WeightPort::port);
}

}  // namespace tightrope
