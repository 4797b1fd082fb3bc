// SPDX-License-Identifier: Apache-2.0
#include "placement/exemptions.h"

#include <algorithm>
#include <ranges>

#include "devices/tables.h"
#include "graph/data_flow.h"
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

// Finds operations without weights on a way from weights or an input to an output, if a selection by score lies on it.
// As NNCF does, it goes up from each output and enters a tensor once: of two ways that share one, only the first
// counts.
class PostProcessing {
 public:
  PostProcessing(const Graph& graph, const std::vector<bool>& flow, std::vector<Exemption>& entries)
      : graph_(graph),
        flow_(flow),
        entries_(entries),
        selects_(flow.size()),
        starts_above_(flow.size()),
        visited_(flow.size()),
        selects_below_(flow.size()) {}

  void exempt_all() {
    for (std::size_t i = 0; i < flow_.size(); ++i) {
      const bool exempt_already = entries_[i].why != Exempt::kNo;
      selects_[i] = flow_[i] && !exempt_already && (graph_.nodes()[i].roles & kIsSelector) != 0;
    }
    if (std::ranges::find(selects_, true) == selects_.end()) return;
    find_starts();
    std::vector<NodeId> outputs;
    for (const NodeId id : reference_order(graph_, flow_)) {
      if (graph_.node(id).kind == OpKind::kResult) outputs.push_back(id);
    }
    for (const NodeId id : outputs | std::views::reverse) climb(id);
  }

 private:
  // An operation on the way up, and what it reads that is still to be climbed to, the next one last.
  struct Step {
    NodeId id;
    std::vector<NodeId> producers;
  };

  bool is_end(NodeId id) const {
    return !graph_.node(id).weights.empty() || graph_.node(id).kind == OpKind::kParameter;
  }

  std::vector<NodeId> producers_of(NodeId id) const {
    std::vector<NodeId> producers;
    for_each_producer(graph_, graph_.node(id), [&](NodeId producer) {
      if (flow_[at(producer)]) producers.push_back(producer);
    });
    return producers;
  }

  void find_starts() {
    for (NodeId id = 0; id < static_cast<NodeId>(flow_.size()); ++id) {
      if (!flow_[at(id)]) continue;
      for (const NodeId producer : producers_of(id)) {
        if (is_end(producer) || starts_above_[at(producer)]) starts_above_[at(id)] = true;
      }
    }
  }

  void exempt_unless_end(NodeId id, NodeId selecting) {
    if (!is_end(id) && graph_.node(id).kind != OpKind::kResult)
      exempt(entries_[at(id)], {Exempt::kPostProcessing, {}, selecting});
  }

  void climb(NodeId output) {
    std::vector<Step> way = {{output, producers_of(output)}};
    while (!way.empty()) {
      if (way.back().producers.empty()) {
        way.pop_back();
        continue;
      }
      const NodeId id = way.back().producers.back();
      way.back().producers.pop_back();
      if (visited_[at(id)]) continue;
      visited_[at(id)] = true;
      if (is_end(id)) continue;
      if (!selects_[at(id)]) {
        way.push_back({id, producers_of(id)});
        continue;
      }
      if (starts_above_[at(id)]) {
        for (const Step& step : way) exempt_unless_end(step.id, id);
      }
      exempt_above(id);
    }
  }

  // Everything from the next weights or inputs down to a selecting operation.
  void exempt_above(NodeId selecting) {
    std::vector<NodeId> open = {selecting};
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (selects_below_[at(id)]) continue;
      selects_below_[at(id)] = visited_[at(id)] = true;
      if (is_end(id)) continue;
      if (starts_above_[at(id)]) exempt_unless_end(id, selecting);
      for (const NodeId producer : producers_of(id)) open.push_back(producer);
    }
  }

  const Graph& graph_;
  const std::vector<bool>& flow_;
  std::vector<Exemption>& entries_;
  // By node.
  std::vector<bool> selects_;
  std::vector<bool> starts_above_;  // weights or an input reach it without weights in between
  std::vector<bool> visited_;
  std::vector<bool> selects_below_;  // everything above it is done
};

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
  PostProcessing(graph, flow, entries).exempt_all();
  return entries;
}

bool has_attention(const Graph& graph) {
  if (std::ranges::find(graph.nodes(), OpKind::kAttention, &Node::kind) != graph.nodes().end()) return true;
  std::vector<PatternRow> rows;
  for (const PatternRow& row : ignored_patterns(graph.vocabulary)) {
    if (row.name == "multihead_attention_output") rows.push_back(row);
  }
  return !find_patterns(graph, data_flow(graph), rows, false).empty();
}

std::vector<Fusion> fusions(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options) {
  std::vector<Fusion> found(flow.size());
  for (const PatternMatch& match : matches(graph, flow, options, fused_patterns(graph.vocabulary), true)) {
    for (const NodeId id : match.nodes) found[at(id)] = {match.nodes.front(), match.name};
  }
  return found;
}

}  // namespace tightrope
