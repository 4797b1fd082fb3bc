// SPDX-License-Identifier: Apache-2.0
#include "graph/data_flow.h"

#include <functional>
#include <queue>
#include <string>

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
  // Data made from shapes: floating-point ancestors of what a convolution or an LSTM cell reads.
  const std::vector<bool> shape = shape_nodes(graph, flow);
  std::vector<bool> kept(flow.size(), false);
  for (NodeId id = static_cast<NodeId>(flow.size()); id-- > 0;) {
    const Node& node = graph.node(id);
    const bool reads_data =
        (flow[at(id)] || shape[at(id)]) && (node.kind == OpKind::kConvolution || node.kind == OpKind::kLstm);
    if (!reads_data && !kept[at(id)]) continue;
    for (const ValueId input : node.inputs) {
      if (input == kNone || !is_float(graph.value(input).type)) continue;
      const NodeId producer = graph.value(input).producer;
      kept[at(producer)] = kept[at(producer)] || shape[at(producer)];
    }
  }
  for (std::size_t i = 0; i < flow.size(); ++i) flow[i] = flow[i] || kept[i];
  return flow;
}

std::vector<NodeId> reference_order(const Graph& graph, const std::vector<bool>& flow) {
  using Entry = std::pair<std::string, NodeId>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  std::vector<int> missing(flow.size(), 0);
  const auto push = [&](NodeId id) {
    ready.emplace(std::to_string(graph.node(id).rank) + " " + graph.node(id).name, id);
  };
  for (NodeId id = 0; id < static_cast<NodeId>(flow.size()); ++id) {
    if (!flow[at(id)]) continue;
    for_each_producer(graph, graph.node(id), [&](NodeId producer) { missing[at(id)] += flow[at(producer)] ? 1 : 0; });
    if (missing[at(id)] == 0) push(id);
  }
  std::vector<NodeId> order;
  while (!ready.empty()) {
    const NodeId id = ready.top().second;
    ready.pop();
    order.push_back(id);
    for_each_use(graph, graph.node(id), [&](const Use& use) {
      if (flow[at(use.node)] && --missing[at(use.node)] == 0) push(use.node);
    });
  }
  return order;
}

}  // namespace tightrope
