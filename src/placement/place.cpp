// SPDX-License-Identifier: Apache-2.0
// Quantizers start at the inputs of operations that run in 8 bits, move up through operations that only move data, and
// become one where they meet. One pass over the nodes, consumers before producers.
#include <fmt/format.h>

#include <numeric>
#include <set>

#include "devices/configs.h"
#include "graph/ignored_scope.h"
#include "graph/site.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

// A quantizer that is still on its way up.
struct Pending {
  std::vector<QuantizerConfig> configs;  // best first; never empty
  std::set<std::string> operations;
  int scale = -1;  // index into the shared scales, or -1
};

class Placer {
 public:
  Placer(const Graph& graph, const QuantizeOptions& options)
      : graph_(graph),
        preset_(options.preset.value_or(Preset::kPerformance)),
        ignored_(ignored_nodes(graph, options.ignored_scope)),
        constant_(graph.constant_values()),
        at_input_(graph.nodes().size()) {
    for (std::size_t i = 0; i < at_input_.size(); ++i) at_input_[i].resize(graph.nodes()[i].inputs.size());
  }

  Plan run(OverflowFix overflow_fix) {
    for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes().size()); ++id) seed(id);
    for (NodeId id = static_cast<NodeId>(graph_.nodes().size()); id-- > 0;) move_up(id);
    mark_half_range(overflow_fix);
    sort();
    number_shared_scales();
    return std::move(plan_);
  }

 private:
  bool is_ignored(NodeId id) const { return ignored_[static_cast<std::size_t>(id)]; }
  bool is_variable(ValueId value) const { return value != kNone && !constant_[static_cast<std::size_t>(value)]; }
  bool is_quantizable(ValueId value) const {
    return is_variable(value) && is_float(graph_.value(value).type) && graph_.value(value).known_rank;
  }
  std::optional<Pending>& at_input(const Use& use) {
    return at_input_[static_cast<std::size_t>(use.node)][static_cast<std::size_t>(use.port)];
  }

  bool runs_in_int8(NodeId id) const;
  NodeId private_convolution(ValueId id) const;
  int residual_port(const Node& node) const;
  void seed(NodeId id);
  void move_up(NodeId id);
  std::optional<Pending> merge_uses(const Value& value);
  std::optional<Pending> merge(std::vector<Pending> pending);
  void pass_through(const Node& node, NodeId id, std::vector<std::optional<Pending>> outputs);
  void settle(SiteKind kind, const Node& node, int port, const Pending& pending);
  void mark_half_range(OverflowFix fix);
  int find_scale(int scale);
  int join_scales(int a, int b);
  void sort();
  void number_shared_scales();

  const Graph& graph_;
  Preset preset_;
  std::vector<bool> ignored_;
  std::vector<bool> constant_;
  std::vector<std::vector<std::optional<Pending>>> at_input_;  // by node and port
  std::vector<int> scale_parent_;                              // union-find over shared scales
  Plan plan_;
};

// A convolution or matrix product with constant weights, or a product of two activations.
bool Placer::runs_in_int8(NodeId id) const {
  const Node& node = graph_.node(id);
  if (!computes_in_int8(node.kind) || is_ignored(id) || node.inputs.size() < 2) return false;
  const bool weighted = !node.weights.empty() || node.kind == OpKind::kMatMul;
  for (const int port : {0, 1}) {
    const bool is_weight =
        std::any_of(node.weights.begin(), node.weights.end(), [&](const WeightPort& w) { return w.port == port; });
    if (!is_weight && !is_quantizable(node.inputs[static_cast<std::size_t>(port)])) return false;
  }
  return weighted;
}

