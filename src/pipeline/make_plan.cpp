// SPDX-License-Identifier: Apache-2.0
#include "pipeline/make_plan.h"

#include <fmt/format.h>

#include "base/stopwatch.h"
#include "correction/fast_bias.h"
#include "ranges/fit.h"
#include "statistics/collect.h"
#include "tightrope/error.h"
#include "tightrope/log.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

ValueId value_of(const Quantizer& quantizer, const Graph& graph) {
  const Node& node = graph.node(graph.find(quantizer.node));
  return (quantizer.kind == SiteKind::kOutput ? node.outputs : node.inputs)[static_cast<std::size_t>(quantizer.port)];
}

StatisticRequest request_for(const Quantizer& quantizer, const Graph& graph, const RangeEstimator& estimator) {
  StatisticRequest request;
  request.value = value_of(quantizer, graph);
  request.channel_axes = quantizer.channel_axes;
  request.low = estimator.min_aggregator.value_or(Aggregator::kMin);
  request.high = estimator.max_aggregator.value_or(Aggregator::kMax);
  return request;
}

// What the quantizers need to see, each request once, and which request serves which quantizer: the extremes of an
// activation, or the mean input of a weight whose operation gets its bias corrected.
struct Requests {
  std::vector<StatisticRequest> list;
  std::vector<std::size_t> of_quantizer;  // 0 for weights that need none
};

Requests requests_for(const Plan& plan, const Graph& graph, const QuantizeOptions& options) {
  Requests requests;
  const auto ask = [&](const StatisticRequest& request) {
    const auto found = std::find(requests.list.begin(), requests.list.end(), request);
    requests.of_quantizer.push_back(static_cast<std::size_t>(found - requests.list.begin()));
    if (found == requests.list.end()) requests.list.push_back(request);
  };
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind != SiteKind::kWeight) {
      ask(request_for(quantizer, graph, options.activation_range));
    } else if (options.bias_correction && corrects_bias(quantizer, graph)) {
      ask(bias_request(quantizer, graph));
    } else {
      requests.of_quantizer.push_back(0);
    }
  }
  return requests;
}

Plan fit(const Model& model, Plan plan, const Requests& requests, const Statistics& statistics) {
  std::map<int, std::vector<Observed>> shared;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.kind == SiteKind::kWeight || quantizer.shared_scale < 0) continue;
    shared[quantizer.shared_scale].push_back(statistics.observed[requests.of_quantizer[i]]);
  }
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.kind == SiteKind::kWeight) {
      try {
        const Tensor weight = model.constant(value_of(quantizer, model.graph()));
        quantizer.range = fit_weight(weight, quantizer.channel_axes, quantizer.config, quantizer.half_range);
      } catch (const InvalidArgument& error) {
        throw InvalidArgument(fmt::format("{} (node '{}')", error.what(), quantizer.node));
      }
    } else if (quantizer.shared_scale >= 0) {
      quantizer.range = fit_activation(united(shared[quantizer.shared_scale]), quantizer.config);
    } else {
      quantizer.range = fit_activation(statistics.observed[requests.of_quantizer[i]], quantizer.config);
    }
  }
  return plan;
}

Plan correct_biases(const Model& model, Plan plan, const Requests& requests, const Statistics& statistics) {
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& weight = plan.quantizers[i];
    if (weight.kind != SiteKind::kWeight || !corrects_bias(weight, model.graph())) continue;
    const Tensor elements = model.constant(value_of(weight, model.graph()));
    const OpKind kind = model.graph().node(model.graph().find(weight.node)).kind;
    plan.bias_shifts.push_back({weight.node, bias_shift(elements, weight, kind, statistics.observed[requests.of_quantizer[i]].mean)});
  }
  return plan;
}

}  // namespace

PlanResult make_plan(const Model& model, const Dataset& calibration, const QuantizeOptions& options, std::size_t kept_samples) {
  PlanResult result;
  result.report.framework = model.framework();
  result.report.status = "quantized";
  const auto timed = [&](const char* stage, auto&& work) {
    const Stopwatch watch;
    work();
    result.report.stages.push_back({stage, watch.seconds()});
  };

  Requests requests;
  timed("placement", [&] {
    result.plan = place(model.graph(), options);
    requests = requests_for(result.plan, model.graph(), options);
  });
  Statistics statistics;
  timed("calibration", [&] { statistics = collect(model, calibration, requests.list, options.subset_size, kept_samples); });
  timed("ranges", [&] { result.plan = fit(model, std::move(result.plan), requests, statistics); });
  if (options.bias_correction) {
    timed("bias correction", [&] { result.plan = correct_biases(model, std::move(result.plan), requests, statistics); });
  }
  result.samples = std::move(statistics.samples);
  result.report.calibration_items = statistics.items;
  result.report.quantized = quantized_operations(result.plan);
  log(LogLevel::kInfo, fmt::format("{} operations run in 8 bits, with {} quantizers calibrated on {} items.",
                                   result.report.quantized.size(), result.plan.quantizers.size(), statistics.items));
  return result;
}

std::size_t ranking_samples(const AccuracyOptions& options) {
  constexpr std::int64_t kDefault = 8;  // more do not change the order: docs/algorithms.md#ranking
  return static_cast<std::size_t>(options.ranking_subset_size.value_or(kDefault));
}

std::filesystem::path intermediate_model_path(const std::string& folder, std::string_view framework) {
  if (!std::filesystem::is_directory(folder)) {
    throw IoError(fmt::format("intermediate_model_dir '{}' is no folder; an existing one is needed", folder), true);
  }
  return std::filesystem::path(folder) / (framework == "openvino" ? "intermediate_model.xml" : "intermediate_model.onnx");
}

}  // namespace tightrope
