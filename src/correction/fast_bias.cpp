// SPDX-License-Identifier: Apache-2.0
#include "correction/fast_bias.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "correction/smoothing.h"
#include "graph/walk.h"
#include "kernels/channels.h"
#include "kernels/rounded.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

bool is_matrix(const Quantizer& weight, const Graph& graph) {
  return graph.node(graph.find(weight.node)).kind == OpKind::kMatMul;
}

// What rounding takes from each element.
std::vector<float> rounding_errors(const Tensor& elements, const Quantizer& weight) {
  const auto values = elements.as<float>();
  const std::vector<float> becomes = rounded(values, elements.shape(), weight);
  std::vector<float> errors(values.size());
  std::ranges::transform(values, becomes, errors.begin(), std::minus());
  return errors;
}

}  // namespace

bool computes_product(OpKind kind) {
  return is_convolution(kind) || kind == OpKind::kTransposedConvolution ||
         kind == OpKind::kGroupTransposedConvolution || kind == OpKind::kMatMul;
}

int output_axis(const Node& node, const Graph& graph) {
  const auto rank = static_cast<int>(graph.value(node.outputs[0]).shape.size());
  return node.channel_axis < 0 ? node.channel_axis + rank : node.channel_axis;
}

bool wants_bias(std::string_view node, const Graph& graph, const QuantizeOptions& options) {
  return !options.bias_threshold || options.bias_for_all_nodes || bias_of(graph.find(node), graph);
}

bool is_below_threshold(const Model& model, std::string_view node, std::span<const float> shift,
                        const QuantizeOptions& options) {
  if (!options.bias_threshold) return true;
  const Graph& graph = model.graph();
  const auto operand = bias_of(graph.find(node), graph);
  if (!operand) return true;
  const ValueId constant = graph.node(operand->node).inputs[static_cast<std::size_t>(operand->port)];
  const std::vector<float> bias = model.constant(constant).to_floats();
  if (bias.size() != shift.size()) return false;
  for (std::size_t c = 0; c < shift.size(); ++c) {
    const double limit = *options.bias_threshold * std::abs(static_cast<double>(bias[c]));
    if (!(std::abs(static_cast<double>(shift[c])) < limit)) return false;
  }
  return true;
}

bool corrects_bias(const Quantizer& weight, const Graph& graph) {
  const Node& node = graph.node(graph.find(weight.node));
  const Value& data = graph.value(node.inputs[0]);
  if (!data.known_rank) return false;
  if (node.kind == OpKind::kMatMul) {
    return weight.port == 1 && node.sums_last_axis && node.weights.size() == 1 && data.shape.size() >= 2 &&
           node.weights[0].channel_axes.size() == 1 && graph.value(node.inputs[1]).shape.size() == 2;
  }
  return data.shape.size() >= 3 && is_convolution(node.kind);
}

StatisticRequest bias_request(const Quantizer& weight, const Graph& graph) {
  StatisticRequest request;
  request.value = graph.node(graph.find(weight.node)).inputs[0];
  const auto last = static_cast<int>(graph.value(request.value).shape.size()) - 1;
  request.channel_axes = {is_matrix(weight, graph) ? last : 1};
  request.mean = true;
  return request;
}

std::vector<float> bias_shift(const Tensor& elements, const Quantizer& weight, std::span<const int> channel_axes,
                              std::span<const float> mean) {
  const Shape& shape = elements.shape();
  const std::size_t channels = channel_count(shape, channel_axes);
  const bool inputs_first = channel_axes[0] != 0;  // a matrix [in, out]
  const auto inputs = static_cast<std::size_t>(shape[inputs_first ? 0 : channel_axes.size()]);
  const std::size_t groups = inputs == 0 ? 0 : mean.size() / inputs;
  if (groups == 0 || mean.size() % inputs != 0 || channels % groups != 0) {
    throw InternalError(fmt::format("[bias correction] node '{}': {} means for a weight {}", weight.node, mean.size(),
                                    to_string(shape)));
  }
  const std::vector<float> errors = rounding_errors(multiplied(elements, weight), weight);
  const std::size_t outputs = channels / groups;
  const std::size_t taps = errors.size() / (channels * inputs);
  std::vector<double> shift(channels, 0);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t input = 0; input < inputs; ++input) {
      double error = 0;
      for (std::size_t tap = 0; tap < taps; ++tap)
        error += errors[inputs_first ? input * channels + channel : (channel * inputs + input) * taps + tap];
      const std::size_t k = channel / outputs * inputs + input;
      const double divisor = weight.smoothing.empty() ? 1 : static_cast<double>(weight.smoothing[k]);
      shift[channel] += error * static_cast<double>(mean[k]) / divisor;
    }
  }
  return {shift.begin(), shift.end()};
}

}  // namespace tightrope
