// SPDX-License-Identifier: Apache-2.0
// Which nodes the user wants to stay in floating point.
#pragma once

#include <vector>

#include "tightrope/graph.h"
#include "tightrope/options.h"

namespace tightrope {

// One entry per node. Linear in the size of the graph per subgraph rule.
// Throws InvalidArgument for a rule that matches nothing (unless scope.validate is off), with the nearest names, and
// for a pattern that is no regular expression.
std::vector<bool> ignored_nodes(const Graph& graph, const IgnoredScope& scope);

}  // namespace tightrope
