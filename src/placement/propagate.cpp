// SPDX-License-Identifier: Apache-2.0
#include "placement/propagate.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "devices/tables.h"
#include "graph/walk.h"
#include "placement/merge.h"

namespace tightrope {
namespace {

// A quantizer that is still on its way up.
struct Pending {
  std::vector<QuantizerConfig> configs;
  std::vector<NodeId> operations;
  int scale = kNone;
  bool moved = false;
  std::vector<std::size_t> below;
};

// What has come up to a tensor or to an input.
struct Arrival {
  bool covered = false;            // everything that reads it, reads it quantized
  std::optional<Pending> pending;  // by a quantizer that can still move; otherwise by those that settled below
  std::vector<std::size_t> settled;
  NodeId reads_float = kNone;  // where it isn't covered: somebody who reads it as it is

  static Arrival of(Pending quantizer) { return {true, std::move(quantizer), {}, kNone}; }
};

// An output that is used, and by whom. In reference placement all outputs of an operation are one: port kNone.
struct Outlet {
  int port = kNone;
  std::vector<Use> uses;
};

class Propagation {
 public:
  Propagation(const Setting& setting, const std::vector<Seed>& seeds)
      : setting_(setting), graph_(setting.graph), at_input_(graph_.nodes().size()) {
    for (std::size_t i = 0; i < at_input_.size(); ++i) at_input_[i].resize(graph_.nodes()[i].inputs.size());
    for (const Seed& seed : seeds) {
      const NodeId operation = seed.operation == kNone ? seed.input.node : seed.operation;
      at_input(seed.input) = Arrival::of({seed.configs, {operation}, scale_of(seed.input.node), false, {}});
    }
    if (setting.is_reference()) mark_what_computes_below();
  }

  std::vector<Site> run() {
    for (NodeId id = static_cast<NodeId>(graph_.nodes().size()); id-- > 0;) {
      if (setting_.in_flow(id)) move_up(id);
    }
    for (Site& site : sites_) {
      if (site.scale != kNone) site.scale = find_scale(site.scale);
    }
    return std::move(sites_);
  }

 private:
  Arrival& at_input(const Use& use) {
    return at_input_[static_cast<std::size_t>(use.node)][static_cast<std::size_t>(use.port)];
  }

  bool moves_data(NodeId id) const {
    const Trait trait = graph_.node(id).trait;
    return (trait == Trait::kMovesData || trait == Trait::kJoins) && !setting_.is_exempt(id) &&
           setting_.fused_into(id) == kNone;
  }

  int scale_of(NodeId id);
  void mark_what_computes_below();
  std::vector<Use> uses_of(ValueId value) const;
  std::vector<Outlet> outlets_of(const Node& node) const;
  void move_up(NodeId id);
  Arrival meet(const std::vector<Use>& uses);
  void settle_at_inputs(const std::vector<Use>& uses, Stop stop, NodeId stopper);
  std::size_t settle(SiteKind kind, NodeId node, int port, Pending pending, Stop stop, NodeId stopper = kNone);
  void pass_through(NodeId id, const std::vector<Outlet>& outlets, std::vector<Arrival> arrivals);
  std::vector<int> ports_to_pass(NodeId id) const;
  bool joins_scales(NodeId id, std::size_t ports) const;
  int find_scale(int scale);
  int join_scales(int a, int b);

