// SPDX-License-Identifier: Apache-2.0
// The part of a graph that data flow through.
#pragma once

#include <vector>

#include "tightrope/graph.h"

namespace tightrope {

// One entry per node: true for what inputs, states or embeddings reach, except the computation of shapes (ShapeOf, and
// what is computed from it alone). A floating-point input of a convolution or a recurrent cell counts even if it is
// computed from shapes. Linear in the size of the graph.
std::vector<bool> data_flow(const Graph& graph);

}  // namespace tightrope
