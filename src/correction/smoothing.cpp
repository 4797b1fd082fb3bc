// SPDX-License-Identifier: Apache-2.0
#include "correction/smoothing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "correction/rescaling.h"
#include "graph/site.h"
#include "kernels/quantize.h"

namespace tightrope {
namespace {

// Quantizers of weights that can be smoothed, by the name of the layer.
using Weights = std::map<std::string, Quantizer*>;

// Weights with scales per output channel, of plain convolutions and of products with a matrix. Notes the axis of the
// channels that are summed over.
Weights smoothable_weights(Plan& plan, const Graph& graph, const QuantizeOptions& options) {
  Weights weights;
  for (Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind != SiteKind::kWeight || quantizer.port != 1 || quantizer.channel_axes.size() != 1) continue;
    const NodeId id = graph.find(quantizer.node);
    const Node& node = graph.node(id);
    const bool is_product = node.kind == OpKind::kMatMul;
    if (!is_product && node.kind != OpKind::kConvolution) continue;
    if (alpha_of(node, options) < 0) continue;
    const auto rank = static_cast<int>(graph.value(node.inputs[0]).shape.size());
    const auto operand = reading_weight(graph, {id, 0}, is_product ? rank - 1 : 1);
    if (!operand) continue;
    quantizer.smoothing_axis = operand->axes[0];
    weights.emplace(node.name, &quantizer);
  }
  return weights;
}

bool is_served(const Quantizer& quantizer, const Node& node) {
  return std::ranges::binary_search(quantizer.operations, node.name);
}

// The axis of the channels of what a quantizer quantizes, if only layers with smoothable weights read it.
std::optional<int> smoothed_axis(const Quantizer& quantizer, const Graph& graph, const QuantizeOptions& options,
                                 const Weights& weights) {
  if (quantizer.kind == SiteKind::kWeight || !quantizer.channel_axes.empty() || quantizer.shared_scale >= 0)
    return std::nullopt;
  const bool is_output = quantizer.kind == SiteKind::kOutput;
  const Value& value = graph.value(value_of(quantizer, graph));
  std::size_t reads = 0;
  std::optional<OpKind> kind;
  for (const Use& use : value.uses) {
    const Node& reader = graph.node(use.node);
    if (!is_output && (reader.name != quantizer.node || use.port != quantizer.port)) continue;
    if (reader.kind == OpKind::kShapeOf) continue;
    if (use.port != 0 || !is_served(quantizer, reader) || !weights.contains(reader.name)) return std::nullopt;
    if (kind.value_or(reader.kind) != reader.kind) return std::nullopt;
    kind = reader.kind;
    ++reads;
  }
  if (reads == 0 || reads != quantizer.operations.size() || !value.known_rank) return std::nullopt;
  const bool is_product = kind == OpKind::kMatMul;
  if (is_product && value.shape.size() < (options.model_type ? 2U : 3U)) return std::nullopt;
  const int axis = is_product ? static_cast<int>(value.shape.size()) - 1 : 1;
  return value.shape[static_cast<std::size_t>(axis)] > 0 ? std::optional(axis) : std::nullopt;
}

}  // namespace

double alpha_of(const Node& layer, const QuantizeOptions& options) {
  return layer.kind == OpKind::kMatMul ? options.smooth_quant_alpha : options.smooth_quant_alpha_convolution;
}

Plan mark_smoothed(Plan plan, const Graph& graph, const QuantizeOptions& options) {
  const Weights weights = smoothable_weights(plan, graph, options);
  for (Quantizer& quantizer : plan.quantizers) {
    const auto axis = smoothed_axis(quantizer, graph, options, weights);
    if (!axis) continue;
    const Shape& shape = graph.value(value_of(quantizer, graph)).shape;
    quantizer.smoothing_axis = *axis;
    quantizer.smoothing.assign(static_cast<std::size_t>(shape[static_cast<std::size_t>(*axis)]), 1);
    for (const std::string& layer : quantizer.operations) weights.at(layer)->smoothing = quantizer.smoothing;
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

std::vector<float> divisor_of(const Quantizer& weight, const Plan& plan) {
  for (const Rescaling& rescaling : plan.rescalings) {
    for (const AdjustedConstant& constant : rescaling.constants) {
      if (constant.node == weight.node && constant.port == weight.port &&
          constant.axes == std::vector{weight.smoothing_axis})
        return constant.factors;
    }
  }
  return weight.smoothing;
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
  adjust_channels(values, weight.shape(), std::vector{quantizer.smoothing_axis}, quantizer.smoothing);
  return Tensor::copy_of(values, weight.shape());
}

}  // namespace tightrope
