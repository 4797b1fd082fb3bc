// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fit_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "accuracy/groups.h"
#include "correction/rescaling.h"
#include "correction/smoothing.h"
#include "graph/site.h"
#include "ranges/fit.h"
#include "statistics/observer.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

void warn_of_unseen(const std::string& body, std::int64_t items, const Graph& graph) {
  const std::size_t slash = body.rfind('/');
  const Node& owner = graph.node(graph.find(body.substr(0, slash)));
  log(LogLevel::kWarning,
      fmt::format(
          "[calibration] node '{}' ({}): none of the {} items gives values to its {} branch; activations without "
          "values stay in floating point there. Items that take the branch are needed to quantize them.",
          owner.name, owner.type, items, body.substr(slash + 1)));
}

// There is no range for what calibration saw nothing of: activations in the branch of an If that no item took. Weights
// need no data, and stay in 8 bits.
Plan leave_out_unseen(Plan plan, const Graph& graph, const Calibration& calibration) {
  std::vector<std::string> bodies;  // in the order of the plan
  std::erase_if(plan.quantizers, [&](const Quantizer& quantizer) {
    if (quantizer.kind == SiteKind::kWeight || !calibration.of(quantizer)->low.empty()) return false;
    const std::string& body = graph.node(graph.find(quantizer.node)).body;
    if (std::ranges::find(bodies, body) == bodies.end()) bodies.push_back(body);
    return true;
  });
  for (const std::string& body : bodies) warn_of_unseen(body, calibration.items(), graph);
  return plan;
}

// No 8-bit range holds infinities, or the huge constants of masks and small numbers at once: what needs such a tensor
// in 8 bits stays in floating point.
Plan leave_out_unbounded(const Plan& plan, const Calibration& calibration) {
  constexpr float kLargest = 1e30F;
  const std::vector<Group> groups = form_groups(plan);
  std::vector<bool> left_out(groups.size(), false);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::size_t i : groups[g].quantizers) {
      const Quantizer& quantizer = plan.quantizers[i];
      if (quantizer.kind == SiteKind::kWeight) continue;
      const auto& magnitude = calibration.of(quantizer)->magnitude;
      if (std::all_of(magnitude.begin(), magnitude.end(), [](float value) { return value <= kLargest; })) continue;
      left_out[g] = true;
      log(LogLevel::kWarning,
          fmt::format("[ranges] node '{}' has values beyond any 8-bit range; {} stays in floating point.",
                      quantizer.node, fmt::join(groups[g].operations, ", ")));
    }
  }
  return without_orphans(without(plan, groups, left_out, RestoreMode::kActivationsAndWeights));
}

// Adds the node to what is wrong with its weight.
template <typename Fit>
auto with_weight(const Model& model, const Quantizer& quantizer, const Fit& fit_it) {
  try {
    return fit_it(model.constant(value_of(quantizer, model.graph())));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{} (node '{}')", error.what(), quantizer.node));
  }
}

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

// Layers that read one tensor have one smoothing, from the weights of all of them.
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

// Where the operation in front can divide, nothing has to as the model runs.
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

// Of a weight as it is quantized.
Observed observed_weight(const Tensor& weight, const Quantizer& quantizer, const RangeEstimator& estimator) {
  StatisticRequest request;
  request.channel_axes = quantizer.channel_axes;
  request.low = lower_end(estimator.min);
  request.high = upper_end(estimator.max);
  return observe(weight, request);
}

Range fit_weight_of(const Model& model, const Quantizer& quantizer, const QuantizeOptions& options) {
  return with_weight(model, quantizer, [&](const Tensor& elements) {
    const Observed observed = observed_weight(multiplied(elements, quantizer), quantizer, options.weight_range);
    return fit_weight(observed, quantizer.config, quantizer.half_range);
  });
}

Observed observed_by(const Model& model, const Quantizer& quantizer, const Calibration& calibration,
                     const QuantizeOptions& options) {
  if (quantizer.kind != SiteKind::kWeight) return *calibration.of(quantizer);
  return with_weight(model, quantizer,
                     [&](const Tensor& weight) { return observed_weight(weight, quantizer, options.weight_range); });
}

// A scale may be shared by activations, and by the tables of embeddings, whose rows become activations.
Plan fit_activations(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
  std::map<int, std::vector<Observed>> shared;
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.shared_scale >= 0)
      shared[quantizer.shared_scale].push_back(observed_by(model, quantizer, calibration, options));
  }
  for (Quantizer& quantizer : plan.quantizers) {
    if (quantizer.shared_scale >= 0) {
      quantizer.range = fit_activation(united(shared[quantizer.shared_scale]), quantizer.config);
    } else if (quantizer.kind != SiteKind::kWeight) {
      const Observed& observed = *calibration.of(quantizer);
      quantizer.range = fit_activation(quantizer.smoothing.empty() ? observed : divided(observed, quantizer.smoothing),
                                       quantizer.config);
    }
  }
  return plan;
}

Plan fit_weights(const Model& model, Plan plan, const QuantizeOptions& options) {
  const std::unique_ptr<Model> rescaled = with_rescalings(model, plan);
  for (Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind == SiteKind::kWeight && quantizer.shared_scale < 0)
      quantizer.range = fit_weight_of(rescaled ? *rescaled : model, quantizer, options);
  }
  return plan;
}

}  // namespace

std::unique_ptr<Model> with_rescalings(const Model& model, const Plan& plan) {
  if (plan.rescalings.empty()) return nullptr;
  Plan rescalings;
  rescalings.rescalings = plan.rescalings;
  return model.apply(rescalings);
}

Plan fit_plan(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
  plan = leave_out_unseen(std::move(plan), model.graph(), calibration);
  plan = leave_out_unbounded(plan, calibration);
  plan = choose_smoothing(model, std::move(plan), calibration, options);
  plan = fit_activations(model, std::move(plan), calibration, options);
  plan = fold_smoothing(std::move(plan), model.graph());
  return fit_weights(model, std::move(plan), options);
}

}  // namespace tightrope
