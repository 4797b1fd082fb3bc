// SPDX-License-Identifier: Apache-2.0
#include "correction/smoothing.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/quantize.h"

namespace tightrope {
namespace {

// The index of a product's weight quantizer, by name, where it has a scale per output channel of a matrix.
std::map<std::string, std::size_t> weights_by_product(const Plan& plan, const Graph& graph) {
  std::map<std::string, std::size_t> found;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.kind != SiteKind::kWeight || quantizer.port != 1 || quantizer.channel_axes.size() != 1) continue;
    const Node& node = graph.node(graph.find(quantizer.node));
    const bool is_product = node.kind == OpKind::kMatMul && node.sums_last_axis && node.weights.size() == 1;
    if (is_product && graph.value(node.inputs[1]).shape.size() == 2) found.emplace(node.name, i);
  }
  return found;
}

bool is_served(const Quantizer& quantizer, const Node& node) {
  return std::ranges::binary_search(quantizer.operations, node.name);
}

// The extent of the last axis of what a quantizer quantizes, if only products read it; else 0.
std::int64_t smoothed_channels(const Quantizer& quantizer, const Graph& graph, const QuantizeOptions& options,
                               const std::map<std::string, std::size_t>& weights) {
  if (quantizer.kind == SiteKind::kWeight || !quantizer.channel_axes.empty() || quantizer.shared_scale >= 0) return 0;
  const Node& site = graph.node(graph.find(quantizer.node));
  const bool is_output = quantizer.kind == SiteKind::kOutput;
  const Value& value = graph.value((is_output ? site.outputs : site.inputs)[static_cast<std::size_t>(quantizer.port)]);
  const std::size_t least_rank = options.model_type ? 2 : 3;
  if (!value.known_rank || value.shape.size() < least_rank || value.shape.back() <= 0) return 0;
  std::size_t reads = 0;
  for (const Use& use : value.uses) {
    const Node& reader = graph.node(use.node);
    if (!is_output && (reader.name != quantizer.node || use.port != quantizer.port)) continue;
    if (reader.kind == OpKind::kShapeOf) continue;
    if (use.port != 0 || !is_served(quantizer, reader) || !weights.contains(reader.name)) return 0;
    ++reads;
  }
  return reads == quantizer.operations.size() ? value.shape.back() : 0;
}

}  // namespace

Plan mark_smoothed(Plan plan, const Graph& graph, const QuantizeOptions& options) {
  if (options.smooth_quant_alpha < 0) return plan;
  const auto weights = weights_by_product(plan, graph);
  for (Quantizer& quantizer : plan.quantizers) {
    const auto channels = static_cast<std::size_t>(smoothed_channels(quantizer, graph, options, weights));
    if (channels == 0) continue;
    quantizer.smoothing.assign(channels, 1);
    for (const std::string& product : quantizer.operations)
      plan.quantizers[weights.at(product)].smoothing.assign(channels, 1);
  }
  return plan;
}

std::vector<float> smoothing_of(std::span<const float> data, std::span<const float> weights, double alpha) {
  constexpr double kLeast = 1e-5;
  std::vector<float> smoothing(data.size(), 1);
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == 0 || weights[i] == 0) continue;  // nothing to divide, or nothing to multiply
    const double ratio =
        std::pow(static_cast<double>(data[i]), alpha) / std::pow(static_cast<double>(weights[i]), 1 - alpha);
    smoothing[i] = static_cast<float>(std::clamp(ratio, kLeast, 1 / kLeast));
  }
  return smoothing;
}

Observed divided(const Observed& channels, std::span<const float> smoothing) {
  Observed whole{{0}, {0}, {0}, {}};
  for (std::size_t i = 0; i < smoothing.size(); ++i) {
    const float low = channels.low[i] / smoothing[i];
    const float high = channels.high[i] / smoothing[i];
    whole.low[0] = i == 0 ? low : std::min(whole.low[0], low);
    whole.high[0] = i == 0 ? high : std::max(whole.high[0], high);
    whole.magnitude[0] = std::max(whole.magnitude[0], channels.magnitude[i] / smoothing[i]);
  }
  return whole;
}

Tensor multiplied(const Tensor& weight, const Quantizer& quantizer) {
  if (quantizer.smoothing.empty()) return weight;
  std::vector<float> values = weight.to_floats();
  multiply_rows(values, weight.shape(), quantizer.channel_axes[0], quantizer.smoothing);
  return Tensor::copy_of(values, weight.shape());
}

}  // namespace tightrope
