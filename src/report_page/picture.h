// SPDX-License-Identifier: Apache-2.0
// What of a graph is drawn: operations on data, and which reads the result of which.
#pragma once

#include <vector>

#include "report_page/layout.h"
#include "tightrope/graph.h"

namespace tightrope::report_page {

struct Picture {
  std::vector<NodeId> nodes;  // ascending
  std::vector<Edge> edges;    // between positions in `nodes`, sorted, none twice
};

// Without constants and what is computed from constants alone. Edges lead through quantizers as if they weren't there,
// so that a result looks like its original.
Picture picture_of(const Graph& graph);

}  // namespace tightrope::report_page
