// SPDX-License-Identifier: Apache-2.0
#include "placement/overflow.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "devices/tables.h"
#include "graph/walk.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

// The first plain convolution with 8-bit weights on each path from an input.
std::vector<bool> first_convolutions(const Graph& graph, const std::set<NodeId>& with_weights) {
  std::vector<bool> open(graph.nodes().size(), false);
  std::vector<bool> first(graph.nodes().size(), false);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node& node = graph.node(id);
    bool reached = node.kind == OpKind::kParameter;
    for_each_producer(graph, node,
                      [&](NodeId producer) { reached = reached || open[static_cast<std::size_t>(producer)]; });
    const bool taken = reached && node.kind == OpKind::kConvolution && with_weights.contains(id);
    first[static_cast<std::size_t>(id)] = taken;
    open[static_cast<std::size_t>(id)] = reached && !taken;
  }
  return first;
}

bool may_overflow(const QuantizeOptions& options) {
  return options.mode == NumberFormat::kInteger && has_eight_bits(options);
}

}  // namespace

OverflowFix overflow_fix(const QuantizeOptions& options) {
  return options.overflow_fix.value_or(may_overflow(options) ? OverflowFix::kFirstLayerOnly : OverflowFix::kDisable);
}

std::vector<bool> half_range(const Setting& setting, const std::vector<Site>& sites) {
  std::vector<bool> half(sites.size(), false);
  const OverflowFix fix = overflow_fix(setting.options);
  if (fix == OverflowFix::kDisable) return half;
  std::set<NodeId> with_weights;
  for (const Site& site : sites) {
    if (site.kind == SiteKind::kWeight) with_weights.insert(site.node);
  }
  const std::vector<bool> first = first_convolutions(setting.graph, with_weights);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const Site& site = sites[i];
    const Node& node = setting.graph.node(site.node);
    if (site.kind != SiteKind::kWeight || !computes_in_int8(node.kind)) continue;
    half[i] = fix == OverflowFix::kEnable ? node.kind != OpKind::kDepthwiseConvolution
                                          : static_cast<bool>(first[static_cast<std::size_t>(site.node)]);
    if (!half[i] || site.configs[0].mode == Mode::kSymmetric) continue;
    throw InvalidArgument(
        fmt::format("[placement] node '{}' ({}): asymmetric weights can't use half of their levels; symmetric weights, "
                    "or overflow_fix 'disable', are needed",
                    node.name, node.type));
  }
  return half;
}

std::optional<OverflowNotice> overflow_notice(const Plan& plan, const QuantizeOptions& options,
                                              std::string_view dot_products) {
  if (!may_overflow(options)) return std::nullopt;
  const OverflowFix fix = overflow_fix(options);
  if (fix == OverflowFix::kDisable) {
    if (!dot_products.empty()) return std::nullopt;
    return OverflowNotice{LogLevel::kWarning,
                          "overflow_fix=disable: weights use all of their levels, but this processor has no "
                          "instructions for dot products of 8-bit integers, so sums may overflow here."};
  }
  const auto count = std::ranges::count_if(plan.quantizers, &Quantizer::half_range);
  if (count == 0) return std::nullopt;
  const bool all = fix == OverflowFix::kEnable;
  const std::string text = fmt::format(
      "{} weight{} half of the levels (overflow_fix={}), for processors without dot products of 8-bit "
      "integers.",
      count, count == 1 ? " uses" : "s use", all ? "enable" : "first_layer_only");
  if (!dot_products.empty()) {
    return OverflowNotice{LogLevel::kInfo,
                          fmt::format("{} This one has them ({}); for a model that runs only on such processors, "
                                      "overflow_fix=disable is more accurate.",
                                      text, dot_products)};
  }
  return OverflowNotice{LogLevel::kInfo,
                        fmt::format("{} This is one{}", text, all ? "." : "; overflow_fix=enable covers all weights.")};
}

}  // namespace tightrope