// The convolution whose result, with its bias, this value is, if nobody else needs that result; else kNone.
NodeId Placer::private_convolution(ValueId id) const {
  const Value* value = &graph_.value(id);
  if (value->uses.size() != 1) return kNone;
  const Node& producer = graph_.node(value->producer);
  if (producer.kind == OpKind::kAdd) {  // of the bias, on either side
    const std::size_t bias = is_variable(producer.inputs[1]) ? 0 : 1;
    if (is_variable(producer.inputs[bias])) return kNone;
    value = &graph_.value(producer.inputs[1 - bias]);
    if (value->uses.size() != 1) return kNone;
  }
  const bool fuses = graph_.node(value->producer).kind != OpKind::kMatMul && runs_in_int8(value->producer);
  return fuses ? value->producer : kNone;
}

// An addition of two activations becomes part of the convolution in front of it, which adds the other operand to its
// accumulators: only that one is worth quantizing. The port of it, or kNone. Of two convolutions the later takes it in.
int Placer::residual_port(const Node& node) const {
  if (node.kind != OpKind::kAdd || node.inputs.size() != 2) return kNone;
  if (!is_quantizable(node.inputs[0]) || !is_quantizable(node.inputs[1])) return kNone;
  if (graph_.value(node.inputs[0]).shape != graph_.value(node.inputs[1]).shape) return kNone;  // a broadcast
  const NodeId first = private_convolution(node.inputs[0]);
  const NodeId second = private_convolution(node.inputs[1]);
  if (first == kNone && second == kNone) return kNone;
  return first > second ? 1 : 0;
}

void Placer::seed(NodeId id) {
  const Node& node = graph_.node(id);
  const bool computes = runs_in_int8(id);
  const int residual = computes || is_ignored(id) ? kNone : residual_port(node);
  for (int port = 0; port < 2; ++port) {
    if (port != residual && !(computes && is_quantizable(node.inputs[static_cast<std::size_t>(port)]))) continue;
    at_input({id, port}) = Pending{activation_configs(node.kind, preset_), {node.name}, -1};
  }
  if (residual != kNone) {
    const NodeId convolution = private_convolution(node.inputs[static_cast<std::size_t>(1 - residual)]);
    plan_.fused_additions.push_back({node.name, graph_.node(convolution).name});
  }
  if (!computes) return;
  for (const WeightPort& weight : node.weights) {
    Quantizer quantizer;
    quantizer.kind = SiteKind::kWeight;
    quantizer.node = node.name;
    quantizer.port = weight.port;
    quantizer.channel_axes = weight.channel_axes;
    quantizer.config = weight_config();
    quantizer.config.per_channel = !weight.channel_axes.empty();
    quantizer.operations = {node.name};
    plan_.quantizers.push_back(std::move(quantizer));
  }
}

// What arrives at the outputs of a node goes on to its inputs where the node only moves data, and settles otherwise.
void Placer::move_up(NodeId id) {
  const Node& node = graph_.node(id);
  std::vector<std::optional<Pending>> outputs;
  for (const ValueId output : node.outputs) outputs.push_back(merge_uses(graph_.value(output)));
  if ((node.trait == Trait::kMovesData || node.trait == Trait::kJoins) && !is_ignored(id)) return pass_through(node, id, std::move(outputs));
  for (std::size_t port = 0; port < outputs.size(); ++port) {
    if (outputs[port]) settle(SiteKind::kOutput, node, static_cast<int>(port), *outputs[port]);
  }
}

// One quantizer for all uses of a value, or nothing: then each stays where it is.
std::optional<Pending> Placer::merge_uses(const Value& value) {
  std::vector<Use> quantized;
  bool everyone = true;
  for (const Use& use : value.uses) {
    if (graph_.node(use.node).kind == OpKind::kShapeOf) continue;  // a shape does not depend on the elements
    if (at_input(use)) {
      quantized.push_back(use);
    } else {
      everyone = false;
    }
  }
  if (quantized.empty()) return std::nullopt;
  if (everyone) {
    std::vector<Pending> pending;
    for (const Use& use : quantized) pending.push_back(*at_input(use));
    if (auto merged = merge(std::move(pending))) return merged;
  }
  for (const Use& use : quantized) settle(SiteKind::kInput, graph_.node(use.node), use.port, *at_input(use));
  return std::nullopt;
}

