// SPDX-License-Identifier: Apache-2.0
#include "report_page/picture.h"

#include <algorithm>
#include <tuple>

namespace tightrope::report_page {

Picture picture_of(const Graph& graph) {
  Picture picture;
  // By node: where in the picture its results come from; kNone: from constants.
  std::vector<int> source(graph.nodes().size(), kNone);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node& node = graph.node(id);
    std::vector<int> read;
    for (const ValueId value : node.inputs) {
      const NodeId producer = value == kNone ? kNone : graph.value(value).producer;
      if (producer != kNone && source[producer] != kNone) read.push_back(source[producer]);
    }
    if (node.kind == OpKind::kConstant || (read.empty() && !node.inputs.empty())) continue;
    if (node.kind == OpKind::kQuantizer && !read.empty()) {
      source[id] = read.front();
      continue;
    }
    source[id] = static_cast<int>(picture.nodes.size());
    picture.nodes.push_back(id);
    for (const int from : read) picture.edges.push_back({from, source[id]});
  }
  const auto key = [](const Edge& edge) { return std::tuple(edge.from, edge.to); };
  std::ranges::sort(picture.edges, {}, key);
  const auto repeated = std::ranges::unique(picture.edges, {}, key);
  picture.edges.erase(repeated.begin(), repeated.end());
  return picture;
}

}  // namespace tightrope::report_page
