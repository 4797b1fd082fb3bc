// SPDX-License-Identifier: Apache-2.0
#include "pipeline/default_ranges.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include "graph/site.h"

namespace tightrope {
namespace {

// Both frameworks call them alike.
bool is_bounded(const Node& node) {
  constexpr std::string_view kTypes[] = {"Sigmoid", "HSigmoid", "HardSigmoid", "Softmax", "Tanh"};
  return std::ranges::find(kTypes, node.type) != std::end(kTypes);
}

// The operation whose values a quantizer quantizes, maybe moved.
const Node& origin_of(const Quantizer& quantizer, const Graph& graph) {
  const Node* node = &graph.node(graph.value(value_of(quantizer, graph)).producer);
  while (node->trait == Trait::kMovesData && node->data_ports.size() == 1)
    node = &graph.node(graph.value(node->inputs[static_cast<std::size_t>(node->data_ports[0])]).producer);
  return *node;
}

// True where an asymmetric range takes the operation no more time than a symmetric one. OpenVINO's CPU runs depthwise
// convolutions of asymmetric data by another, slower kernel; group convolutions were not measured.
bool takes_any_mode(const Node& node, Vocabulary vocabulary) {
  if (node.kind == OpKind::kConvolution || node.kind == OpKind::kMatMul) return !node.weights.empty();
  return vocabulary == Vocabulary::kOnnx &&
         (node.kind == OpKind::kDepthwiseConvolution || node.kind == OpKind::kGroupConvolution);
}

// How much wider the steps of a symmetric range are than those of an asymmetric one.
bool gains_from_asymmetry(const Observed& observed) {
  constexpr float kLeastGain = 1.2F;
  const float low = std::min(observed.low[0], 0.0F);
  const float high = std::max(observed.high[0], 0.0F);
  return low < 0 && std::max(-low, high) / 127 > kLeastGain * (high - low) / 255;
}

// True where nothing but x * sigmoid(x) reads x.
bool feeds_gates_alone(const Value& x, const Graph& graph) {
  std::set<NodeId> products;
  for (const Use& use : x.uses) {
    const Node& node = graph.node(use.node);
    if (node.type != "Sigmoid") continue;
    for (const Use& reader : graph.value(node.outputs[0]).uses) products.insert(reader.node);
  }
  return !products.empty() && std::ranges::all_of(x.uses, [&](const Use& use) {
    const Node& node = graph.node(use.node);
    return node.type == "Sigmoid" || ((node.type == "Mul" || node.type == "Multiply") && products.contains(use.node));
  }) && std::ranges::all_of(products, [&](NodeId id) { return std::ranges::count(x.uses, id, &Use::node) == 1; });
}

bool runs_on_cpu(TargetDevice device) {
  return device == TargetDevice::kAny || device == TargetDevice::kCpu || device == TargetDevice::kCpuSpr;
}

}  // namespace

bool has_default_estimator(const QuantizeOptions& options) {
  RangeEstimator estimator = options.activation_range;
  for (const auto& [end, extreme] : {std::pair(&estimator.min, Statistic::kMin), {&estimator.max, Statistic::kMax}}) {
    if (end->aggregator != Aggregator::kOutputError) continue;
    end->aggregator.reset();  // it starts from the default
    if (end->statistic == extreme) end->statistic.reset();
  }
  return estimator == RangeEstimator{};
}

bool may_be_asymmetric(const Quantizer& quantizer, const Graph& graph, const QuantizeOptions& options) {
  const QuantizerConfig& config = quantizer.config;
  return quantizer.kind != SiteKind::kWeight && config.mode == Mode::kSymmetric && config.bits == 8 &&
         quantizer.channel_axes.empty() && !options.activations.mode && runs_on_cpu(options.target_device) &&
         std::ranges::all_of(quantizer.operations, [&](const std::string& name) {
           return takes_any_mode(graph.node(graph.find(name)), graph.vocabulary);
         });
}

Observed up_to_limits(Observed observed, const Quantizer& quantizer, const Graph& graph) {
  constexpr float kLeast = 0.5F;
  if (!is_bounded(origin_of(quantizer, graph))) return observed;
  for (std::size_t i = 0; i < observed.low.size(); ++i) {
    if (observed.low[i] <= -kLeast) observed.low[i] = -1;
    if (observed.high[i] >= kLeast) observed.high[i] = 1;
    if (observed.magnitude[i] >= kLeast) observed.magnitude[i] = 1;
  }
  return observed;
}

Observed without_idle_end(Observed observed, const Quantizer& quantizer, const Graph& graph) {
  constexpr float kLowest = -8;
  if (!feeds_gates_alone(graph.value(value_of(quantizer, graph)), graph)) return observed;
  for (std::size_t i = 0; i < observed.low.size(); ++i) {
    if (observed.low[i] >= kLowest) continue;
    observed.low[i] = kLowest;
    observed.magnitude[i] = std::max(-kLowest, observed.high[i]);
  }
  return observed;
}

Plan choose_modes(Plan plan, std::span<const Observed> observed, const Graph& graph, const QuantizeOptions& options) {
  if (options.preset || !has_default_estimator(options)) return plan;
  std::set<int> symmetric;  // scales that a sharer needs to be symmetric
  const auto keeps = [&](std::size_t i) {
    return !may_be_asymmetric(plan.quantizers[i], graph, options) || !gains_from_asymmetry(observed[i]);
  };
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    if (plan.quantizers[i].shared_scale >= 0 && keeps(i)) symmetric.insert(plan.quantizers[i].shared_scale);
  }
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    if (!keeps(i) && !symmetric.contains(plan.quantizers[i].shared_scale))
      plan.quantizers[i].config.mode = Mode::kAsymmetric;
  }
  return plan;
}

}  // namespace tightrope
