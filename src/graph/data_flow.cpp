// SPDX-License-Identifier: Apache-2.0
#include "graph/data_flow.h"

#include "graph/walk.h"

namespace tightrope {
namespace {

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

bool is_start(const Node& node) {
  return node.kind == OpKind::kParameter || node.kind == OpKind::kState || node.kind == OpKind::kEmbedding;
}

// What is computed from shapes, the ShapeOf nodes included: everything around them that no data reach.
std::vector<bool> shape_nodes(const Graph& graph, const std::vector<bool>& flow) {
  std::vector<bool> shape(graph.nodes().size(), false);
  std::vector<NodeId> open;
  const auto visit = [&](NodeId id) {
    if (flow[at(id)] || shape[at(id)]) return;
    shape[at(id)] = true;
    open.push_back(id);
  };
  const auto visit_consumers = [&](const Node& node) {
    for_each_use(graph, node, [&](const Use& use) { visit(use.node); });
  };
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node& node = graph.node(id);
    if (node.kind != OpKind::kShapeOf || node.inputs.empty() || !flow[at(graph.value(node.inputs[0]).producer)])
      continue;
    shape[at(id)] = true;
    visit_consumers(node);
  }
  while (!open.empty()) {
    const Node& node = graph.node(open.back());
    open.pop_back();
    visit_consumers(node);
    for_each_producer(graph, node, visit);
  }
  return shape;
}

}  // namespace

std::vector<bool> data_flow(const Graph& graph) {
  std::vector<bool> flow(graph.nodes().size(), false);
  for (NodeId id = 0; id < static_cast<NodeId>(flow.size()); ++id) {  // producers come first
    const Node& node = graph.node(id);
    bool reached = is_start(node);
    for_each_producer(graph, node, [&](NodeId producer) { reached = reached || flow[at(producer)]; });
    flow[at(id)] = reached && node.kind != OpKind::kShapeOf;
  }
  // Data made from shapes: floating-point ancestors of what a convolution or a recurrent cell reads.
  const std::vector<bool> shape = shape_nodes(graph, flow);
  std::vector<bool> kept(flow.size(), false);
  for (NodeId id = static_cast<NodeId>(flow.size()); id-- > 0;) {
    const Node& node = graph.node(id);
    const bool reads_data = flow[at(id)] && (node.kind == OpKind::kConvolution || node.kind == OpKind::kRecurrent);
    if (!reads_data && !kept[at(id)]) continue;
    for (const ValueId input : node.inputs) {
      if (input == kNone || !is_float(graph.value(input).type)) continue;
      const NodeId producer = graph.value(input).producer;
      kept[at(producer)] =
          kept[at(producer)] || (shape[at(producer)] && graph.node(producer).kind != OpKind::kConstant);
    }
  }
  for (std::size_t i = 0; i < flow.size(); ++i) flow[i] = flow[i] || kept[i];
  return flow;
}

}  // namespace tightrope
