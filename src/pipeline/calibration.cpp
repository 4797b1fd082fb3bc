// SPDX-License-Identifier: Apache-2.0
#include "pipeline/calibration.h"

#include <algorithm>
#include <optional>

#include "correction/fast_bias.h"
#include "graph/site.h"

namespace tightrope {
namespace {

// What is observed for a quantizer: the extremes of an activation, or the mean input of a weight whose operation gets
// its bias corrected. Nothing for other weights.
std::optional<StatisticRequest> request_for(const Quantizer& quantizer, const Graph& graph,
                                            const QuantizeOptions& options) {
  if (quantizer.kind == SiteKind::kWeight) {
    if (!options.bias_correction || !corrects_bias(quantizer, graph)) return std::nullopt;
    return bias_request(quantizer, graph);
  }
  StatisticRequest request;
  request.value = value_of(quantizer, graph);
  request.channel_axes = quantizer.channel_axes;
  if (!quantizer.smoothing.empty())
    request.channel_axes = {static_cast<int>(graph.value(request.value).shape.size()) - 1};
  request.low = options.activation_range.min_aggregator.value_or(Aggregator::kMin);
  request.high = options.activation_range.max_aggregator.value_or(Aggregator::kMax);
  return request;
}

}  // namespace

void Calibration::run(const Plan& plan, const Dataset& data, std::size_t kept_samples) {
  for (const Quantizer& quantizer : plan.quantizers) {
    const auto request = request_for(quantizer, model_.graph(), options_);
    if (request && std::find(requests_.begin(), requests_.end(), *request) == requests_.end())
      requests_.push_back(*request);
  }
  statistics_ = collect(model_, data, requests_, options_.subset_size, kept_samples, options_.stat_requests);
}

const Observed* Calibration::of(const Quantizer& quantizer) const {
  const auto request = request_for(quantizer, model_.graph(), options_);
  if (!request) return nullptr;
  const auto found = std::find(requests_.begin(), requests_.end(), *request);
  return &statistics_.observed[static_cast<std::size_t>(found - requests_.begin())];
}

}  // namespace tightrope