  const Setting& setting_;
  const Graph& graph_;
  std::vector<std::vector<Arrival>> at_input_;  // by node and port
  std::vector<bool> computes_below_;            // by node: through operations that move data
  std::vector<int> scale_parents_;              // a forest over shared scales
  std::map<NodeId, int> one_scale_;             // of operations that take one
  std::vector<Site> sites_;
};

// The one that the inputs of an operation share from the start, or kNone.
int Propagation::scale_of(NodeId id) {
  if (!setting_.takes_one_scale(id)) return kNone;
  const auto [entry, is_new] = one_scale_.emplace(id, static_cast<int>(scale_parents_.size()));
  if (is_new) scale_parents_.push_back(entry->second);
  return entry->second;
}

// Inputs of a concatenation share a scale in the reference only where a convolution or product comes next.
void Propagation::mark_what_computes_below() {
  computes_below_.assign(graph_.nodes().size(), false);
  const auto mixes_channels = [&](NodeId id) {
    const OpKind kind = graph_.node(id).kind;
    return computes_in_int8(kind) && kind != OpKind::kDepthwiseConvolution && setting_.leads(id);
  };
  for (NodeId id = static_cast<NodeId>(graph_.nodes().size()); id-- > 0;) {
    if (!setting_.in_flow(id)) continue;
    for_each_use(graph_, graph_.node(id), [&](const Use& use) {
      if (!setting_.in_flow(use.node)) return;
      const bool found =
          mixes_channels(use.node) || (moves_data(use.node) && computes_below_[static_cast<std::size_t>(use.node)]);
      if (found) computes_below_[static_cast<std::size_t>(id)] = true;
    });
  }
}

std::vector<Use> Propagation::uses_of(ValueId value) const {
  std::vector<Use> uses;
  if (value == kNone) return uses;
  const NodeId producer = setting_.fused_into(graph_.value(value).producer);
  for (const Use& use : graph_.value(value).uses) {
    // Fused operations take what comes from outside at the first of them, wherever else it is read inside.
    const NodeId first = setting_.fused_into(use.node);
    const bool inside = first != kNone && first != use.node && first != producer;
    if (setting_.in_flow(use.node) && !inside) uses.push_back(use);
  }
  return uses;
}

std::vector<Outlet> Propagation::outlets_of(const Node& node) const {
  std::vector<Outlet> outlets;
  for (std::size_t port = 0; port < node.outputs.size(); ++port) {
    std::vector<Use> uses = uses_of(node.outputs[port]);
    if (uses.empty()) continue;
    if (setting_.is_reference() && !outlets.empty()) {
      outlets[0].uses.insert(outlets[0].uses.end(), uses.begin(), uses.end());
    } else {
      outlets.push_back({setting_.is_reference() ? kNone : static_cast<int>(port), std::move(uses)});
    }
  }
  return outlets;
}

// What arrives at the outputs of a node goes on to its inputs where the node only moves data, and settles otherwise.
void Propagation::move_up(NodeId id) {
  const std::vector<Outlet> outlets = outlets_of(graph_.node(id));
  std::vector<Arrival> arrivals;
  for (const Outlet& outlet : outlets) arrivals.push_back(meet(outlet.uses));
  if (moves_data(id)) return pass_through(id, outlets, std::move(arrivals));
  for (std::size_t i = 0; i < outlets.size(); ++i) {
    if (arrivals[i].pending)
      settle(SiteKind::kOutput, id, outlets[i].port, std::move(*arrivals[i].pending), Stop::kProducer);
  }
}

// One quantizer for all uses of a tensor, or none: then each stays where it is.
Arrival Propagation::meet(const std::vector<Use>& uses) {
  std::vector<const Pending*> pending;
  Arrival result{true, {}, {}, kNone};
  for (const Use& use : uses) {
    const Arrival& arrival = at_input(use);
    if (!arrival.covered && result.covered) result = {false, {}, {}, use.node};
    if (arrival.pending) pending.push_back(&*arrival.pending);
    result.settled.insert(result.settled.end(), arrival.settled.begin(), arrival.settled.end());
  }
  if (!result.covered) {
    settle_at_inputs(uses, Stop::kOtherConsumer, result.reads_float);
    return result;
  }
  if (pending.empty()) return result;
  std::vector<std::span<const QuantizerConfig>> lists;
  for (const Pending* quantizer : pending) lists.emplace_back(quantizer->configs);
  const auto rule = uses.size() > 1 ? setting_.options.propagation_rule : PropagationRule::kMergeAllInOne;
  const std::vector<QuantizerConfig> merged = merge_configs(lists, rule);
  const auto keeps_its_own = [&](const Pending& branch) {
    return rule == PropagationRule::kMergeWithPotentialRequantization && branch.configs != merged;
  };
  if (merged.empty()) {
    const std::size_t first = sites_.size();
    settle_at_inputs(uses, Stop::kConfigurations, kNone);
    for (std::size_t site = first; site < sites_.size(); ++site) result.settled.push_back(site);
    return result;
  }
  Pending joined{merged, {}, kNone, pending.size() > 1, std::move(result.settled)};
  for (const Use& use : uses) {
    Arrival& arrival = at_input(use);
    if (!arrival.pending) continue;
    Pending& branch = *arrival.pending;
    if (keeps_its_own(branch)) {
      joined.below.push_back(settle(SiteKind::kInput, use.node, use.port, branch, Stop::kConfigurations));
    } else {
      unite(joined.operations, branch.operations);
    }
    joined.scale = join_scales(joined.scale, branch.scale);
    joined.moved = joined.moved || branch.moved;
    joined.below.insert(joined.below.end(), branch.below.begin(), branch.below.end());
  }
  return Arrival::of(std::move(joined));
}

void Propagation::settle_at_inputs(const std::vector<Use>& uses, Stop stop, NodeId stopper) {
  for (const Use& use : uses) {
    auto& pending = at_input(use).pending;
    if (pending) settle(SiteKind::kInput, use.node, use.port, std::move(*pending), stop, stopper);
  }
}

std::size_t Propagation::settle(SiteKind kind, NodeId node, int port, Pending pending, Stop stop, NodeId stopper) {
  sites_.push_back({kind, node, port, std::move(pending.configs), std::move(pending.operations), pending.scale,
                    pending.moved, std::move(pending.below), stop, stopper});
  return sites_.size() - 1;
}

void Propagation::pass_through(NodeId id, const std::vector<Outlet>& outlets, std::vector<Arrival> arrivals) {
  const Node& node = graph_.node(id);
  std::vector<const Pending*> pending;
  std::vector<std::size_t> settled;
  bool covered = !arrivals.empty() || node.trait == Trait::kMovesData;  // for nobody: then it is in nobody's way
  NodeId reads_float = kNone;
  for (const Arrival& arrival : arrivals) {
    covered = covered && arrival.covered;
    if (reads_float == kNone) reads_float = arrival.reads_float;
    if (arrival.pending) pending.push_back(&*arrival.pending);
    settled.insert(settled.end(), arrival.settled.begin(), arrival.settled.end());
  }
  const std::vector<int> ports = ports_to_pass(id);
  if (pending.empty()) {
    // A concatenation counts as covered only where a quantizer passes it.
    if (!covered || node.trait == Trait::kJoins) return;
    for (const int port : ports) at_input({id, port}) = {true, {}, settled, kNone};
    return;
  }
  std::vector<std::span<const QuantizerConfig>> lists;
  for (const Pending* quantizer : pending) lists.emplace_back(quantizer->configs);
  std::vector<QuantizerConfig> merged = merge_configs(lists, PropagationRule::kMergeAllInOne);
  // Channels need not lie on the same axis on the other side.
  if (!setting_.is_reference()) std::erase_if(merged, &QuantizerConfig::per_channel);
  if (!covered || ports.empty() || merged.empty()) {
    const Stop stop = !covered ? Stop::kOtherConsumer : ports.empty() ? Stop::kUnequalElements : Stop::kConfigurations;
    for (std::size_t i = 0; i < outlets.size(); ++i) {
      if (!arrivals[i].pending) continue;
      settle(SiteKind::kOutput, id, outlets[i].port, std::move(*arrivals[i].pending), stop, reads_float);
    }
    return;
  }
  Pending joined{std::move(merged), {}, kNone, true, std::move(settled)};
  for (const Pending* quantizer : pending) {
    unite(joined.operations, quantizer->operations);
    joined.scale = join_scales(joined.scale, quantizer->scale);
    joined.below.insert(joined.below.end(), quantizer->below.begin(), quantizer->below.end());
  }
  if (node.trait == Trait::kJoins) joined.below.clear();  // what comes out of it is another tensor
  if (joins_scales(id, ports.size())) {
    scale_parents_.push_back(static_cast<int>(scale_parents_.size()));
    joined.scale = join_scales(joined.scale, static_cast<int>(scale_parents_.size()) - 1);
  }
  for (const int port : ports) at_input({id, port}) = Arrival::of(joined);
}

// The inputs that a quantizer at the output of an operation that moves data goes on to; none where it can't.
std::vector<int> Propagation::ports_to_pass(NodeId id) const {
  const Node& node = graph_.node(id);
  std::vector<int> ports;
  if (setting_.is_reference()) {
    for (std::size_t port = 0; port < node.inputs.size(); ++port) {
      if (setting_.is_quantizable(node.inputs[port])) ports.push_back(static_cast<int>(port));
    }
    return ports;
  }
  for (const int port : node.data_ports) {
    if (!setting_.is_quantizable(node.inputs[static_cast<std::size_t>(port)])) return {};
    ports.push_back(port);
  }
  return ports;
}

bool Propagation::joins_scales(NodeId id, std::size_t ports) const {
  if (ports < 2) return false;
  if (!setting_.is_reference()) return true;
  return graph_.node(id).trait == Trait::kJoins && computes_below_[static_cast<std::size_t>(id)];
}

int Propagation::find_scale(int scale) {
  const auto parent = [&](int i) -> int& { return scale_parents_[static_cast<std::size_t>(i)]; };
  while (parent(scale) != scale) scale = parent(scale) = parent(parent(scale));
  return scale;
}

int Propagation::join_scales(int a, int b) {
  if (a == kNone || b == kNone) return std::max(a, b);
  a = find_scale(a);
  b = find_scale(b);
  scale_parents_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
  return std::min(a, b);
}

}  // namespace

bool Setting::is_quantizable(ValueId value) const {
  if (value == kNone) return false;
  const Value& tensor = graph.value(value);
  return in_flow(tensor.producer) && is_float(tensor.type) && tensor.known_rank;
}

bool Setting::takes_quantizer(const Node& node, int port) const {
  const auto& only = node.quantized_ports;
  if (only.empty() || std::ranges::find(only, port) != only.end()) return true;
  constexpr int kValues = 2;  // of attention
  return options.mode != NumberFormat::kInteger && node.kind == OpKind::kAttention && port == kValues;
}

bool Setting::takes_one_scale(NodeId id) const {
  return is_reference() && !is_exempt(id) && needs_one_scale(graph.node(id).device_op, effective_device(options));
}

void unite(std::vector<NodeId>& into, const std::vector<NodeId>& nodes) {
  std::vector<NodeId> united;
  std::ranges::set_union(into, nodes, std::back_inserter(united));
  into = std::move(united);
}

std::vector<Site> propagate(const Setting& setting, const std::vector<Seed>& seeds) {
  return Propagation(setting, seeds).run();
}

}  // namespace tightrope
