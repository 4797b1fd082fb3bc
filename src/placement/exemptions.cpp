// SPDX-License-Identifier: Apache-2.0
#include "placement/exemptions.h"

#include <array>

#include "devices/tables.h"
#include "graph/ignored_scope.h"
#include "graph/walk.h"
#include "placement/patterns.h"

namespace tightrope {
namespace {

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

PatternDevice pattern_device(TargetDevice effective) {
  switch (effective) {
    case TargetDevice::kCpuSpr:
      return kOnCpuSpr;
    case TargetDevice::kGpu:
      return kOnGpu;
    case TargetDevice::kNpu:
      return kOnNpu;
    case TargetDevice::kAny:
    case TargetDevice::kCpu:
      break;
  }
  return kOnCpu;
}

std::vector<PatternMatch> matches(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options,
                                  std::span<const PatternRow> table, bool closed) {
  const PatternDevice device = pattern_device(effective_device(options));
  std::vector<PatternRow> rows;
  for (const PatternRow& row : table) {
    if ((row.devices & device) != 0 && (options.model_type || !row.only_transformers)) rows.push_back(row);
  }
  return find_patterns(graph, flow, rows, closed);
}

void exempt(Exemption& entry, const Exemption& reason) {
  if (entry.why == Exempt::kNo) entry = reason;
}

void exempt_in_transformer(const Graph& graph, const QuantizeOptions& options, std::vector<Exemption>& entries) {
  const bool multiplies = options.target_device == TargetDevice::kCpuSpr;  // which has a fast kernel for it
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Node& node = graph.nodes()[i];
    if ((node.roles & kIsFragile) == 0 || (multiplies && node.type == "Multiply")) continue;
    exempt(entries[i], {Exempt::kInTransformer, {}, kNone});
  }
}

// How a node is connected with the nearest weights or inputs above and outputs below, through nodes without weights.
struct Ways {
  bool any = false;
  NodeId selecting = kNone;  // a selecting operation on one of the ways

  void join(const Ways& other) {
    any = any || other.any;
    if (selecting == kNone) selecting = other.selecting;
  }
  void pass(NodeId id, bool selects) {
    if (any && selecting == kNone && selects) selecting = id;
  }
};

// Operations without weights on a path from weights or an input to an output that leads through a selection by score.
void exempt_post_processing(const Graph& graph, const std::vector<bool>& flow, std::vector<Exemption>& entries) {
  const auto count = static_cast<NodeId>(flow.size());
  const auto selects = [&](NodeId id) { return (graph.node(id).roles & kIsSelector) != 0; };
  const auto is_end = [&](NodeId id) {
    return !graph.node(id).weights.empty() || graph.node(id).kind == OpKind::kParameter;
  };
  std::vector<Ways> up(flow.size());
  for (NodeId id = 0; id < count; ++id) {
    if (!flow[at(id)]) continue;
    for_each_producer(graph, graph.node(id), [&](NodeId producer) {
      if (flow[at(producer)]) up[at(id)].join(is_end(producer) ? Ways{true, kNone} : up[at(producer)]);
    });
    up[at(id)].pass(id, selects(id));
  }
  std::vector<Ways> down(flow.size());
  for (NodeId id = count; id-- > 0;) {
    if (!flow[at(id)]) continue;
    const Node& node = graph.node(id);
    if (node.kind == OpKind::kResult) down[at(id)].any = true;
    for_each_use(graph, node, [&](const Use& use) {
      if (flow[at(use.node)] && !is_end(use.node)) down[at(id)].join(down[at(use.node)]);
    });
    down[at(id)].pass(id, selects(id));
    if (is_end(id) || node.kind == OpKind::kResult || !up[at(id)].any || !down[at(id)].any) continue;
    Ways both = up[at(id)];
    both.join(down[at(id)]);
    if (both.selecting != kNone) exempt(entries[at(id)], {Exempt::kPostProcessing, {}, both.selecting});
  }
}

}  // namespace

std::vector<Exemption> exemptions(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options) {
  std::vector<Exemption> entries(flow.size());
  const std::vector<bool> by_user = ignored_nodes(graph, options.ignored_scope);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (by_user[i]) entries[i].why = Exempt::kByUser;
  }
  for (const PatternMatch& match : matches(graph, flow, options, ignored_patterns(graph.vocabulary), false)) {
    for (const NodeId id : match.nodes) exempt(entries[at(id)], {Exempt::kByPattern, match.name, kNone});
  }
  if (options.model_type) exempt_in_transformer(graph, options, entries);
  exempt_post_processing(graph, flow, entries);
  return entries;
}

std::vector<Fusion> fusions(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options) {
  std::vector<Fusion> found(flow.size());
  for (const PatternMatch& match : matches(graph, flow, options, fused_patterns(graph.vocabulary), true)) {
    for (const NodeId id : match.nodes) found[at(id)] = {match.nodes.front(), match.name};
  }
  return found;
}

}  // namespace tightrope
