// SPDX-License-Identifier: Apache-2.0
#include "pipeline/smooth_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "correction/rescaling.h"
#include "correction/smoothing.h"
#include "graph/site.h"
#include "pipeline/weights.h"
#include "ranges/fit.h"

namespace tightrope {
namespace {

// Quantizers that are smoothed, as indices into the plan.
struct Smoothed {
  ValueId tensor = kNone;
  std::vector<std::size_t> data;     // of the tensor
  std::vector<std::size_t> weights;  // of what reads it
};

std::vector<Smoothed> smoothed_tensors(const Plan& plan, const Graph& graph) {
  std::map<ValueId, Smoothed> by_tensor;
  std::map<std::string, std::size_t> weights;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.smoothing.empty()) continue;
    if (quantizer.kind == SiteKind::kWeight)
      weights.emplace(quantizer.node, i);
    else
      by_tensor[value_of(quantizer, graph)].data.push_back(i);
  }
  std::vector<Smoothed> tensors;
  for (auto& [tensor, smoothed] : by_tensor) {
    smoothed.tensor = tensor;
    for (const std::size_t i : smoothed.data) {
      for (const std::string& layer : plan.quantizers[i].operations) smoothed.weights.push_back(weights.at(layer));
    }
    tensors.push_back(std::move(smoothed));
  }
  return tensors;
}

// True where nothing but what is smoothed would see the tensor divided.
bool can_fold(const Plan& plan, const Graph& graph, const Smoothed& smoothed, const Makers& makers) {
  std::set<std::string_view> readers;
  for (const std::size_t i : smoothed.weights) readers.insert(plan.quantizers[i].node);
  const auto is_reader = [&](const Use& use) {
    const Node& node = graph.node(use.node);
    return node.kind == OpKind::kShapeOf || (use.port == 0 && readers.contains(node.name));
  };
  if (!std::ranges::all_of(graph.value(smoothed.tensor).uses, is_reader)) return false;
  std::set<ValueId> changed(makers.scaled.begin() + 1, makers.scaled.end());
  for (const auto& [node, port, axes] : makers.operands)
    changed.insert(graph.node(node).inputs[static_cast<std::size_t>(port)]);
  // The weight of a layer may be quantized, with scales that take the factors in.
  return std::ranges::none_of(plan.quantizers, [&](const Quantizer& quantizer) {
    const bool is_weight = quantizer.kind == SiteKind::kWeight;
    return changed.contains(value_of(quantizer, graph)) && (!is_weight || quantizer.channel_axes.empty());
  });
}

}  // namespace

Plan choose_smoothing(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
  const Graph& graph = model.graph();
  for (const auto& [tensor, data, weights] : smoothed_tensors(plan, graph)) {
    const std::vector<float>& magnitude = calibration.extremes_of(plan.quantizers[data[0]]).magnitude;
    std::vector<float> largest(magnitude.size(), 0);  // of the weights, by channel
    for (const std::size_t i : weights) {
      const Quantizer& quantizer = plan.quantizers[i];
      const Observed observed = with_weight(model, quantizer, [&](const Tensor& weight) {
        return observed_in(weight, std::vector{quantizer.smoothing_axis});
      });
      std::ranges::transform(largest, observed.magnitude, largest.begin(),
                             [](float a, float b) { return std::max(a, b); });
    }
    const double alpha = alpha_of(graph.node(graph.find(plan.quantizers[weights[0]].node)), options);
    const std::vector<float> smoothing = smoothing_of(magnitude, largest, alpha);
    for (const std::size_t i : data) plan.quantizers[i].smoothing = smoothing;
    for (const std::size_t i : weights) plan.quantizers[i].smoothing = smoothing;
  }
  return plan;
}

Plan fold_smoothing(Plan plan, const Graph& graph) {
  for (const Smoothed& smoothed : smoothed_tensors(plan, graph)) {
    const Quantizer& data = plan.quantizers[smoothed.data[0]];
    const auto makers = makers_of(graph, smoothed.tensor, data.smoothing_axis);
    if (!makers || !can_fold(plan, graph, smoothed, *makers)) continue;
    std::vector<Operand> weights;
    for (const std::size_t i : smoothed.weights) {
      const Quantizer& weight = plan.quantizers[i];
      weights.push_back({graph.find(weight.node), weight.port, {weight.smoothing_axis}});
    }
    plan.rescalings.push_back(rescaling_of(graph, makers->operands, weights, data.smoothing));
    for (const std::size_t i : smoothed.data) plan.quantizers[i].smoothing.clear();
    for (const std::size_t i : smoothed.weights) plan.quantizers[i].smoothing.clear();
  }
  return plan;
}

}  // namespace tightrope
