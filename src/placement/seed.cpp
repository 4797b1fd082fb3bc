// SPDX-License-Identifier: Apache-2.0
#include "placement/seed.h"

#include <algorithm>
#include <set>
#include <utility>

#include "devices/tables.h"
#include "placement/results.h"

namespace tightrope {
namespace {

NodeId node_count(const Setting& setting) { return static_cast<NodeId>(setting.graph.nodes().size()); }

void seed_activation(const Setting& setting, Use input, std::vector<QuantizerConfig> configs, Seeds& seeds) {
  const Node& node = setting.graph.node(input.node);
  if (setting.is_quantizable(node.inputs[static_cast<std::size_t>(input.port)]))
    seeds.activations.push_back({input, std::move(configs), kNone});
}

void seed_weights(const Setting& setting, NodeId id, Seeds& seeds) {
  const Node& node = setting.graph.node(id);
  if (node.weights.empty()) return;
  const auto configs = weight_configs(node, setting.options);
  for (const WeightPort& weight : node.weights) {
    Site site;
    site.kind = SiteKind::kWeight;
    site.node = id;
    site.port = weight.port;
    site.configs = configs;
    site.operations = {id};
    seeds.weights.push_back(std::move(site));
  }
}

void seed_outputs(const Setting& setting, Seeds& seeds) {
  if (!setting.options.quantize_outputs) return;
  for (NodeId id = 0; id < node_count(setting); ++id) {
    if (setting.graph.node(id).kind == OpKind::kResult && setting.leads(id))
      seed_activation(setting, {id, 0}, output_configs(setting.options), seeds);
  }
}

bool is_weight(const Node& node, int port) {
  return std::ranges::find(node.weights, port, &WeightPort::port) != node.weights.end();
}

// A convolution or matrix product with constant weights, a product of two activations, or attention, which begins with
// one.
bool runs_in_int8(const Setting& setting, NodeId id) {
  const Node& node = setting.graph.node(id);
  if (!computes_in_int8(node.kind) || !setting.leads(id) || node.inputs.size() < 2) return false;
  if (node.weights.empty() && node.kind != OpKind::kMatMul && node.kind != OpKind::kAttention) return false;
  return std::ranges::all_of(std::initializer_list<int>{0, 1}, [&](int port) {
    return is_weight(node, port) || setting.is_quantizable(node.inputs[static_cast<std::size_t>(port)]);
  });
}

// The convolution whose result, with its bias, this value is, if nobody else needs that result; else kNone.
NodeId private_convolution(const Setting& setting, ValueId id) {
  const Graph& graph = setting.graph;
  const auto is_data = [&](ValueId value) { return value != kNone && setting.in_flow(graph.value(value).producer); };
  const Value* value = &graph.value(id);
  if (value->uses.size() != 1) return kNone;
  const Node& producer = graph.node(value->producer);
  if (producer.kind == OpKind::kAdd) {  // of the bias, on either side
    const std::size_t bias = is_data(producer.inputs[1]) ? 0 : 1;
    if (is_data(producer.inputs[bias])) return kNone;
    value = &graph.value(producer.inputs[1 - bias]);
    if (value->uses.size() != 1) return kNone;
  }
  const bool fuses = is_convolution(graph.node(value->producer).kind) && runs_in_int8(setting, value->producer);
  return fuses ? value->producer : kNone;
}

// An addition of two activations becomes part of the convolution in front of it, which adds the other operand to its
// accumulators: only that one is worth quantizing. Of two convolutions the later takes the addition in.
void seed_residual(const Setting& setting, NodeId id, Seeds& seeds) {
  const Graph& graph = setting.graph;
  const Node& node = graph.node(id);
  if (node.kind != OpKind::kAdd || !setting.leads(id) || node.inputs.size() != 2) return;
  if (!setting.is_quantizable(node.inputs[0]) || !setting.is_quantizable(node.inputs[1])) return;
  if (graph.value(node.inputs[0]).shape != graph.value(node.inputs[1]).shape) return;  // a broadcast
  const NodeId first = private_convolution(setting, node.inputs[0]);
  const NodeId second = private_convolution(setting, node.inputs[1]);
  if (first == kNone && second == kNone) return;
  seed_activation(setting, {id, first > second ? 1 : 0}, activation_configs(node, setting.options), seeds);
  seeds.followers.push_back({node.name, graph.node(std::max(first, second)).name});
}

// An average of what a convolution gives, perhaps after an activation: the convolution then writes 8 bits. Channels do
// not mix, so each may have a scale.
void seed_average(const Setting& setting, NodeId id, Seeds& seeds) {
  const Graph& graph = setting.graph;
  const Node& node = graph.node(id);
  if ((node.roles & kIsAverage) == 0 || !setting.leads(id) || !setting.is_quantizable(node.inputs[0])) return;
  ValueId value = node.inputs[0];
  const Node& producer = graph.node(graph.value(value).producer);
  if ((producer.roles & kIsActivation) != 0) {
    if (graph.value(value).uses.size() != 1) return;
    value = producer.inputs[0];
  }
  const NodeId convolution = private_convolution(setting, value);
  if (convolution == kNone) return;
  std::vector<QuantizerConfig> configs = activation_configs(node, setting.options);
  if (setting.options.activations.per_channel.value_or(true)) {
    configs.insert(configs.begin(), configs[0]);
    configs[0].per_channel = true;
  }
  seed_activation(setting, {id, 0}, std::move(configs), seeds);
  seeds.followers.push_back({node.name, graph.node(convolution).name});
}

// What reads the result of a convolution, and asks for no quantizer itself, gets one for the convolution's sake. No
// runtime has transposed ones that need it.
void seed_results(const Setting& setting, Seeds& seeds) {
  std::set<std::pair<NodeId, int>> seeded;
  for (const Seed& seed : seeds.activations) seeded.emplace(seed.input.node, seed.input.port);
  for (NodeId id = 0; id < node_count(setting); ++id) {
    const Node& node = setting.graph.node(id);
    const bool is_transposed =
        node.kind == OpKind::kTransposedConvolution || node.kind == OpKind::kGroupTransposedConvolution;
    if (!is_convolution(node.kind) || is_transposed || !runs_in_int8(setting, id)) continue;
    for (const Use& use : uses_to_quantize(setting, id)) {
      if (seeded.emplace(use.node, use.port).second)
        seeds.activations.push_back({use, activation_configs(node, setting.options), id});
    }
  }
}

}  // namespace

Seeds reference_seeds(const Setting& setting) {
  Seeds seeds;
  for (NodeId id = 0; id < node_count(setting); ++id) {
    const Node& node = setting.graph.node(id);
    if (!setting.leads(id)) continue;
    if (node.trait == Trait::kComputes) {
      const auto configs = activation_configs(node, setting.options);
      for (int port = 0; port < static_cast<int>(node.inputs.size()); ++port) {
        if (setting.takes_quantizer(node, port)) seed_activation(setting, {id, port}, configs, seeds);
      }
    }
    if (node.trait == Trait::kComputes || node.trait == Trait::kLooksUp) seed_weights(setting, id, seeds);
  }
  seed_outputs(setting, seeds);
  return seeds;
}

Seeds lean_seeds(const Setting& setting) {
  Seeds seeds;
  for (NodeId id = 0; id < node_count(setting); ++id) {
    if (!runs_in_int8(setting, id)) {
      seed_residual(setting, id, seeds);
      seed_average(setting, id, seeds);
      // A table is looked up as fast in 8 bits, and takes a quarter of the space. Recurrent cells compute in floating
      // point with quantized weights too, and lose accuracy.
      const bool looks_up = setting.graph.node(id).trait == Trait::kLooksUp && setting.leads(id);
      if (looks_up && !setting.quantizes_results()) seed_weights(setting, id, seeds);
      continue;
    }
    const auto configs = activation_configs(setting.graph.node(id), setting.options);
    for (const int port : {0, 1}) {
      if (!is_weight(setting.graph.node(id), port)) seed_activation(setting, {id, port}, configs, seeds);
    }
    seed_weights(setting, id, seeds);
  }
  seed_outputs(setting, seeds);
  if (setting.quantizes_results()) seed_results(setting, seeds);
  return seeds;
}

}  // namespace tightrope
