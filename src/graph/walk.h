// SPDX-License-Identifier: Apache-2.0
// Neighbours in a graph. Inputs and outputs that are left out are passed over.
#pragma once

#include "tightrope/graph.h"

namespace tightrope {

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
