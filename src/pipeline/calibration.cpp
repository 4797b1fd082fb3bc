// SPDX-License-Identifier: Apache-2.0
#include "pipeline/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "correction/fast_bias.h"
#include "graph/site.h"
#include "statistics/statistics_file.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// The extremes of all items are those of all samples, too.
bool settles_items(const EndStatistic& end) {
  return (end.statistic == Statistic::kMin && end.aggregator == Aggregator::kMin) ||
         ((end.statistic == Statistic::kMax || end.statistic == Statistic::kAbsMax) &&
          end.aggregator == Aggregator::kMax);
}

// The channels that smoothing divides, of data that it is meant for.
bool is_smoothed_data(const Quantizer& quantizer) {
  return quantizer.kind != SiteKind::kWeight && !quantizer.smoothing.empty();
}

StatisticRequest request_of(const Quantizer& quantizer, const Graph& graph) {
  StatisticRequest request;
  request.value = value_of(quantizer, graph);
  request.channel_axes = quantizer.channel_axes;
  if (is_smoothed_data(quantizer)) request.channel_axes = {quantizer.smoothing_axis};
  return request;
}

// What is observed for a quantizer: the range of an activation, or the mean input of a weight whose operation gets its
// bias corrected. Nothing for other weights.
std::optional<StatisticRequest> request_for(const Quantizer& quantizer, const Graph& graph,
                                            const QuantizeOptions& options) {
  StatisticRequest request;
  if (quantizer.kind == SiteKind::kWeight) {
    if (!options.bias_correction || !corrects_bias(quantizer, graph)) return std::nullopt;
    request = bias_request(quantizer, graph);
  } else {
    request = request_of(quantizer, graph);
    request.low = lower_end(options.activation_range.min);
    request.high = upper_end(options.activation_range.max);
    request.per_sample = options.batchwise_statistics && !(settles_items(request.low) && settles_items(request.high));
  }
  request.in_graph = options.inplace_statistics;
  return request;
}

// The extremes of each channel, whatever the range is made of.
StatisticRequest smoothing_request(const Quantizer& quantizer, const Graph& graph, const QuantizeOptions& options) {
  StatisticRequest request = request_of(quantizer, graph);
  request.in_graph = options.inplace_statistics;
  return request;
}

// Operations whose results have no axis of samples any more, in the words of both frameworks.
bool loses_samples(const Node& node) {
  constexpr std::string_view kTypes[] = {"SpaceToBatch", "BatchToSpace", "ROIPooling", "ROIAlign", "RoiAlign", "If"};
  return node.kind == OpKind::kEmbedding || std::ranges::find(kTypes, node.type) != std::end(kTypes);
}

void warn_of_lost_samples(const Graph& graph, const QuantizeOptions& options) {
  const auto found = std::ranges::find_if(graph.nodes(), loses_samples);
  if (found == graph.nodes().end() && !options.model_type) return;
  const std::string what = found == graph.nodes().end()
                               ? "the model is a transformer"
                               : fmt::format("node '{}' ({}) may mix the samples of a batch", found->name, found->type);
  log(LogLevel::kWarning,
      fmt::format("[calibration] {}, so statistics of single samples may be wrong; batches of one sample, or "
                  "batchwise_statistics=False, are safe.",
                  what));
}

}  // namespace

void Calibration::run(const Plan& plan, const Dataset& data, std::size_t kept_samples) {
  const auto ask_for = [&](const StatisticRequest& request) {
    if (std::ranges::find(requests_, request) == requests_.end()) requests_.push_back(request);
  };
  const Graph& graph = model_.graph();
  for (const Quantizer& quantizer : plan.quantizers) {
    if (const auto request = request_for(quantizer, graph, options_)) ask_for(*request);
    if (is_smoothed_data(quantizer)) ask_for(smoothing_request(quantizer, graph, options_));
  }
  if (std::ranges::any_of(requests_, &StatisticRequest::per_sample)) warn_of_lost_samples(graph, options_);
  statistics_ = options_.statistics_path.empty()
                    ? collect(model_, data, requests_, options_.subset_size, kept_samples, options_.stat_requests)
                    : collect_or_reuse(options_.statistics_path, model_, data, requests_, options_.subset_size,
                                       kept_samples, options_.stat_requests);
}

const Observed* Calibration::of(const Quantizer& quantizer) const {
  const auto request = request_for(quantizer, model_.graph(), options_);
  return request ? &answer(*request) : nullptr;
}

const Observed& Calibration::extremes_of(const Quantizer& quantizer) const {
  return answer(smoothing_request(quantizer, model_.graph(), options_));
}

const Observed& Calibration::answer(const StatisticRequest& request) const {
  const auto found = std::ranges::find(requests_, request);
  return statistics_.observed[static_cast<std::size_t>(found - requests_.begin())];
}

}  // namespace tightrope