// Keeps the configurations that all share, the ones that stand first in most lists first.
std::optional<Pending> Placer::merge(std::vector<Pending> pending) {
  Pending merged = pending.front();
  std::vector<std::size_t> ranks(merged.configs.size());
  std::iota(ranks.begin(), ranks.end(), std::size_t{0});
  for (std::size_t i = 1; i < pending.size(); ++i) {
    const auto& configs = pending[i].configs;
    for (std::size_t c = merged.configs.size(); c-- > 0;) {
      const auto found = std::find(configs.begin(), configs.end(), merged.configs[c]);
      if (found == configs.end()) {
        merged.configs.erase(merged.configs.begin() + static_cast<std::ptrdiff_t>(c));
        ranks.erase(ranks.begin() + static_cast<std::ptrdiff_t>(c));
      } else {
        ranks[c] += static_cast<std::size_t>(found - configs.begin());
      }
    }
  }
  if (merged.configs.empty()) return std::nullopt;
  std::vector<std::size_t> order(merged.configs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ranks[a] < ranks[b]; });
  std::vector<QuantizerConfig> configs;
  for (const std::size_t i : order) configs.push_back(merged.configs[i]);
  merged.configs = std::move(configs);
  for (std::size_t i = 1; i < pending.size(); ++i) {
    merged.operations.merge(pending[i].operations);
    merged.scale = join_scales(merged.scale, pending[i].scale);
  }
  return merged;
}

void Placer::pass_through(const Node& node, NodeId id, std::vector<std::optional<Pending>> outputs) {
  const auto used = [&](std::size_t port) { return !graph_.value(node.outputs[port]).uses.empty(); };
  std::vector<Pending> arrived;
  bool everyone = true;
  for (std::size_t port = 0; port < outputs.size(); ++port) {
    if (outputs[port]) arrived.push_back(*outputs[port]);
    everyone = everyone && (outputs[port] || !used(port));
  }
  for (const int port : node.data_ports)
    everyone = everyone && is_quantizable(node.inputs[static_cast<std::size_t>(port)]);
  std::optional<Pending> merged;
  if (everyone && !arrived.empty()) merged = merge(arrived);
  if (merged) {
    // Channels need not lie on the same axis on the other side.
    std::erase_if(merged->configs, [](const QuantizerConfig& config) { return config.per_channel; });
  }
  if (!merged || merged->configs.empty()) {
    for (std::size_t port = 0; port < outputs.size(); ++port) {
      if (outputs[port]) settle(SiteKind::kOutput, node, static_cast<int>(port), *outputs[port]);
    }
    return;
  }
  if (node.trait == Trait::kJoins && node.data_ports.size() > 1) {
    scale_parent_.push_back(static_cast<int>(scale_parent_.size()));
    merged->scale = join_scales(merged->scale, static_cast<int>(scale_parent_.size()) - 1);
  }
  for (const int port : node.data_ports) at_input({id, port}) = *merged;
}

void Placer::settle(SiteKind kind, const Node& node, int port, const Pending& pending) {
  Quantizer quantizer;
  quantizer.kind = kind;
  quantizer.node = node.name;
  quantizer.port = port;
  quantizer.config = pending.configs.front();
  const Shape& shape = graph_.value(value_at(node, kind, port)).shape;
  const bool has_channels = shape.size() > 1 && shape[1] > 0;
  if (quantizer.config.per_channel && (!has_channels || pending.scale >= 0)) quantizer.config.per_channel = false;
  if (quantizer.config.per_channel) quantizer.channel_axes = {1};
  quantizer.shared_scale = pending.scale;
  quantizer.operations.assign(pending.operations.begin(), pending.operations.end());
  plan_.quantizers.push_back(std::move(quantizer));
}

