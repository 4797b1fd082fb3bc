// SPDX-License-Identifier: Apache-2.0
// The part of a graph that data flow through.
#pragma once

#include <vector>

#include "tightrope/graph.h"

namespace tightrope {

// One entry per node: true for what inputs, states or embeddings reach, except the computation of shapes (ShapeOf, and
// what is computed from it alone). A floating-point input of a convolution or an LSTM cell counts even if it is
// computed from shapes. Linear in the size of the graph.
std::vector<bool> data_flow(const Graph& graph);

// The nodes of the flow, producers first; of those that may come next the one whose rank and name, as text, come first.
// This is the order in which NNCF looks at them.
std::vector<NodeId> reference_order(const Graph& graph, const std::vector<bool>& flow);

}  // namespace tightrope
