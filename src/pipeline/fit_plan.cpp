// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fit_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "accuracy/groups.h"
#include "correction/smoothing.h"
#include "graph/site.h"
#include "pipeline/default_ranges.h"
#include "pipeline/smooth_plan.h"
#include "pipeline/weights.h"
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
  if (quantizer.kind == SiteKind::kWeight) {
    return with_weight(model, quantizer,
                       [&](const Tensor& weight) { return observed_weight(weight, quantizer, options.weight_range); });
  }
  const Observed& observed = *calibration.of(quantizer);
  if (!quantizer.smoothing.empty()) return divided(observed, quantizer.smoothing);
  if (!has_default_estimator(options)) return observed;
  return without_idle_end(up_to_limits(observed, quantizer, model.graph()), quantizer, model.graph());
}

// What each quantizer has to hold; nothing for weights that have a scale to themselves. A scale may be shared by
// activations, and by the tables of embeddings, whose rows become activations.
std::vector<Observed> observed_by_all(const Model& model, const Plan& plan, const Calibration& calibration,
                                      const QuantizeOptions& options) {
  std::vector<Observed> observed;
  std::map<int, std::vector<Observed>> shared;
  for (const Quantizer& quantizer : plan.quantizers) {
    const bool shares = quantizer.shared_scale >= 0;
    observed.push_back(quantizer.kind == SiteKind::kWeight && !shares
                           ? Observed{}
                           : observed_by(model, quantizer, calibration, options));
    if (shares) shared[quantizer.shared_scale].push_back(observed.back());
  }
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const auto sharers = shared.find(plan.quantizers[i].shared_scale);
    if (sharers != shared.end()) observed[i] = united(sharers->second);
  }
  return observed;
}

Plan fit_ranges(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
  const std::vector<Observed> observed = observed_by_all(model, plan, calibration, options);
  plan = choose_modes(std::move(plan), observed, model.graph(), options);
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    Quantizer& quantizer = plan.quantizers[i];
    const bool is_alone = quantizer.kind == SiteKind::kWeight && quantizer.shared_scale < 0;
    if (!is_alone) quantizer.range = fit_activation(observed[i], quantizer.config);
  }
  return plan;
}

}  // namespace

Plan fit_weights(const Model& model, Plan plan, const QuantizeOptions& options) {
  for (Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind == SiteKind::kWeight && quantizer.shared_scale < 0)
      quantizer.range = fit_weight_of(model, quantizer, options);
  }
  return plan;
}

Plan fit_activations(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
  plan = leave_out_unseen(std::move(plan), model.graph(), calibration);
  plan = leave_out_unbounded(plan, calibration);
  plan = choose_smoothing(model, std::move(plan), calibration, options);
  plan = fit_ranges(model, std::move(plan), calibration, options);
  return fold_smoothing(std::move(plan), model.graph());
}

}  // namespace tightrope
