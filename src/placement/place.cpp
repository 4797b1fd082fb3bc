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
#include "placement/finish.h"
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

std::vector<Site> settle(const Setting& setting, Seeds seeds) {
  std::vector<Site> sites = propagate(setting, seeds.activations);
  if (setting.is_reference()) drop_lonely_elementwise(setting, sites);
  std::ranges::move(seeds.weights, std::back_inserter(sites));
  if (setting.is_reference()) quantize_embeddings(setting, sites);
  choose_configs(sites);
  if (setting.options.model_type) make_products_symmetric(setting, sites);
  if (setting.is_reference() && setting.options.target_device == TargetDevice::kCpuSpr)
    keep_one_operand_of_additions(setting, sites);
  return sites;
}

// The tensors that a site stands for: one, or in the reference's way of counting, each edge that leaves an operation
// more than one of whose outputs is used.
std::vector<std::pair<SiteKind, Use>> tensors_of(const Graph& graph, const Setting& setting, const Site& site) {
  if (site.kind != SiteKind::kOutput || site.port != kNone) return {{site.kind, {site.node, site.port}}};
  std::vector<Use> uses;
  std::set<int> ports;
  for (const ValueId output : graph.node(site.node).outputs) {
    for (const Use& use : graph.value(output).uses) {
      ports.insert(graph.value(output).port);
      if (setting.in_flow(use.node)) uses.push_back(use);
    }
  }
  if (ports.size() == 1) return {{SiteKind::kOutput, {site.node, *ports.begin()}}};
  std::vector<std::pair<SiteKind, Use>> tensors;
  for (const Use& use : uses) tensors.emplace_back(SiteKind::kInput, use);
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

std::vector<Quantizer> quantizers_of(const Setting& setting, const Site& site, bool half) {
  const Graph& graph = setting.graph;
  std::vector<Quantizer> quantizers;
  for (const auto& [kind, place] : tensors_of(graph, setting, site)) {
    const Node& node = graph.node(place.node);
    Quantizer quantizer;
    quantizer.kind = kind;
    quantizer.node = node.name;
    quantizer.port = place.port;
    quantizer.config = site.configs[0];
    quantizer.channel_axes = channel_axes(graph, quantizer, node);
    quantizer.config.per_channel = !quantizer.channel_axes.empty();
    quantizer.half_range = half;
    quantizer.shared_scale = site.scale;
    for (const NodeId id : site.operations) quantizer.operations.push_back(graph.node(id).name);
    std::ranges::sort(quantizer.operations);
    quantizers.push_back(std::move(quantizer));
  }
  return quantizers;
}

// In the order of the graph: activations and weights that a node reads, then what it gives.
void sort(const Graph& graph, std::vector<Quantizer>& quantizers) {
  std::ranges::stable_sort(quantizers, {}, [&](const Quantizer& quantizer) {
    return std::tuple(graph.find(quantizer.node), quantizer.kind == SiteKind::kOutput,
                      quantizer.kind == SiteKind::kWeight, quantizer.port);
  });
}

// 0, 1, 2 ... in the order of the quantizers; none where a scale has one quantizer only.
void number_shared_scales(std::vector<Quantizer>& quantizers) {
  std::map<int, int> sharers;
  for (const Quantizer& quantizer : quantizers) ++sharers[quantizer.shared_scale];
  std::map<int, int> numbers;
  for (Quantizer& quantizer : quantizers) {
    if (quantizer.shared_scale < 0) continue;
    quantizer.shared_scale =
        sharers[quantizer.shared_scale] < 2
            ? -1
            : numbers.emplace(quantizer.shared_scale, static_cast<int>(numbers.size())).first->second;
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

}  // namespace

Plan place(const Graph& graph, const QuantizeOptions& options) {
  check(options);
  refuse_quantized(graph);
  const Setting setting = prepare(graph, options);
  Seeds seeds = setting.is_reference() ? reference_seeds(setting) : lean_seeds(setting);
  Plan plan;
  plan.fused_additions = std::move(seeds.fused_additions);
  const std::vector<Site> sites = settle(setting, std::move(seeds));
  const std::vector<bool> half = half_range(setting, sites);
  for (std::size_t i = 0; i < sites.size(); ++i)
    std::ranges::move(quantizers_of(setting, sites[i], half[i]), std::back_inserter(plan.quantizers));
  sort(graph, plan.quantizers);
  number_shared_scales(plan.quantizers);
  if (!plan.empty()) return plan;
  throw QuantizationError(
      "[placement] nothing in the model can be quantized: no convolution or matrix product with constant "
      "floating-point "
      "weights is left outside the ignored scope");
}

}  // namespace tightrope
