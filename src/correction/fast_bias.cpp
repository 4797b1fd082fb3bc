// SPDX-License-Identifier: Apache-2.0
#include "correction/fast_bias.h"

#include <fmt/format.h>

#include "kernels/rounded.h"
#include "tightrope/error.h"

namespace tightrope {

bool corrects_bias(const Quantizer& weight, const Graph& graph) {
  const Node& node = graph.node(graph.find(weight.node));
  const Value& data = graph.value(node.inputs[0]);
  if (!data.known_rank || data.shape.size() < 3) return false;
  return node.kind == OpKind::kConvolution || node.kind == OpKind::kGroupConvolution ||
         node.kind == OpKind::kDepthwiseConvolution;
}

StatisticRequest bias_request(const Quantizer& weight, const Graph& graph) {
  StatisticRequest request;
  request.value = graph.node(graph.find(weight.node)).inputs[0];
  request.channel_axes = {1};
  request.mean = true;
  return request;
}

std::vector<float> bias_shift(const Tensor& elements, const Quantizer& weight, std::size_t channel_axes,
                              std::span<const float> mean) {
  const Shape& shape = elements.shape();
  const std::size_t channels =
      element_count(Shape(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(channel_axes)));
  const auto inputs = static_cast<std::size_t>(shape[channel_axes]);
  const std::size_t groups = inputs == 0 ? 0 : mean.size() / inputs;
  if (groups == 0 || mean.size() % inputs != 0 || channels % groups != 0) {
    throw InternalError(fmt::format("[bias correction] node '{}': {} means for a weight {}", weight.node, mean.size(),
                                    to_string(shape)));
  }
  const std::size_t outputs = channels / groups;
  const std::size_t taps = elements.size() / (channels * inputs);
  const auto values = elements.as<float>();
  const std::vector<float> becomes = rounded(values, shape, weight);
  std::vector<float> shift(channels);
  std::size_t element = 0;
  for (std::size_t channel = 0; channel < shift.size(); ++channel) {
    double error = 0;
    for (std::size_t input = 0; input < inputs; ++input) {
      double tap_error = 0;
      for (std::size_t tap = 0; tap < taps; ++tap, ++element) tap_error += values[element] - becomes[element];
      error += tap_error * static_cast<double>(mean[channel / outputs * inputs + input]);
    }
    shift[channel] = static_cast<float>(error);
  }
  return shift;
}

}  // namespace tightrope