// The first plain convolution on each path from an input; behind it products of two bytes no longer overflow the
// 16-bit accumulators of older processors as easily.
void Placer::mark_half_range(OverflowFix fix) {
  if (fix == OverflowFix::kDisable) return;
  std::set<std::string> first;
  if (fix == OverflowFix::kFirstLayerOnly) {
    std::vector<bool> open(graph_.nodes().size(), false);
    for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes().size()); ++id) {
      const Node& node = graph_.node(id);
      bool reached = node.kind == OpKind::kParameter;
      for (const ValueId input : node.inputs) {
        reached = reached || (input != kNone && open[static_cast<std::size_t>(graph_.value(input).producer)]);
      }
      const bool taken = reached && node.kind == OpKind::kConvolution && runs_in_int8(id);
      if (taken) first.insert(node.name);
      open[static_cast<std::size_t>(id)] = reached && !taken;
    }
  }
  for (Quantizer& quantizer : plan_.quantizers) {
    if (quantizer.kind != SiteKind::kWeight) continue;
    const OpKind kind = graph_.node(graph_.find(quantizer.node)).kind;
    quantizer.half_range =
        fix == OverflowFix::kEnable ? kind != OpKind::kDepthwiseConvolution : first.contains(quantizer.node);
  }
}

int Placer::find_scale(int scale) {
  while (scale_parent_[static_cast<std::size_t>(scale)] != scale)
    scale = scale_parent_[static_cast<std::size_t>(scale)];
  return scale;
}

int Placer::join_scales(int a, int b) {
  if (a < 0 || b < 0) return std::max(a, b);
  a = find_scale(a);
  b = find_scale(b);
  scale_parent_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
  return std::min(a, b);
}

// In the order of the graph: activations and weights that a node reads, then what it gives.
void Placer::sort() {
  const auto position = [&](const Quantizer& quantizer) {
    return std::tuple(graph_.find(quantizer.node), quantizer.kind == SiteKind::kOutput,
                      quantizer.kind == SiteKind::kWeight, quantizer.port);
  };
  std::sort(plan_.quantizers.begin(), plan_.quantizers.end(),
            [&](const Quantizer& a, const Quantizer& b) { return position(a) < position(b); });
}

// 0, 1, 2 ... in the order of the quantizers; none where a scale has one quantizer only.
void Placer::number_shared_scales() {
  std::map<int, int> sharers;
  for (Quantizer& quantizer : plan_.quantizers) {
    if (quantizer.shared_scale < 0) continue;
    quantizer.shared_scale = find_scale(quantizer.shared_scale);
    ++sharers[quantizer.shared_scale];
  }
  std::map<int, int> numbers;
  for (Quantizer& quantizer : plan_.quantizers) {
    if (quantizer.shared_scale < 0) continue;
    quantizer.shared_scale =
        sharers[quantizer.shared_scale] < 2
            ? -1
            : numbers.emplace(quantizer.shared_scale, static_cast<int>(numbers.size())).first->second;
  }
}

}  // namespace

Plan place(const Graph& graph, const QuantizeOptions& options) {
  check(options);
  const auto is_quantizer = [](const Node& node) { return node.kind == OpKind::kQuantizer; };
  const auto brought = std::find_if(graph.nodes().begin(), graph.nodes().end(), is_quantizer);
  if (brought != graph.nodes().end()) {
    throw QuantizationError(
        fmt::format("[placement] the model is quantized already: {} quantizers, the first is '{}'; the floating-point "
                    "model is needed",
                    std::count_if(graph.nodes().begin(), graph.nodes().end(), is_quantizer), brought->name));
  }
  Plan plan = Placer(graph, options).run(options.overflow_fix.value_or(OverflowFix::kFirstLayerOnly));
  if (plan.empty()) {
    throw QuantizationError(
        "[placement] nothing in the model can be quantized: no convolution or matrix product with constant "
        "floating-point weights is left outside the ignored scope");
  }
  return plan;
}

}  // namespace tightrope
