// SPDX-License-Identifier: Apache-2.0
// The story of placement, from a graph to a plan whose ranges are still empty.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "devices/tables.h"
#include "graph/data_flow.h"
#include "graph/site.h"
#include "graph/walk.h"
#include "placement/explain.h"
#include "placement/finish.h"
#include "placement/overflow.h"
#include "placement/seed.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

Setting prepare(const Graph& graph, const QuantizeOptions& options) {
  Setting setting{graph, options, data_flow(graph), {}, {}};
  setting.exemptions = exemptions(graph, setting.flow, options);
  setting.fusions.resize(graph.nodes().size());
  if (setting.is_reference()) setting.fusions = fusions(graph, setting.flow, options);
  return setting;
}

// Of the operations that a site serves, those that its tensor reaches through this input.
std::vector<NodeId> served_through(const Setting& setting, const Site& site, const Use& use) {
  std::vector<NodeId> served;
  std::vector<NodeId> open = {use.node};
  std::set<NodeId> seen;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (!seen.insert(id).second) continue;
    if (std::ranges::binary_search(site.operations, id)) served.push_back(id);
    const Node& node = setting.graph.node(id);
    if (node.trait != Trait::kMovesData && node.trait != Trait::kJoins) continue;
    for_each_use(setting.graph, node, [&](const Use& next) { open.push_back(next.node); });
  }
  std::ranges::sort(served);
  return served;
}

// One site per tensor. In the reference's way of counting, an operation more than one of whose outputs is used has a
// quantizer on each edge that leaves it.
std::vector<Site> per_tensor(const Setting& setting, Site site) {
  if (site.kind != SiteKind::kOutput || site.port != kNone) return {std::move(site)};
  std::vector<Use> uses;
  std::set<int> ports;
  for_each_use(setting.graph, setting.graph.node(site.node), [&](const Use& use) {
    const ValueId value = setting.graph.node(use.node).inputs[static_cast<std::size_t>(use.port)];
    ports.insert(setting.graph.value(value).port);
    if (setting.in_flow(use.node)) uses.push_back(use);
  });
  if (ports.size() == 1) {
    site.port = *ports.begin();
    return {std::move(site)};
  }
  std::vector<Site> sites;
  for (const Use& use : uses) {
    Site edge = site;
    edge.kind = SiteKind::kInput;
    edge.node = use.node;
    edge.port = use.port;
    edge.operations = served_through(setting, site, use);
    sites.push_back(std::move(edge));
  }
  return sites;
}

std::vector<Site> settle(const Setting& setting, Seeds seeds) {
  std::vector<Site> sites = propagate(setting, seeds.activations);
  if (setting.is_reference()) drop_lonely_elementwise(setting, sites);
  std::ranges::move(seeds.weights, std::back_inserter(sites));
  if (setting.is_reference()) quantize_embeddings(setting, sites);
  choose_configs(sites);
  if (setting.options.model_type) make_products_symmetric(setting, sites);
  if (setting.is_reference() && setting.options.target_device == TargetDevice::kCpuSpr)
    keep_one_operand_of_additions(setting, sites);
  std::vector<Site> tensors;
  for (Site& site : sites) std::ranges::move(per_tensor(setting, std::move(site)), std::back_inserter(tensors));
  return tensors;
}

// Axes that keep a scale of their own: those of the weight, or axis 1 of an activation whose extent is known.
std::vector<int> channel_axes(const Graph& graph, const Quantizer& quantizer, const Node& node) {
  if (!quantizer.config.per_channel) return {};
  if (quantizer.kind == SiteKind::kWeight)
    return std::ranges::find(node.weights, quantizer.port, &WeightPort::port)->channel_axes;
  const Shape& shape = graph.value(value_at(node, quantizer.kind, quantizer.port)).shape;
  return shape.size() > 1 && shape[1] > 0 ? std::vector{1} : std::vector<int>();
}

Quantizer quantizer_of(const Graph& graph, const Site& site, bool half) {
  const Node& node = graph.node(site.node);
  Quantizer quantizer;
  quantizer.kind = site.kind;
  quantizer.node = node.name;
  quantizer.port = site.port;
  quantizer.config = site.configs[0];
  quantizer.channel_axes = channel_axes(graph, quantizer, node);
  if (site.kind != SiteKind::kWeight) quantizer.config.per_channel = !quantizer.channel_axes.empty();
  quantizer.half_range = half;
  quantizer.shared_scale = site.scale;
  for (const NodeId id : site.operations) quantizer.operations.push_back(graph.node(id).name);
  std::ranges::sort(quantizer.operations);
  return quantizer;
}

// In the order of the graph: activations and weights that a node reads, then what it gives.
void sort(std::vector<Site>& sites) {
  std::ranges::stable_sort(sites, {}, [](const Site& site) {
    return std::tuple(site.node, site.kind == SiteKind::kOutput, site.kind == SiteKind::kWeight, site.port);
  });
}

// 0, 1, 2 ... in the order of the quantizers. The reference counts scales with one quantizer, too.
void number_shared_scales(std::vector<Quantizer>& quantizers, bool count_single) {
  std::map<int, int> sharers;
  for (const Quantizer& quantizer : quantizers) ++sharers[quantizer.shared_scale];
  std::map<int, int> numbers;
  for (Quantizer& quantizer : quantizers) {
    if (!count_single && sharers[quantizer.shared_scale] == 1) quantizer.shared_scale = -1;
    if (quantizer.shared_scale < 0) continue;
    const auto next = static_cast<int>(numbers.size());
    quantizer.shared_scale = numbers.emplace(quantizer.shared_scale, next).first->second;
  }
}

void refuse_quantized(const Graph& graph) {
  const auto is_quantizer = [](const Node& node) { return node.kind == OpKind::kQuantizer; };
  const auto brought = std::ranges::find_if(graph.nodes(), is_quantizer);
  if (brought == graph.nodes().end()) return;
  throw QuantizationError(
      fmt::format("[placement] the model is quantized already: {} quantizers, the first is '{}'; the floating-point "
                  "model is needed",
                  std::ranges::count_if(graph.nodes(), is_quantizer), brought->name));
}

Plan plan_of(const Setting& setting, std::vector<Site> sites, std::vector<Follower> followers) {
  Plan plan;
  plan.followers = std::move(followers);
  plan.compress_weights = setting.options.compress_weights;
  sort(sites);
  const std::vector<bool> half = half_range(setting, sites);
  for (std::size_t i = 0; i < sites.size(); ++i)
    plan.quantizers.push_back(quantizer_of(setting.graph, sites[i], half[i]));
  number_shared_scales(plan.quantizers, setting.is_reference());
  return plan;
}

// The options as far as the format of the model can follow them.
QuantizeOptions feasible(const Graph& graph, QuantizeOptions options) {
  if (graph.vocabulary == Vocabulary::kOnnx && options.target_device == TargetDevice::kCpuSpr) {
    throw Unsupported(
        "[placement] target_device is CPU_SPR, which is for OpenVINO models; ANY or CPU is needed for ONNX");
  }
  if (graph.vocabulary == Vocabulary::kOnnx && !has_eight_bits(options)) {
    throw Unsupported(fmt::format(
        "[placement] activations of {} and weights of {} bits were asked for; ONNX models are quantized to 8 bits",
        options.activations.bits.value_or(8), options.weights.bits.value_or(8)));
  }
  if (graph.vocabulary == Vocabulary::kOnnx && options.mode != NumberFormat::kInteger) {
    throw Unsupported(
        "[placement] mode is 8-bit floating point, which is for OpenVINO models; ONNX models are quantized to "
        "integers");
  }
  // ONNX Runtime's kernels take no activations with a scale per channel, and models with them may not load.
  if (graph.vocabulary == Vocabulary::kOnnx && options.placement == Placement::kLean &&
      !options.activations.per_channel)
    options.activations.per_channel = false;
  if (graph.per_channel) return options;
  if (options.weights.per_channel == true || options.activations.per_channel == true) {
    throw InvalidArgument(
        "[placement] per_channel=True was asked for, but the format of this model has one scale per tensor only; a "
        "model of operator set 13 or newer is needed");
  }
  options.weights.per_channel = false;
  options.activations.per_channel = false;
  return options;
}

// The whole story; `explain` looks at what it came to.
template <typename Explain>
Plan place_with(const Graph& graph, const QuantizeOptions& asked, const Explain& explain) {
  check(asked);
  refuse_quantized(graph);
  const QuantizeOptions options = feasible(graph, asked);
  const Setting setting = prepare(graph, options);
  Seeds seeds = setting.is_reference() ? reference_seeds(setting) : lean_seeds(setting);
  std::vector<Follower> followers = std::move(seeds.followers);
  std::vector<Site> sites = settle(setting, std::move(seeds));
  explain(setting, sites);
  return plan_of(setting, std::move(sites), std::move(followers));
}

}  // namespace

Plan place(const Graph& graph, const QuantizeOptions& options) {
  Plan plan = place_with(graph, options, [](const Setting&, const std::vector<Site>&) {});
  if (!plan.empty()) return plan;
  throw QuantizationError(
      "[placement] nothing in the model can be quantized: no convolution or matrix product with constant "
      "floating-point weights is left outside the ignored scope");
}

ExplainedPlan place_and_explain(const Graph& graph, const QuantizeOptions& options) {
  ExplainedPlan result;
  result.plan = place_with(graph, options, [&](const Setting& setting, const std::vector<Site>& sites) {
    result.decisions = explain(setting, sites);
  });
  return result;
}

}  // namespace tightrope
