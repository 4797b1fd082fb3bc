// SPDX-License-Identifier: Apache-2.0
#include "pipeline/make_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "accuracy/groups.h"
#include "base/output_error.h"
#include "correction/channel_alignment.h"
#include "correction/measured_bias.h"
#include "correction/rounding.h"
#include "correction/smoothing.h"
#include "devices/processor.h"
#include "graph/site.h"
#include "pipeline/calibration.h"
#include "pipeline/correct_biases.h"
#include "pipeline/fit_plan.h"
#include "pipeline/output_ranges.h"
#include "pipeline/weights.h"
#include "placement/exemptions.h"
#include "placement/overflow.h"
#include "statistics/single_samples.h"
#include "statistics/thinning.h"
#include "tightrope/error.h"
#include "tightrope/log.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

// Data of two axes may be tokens, whose outliers cost accuracy, or features: only the user knows.
void mention_model_type(const Graph& graph, const Plan& plan, QuantizeOptions options) {
  if (options.model_type) return;
  const auto smoothed_weights = [](const Plan& any) {
    return std::ranges::count_if(any.quantizers, [](const Quantizer& quantizer) {
      return quantizer.kind == SiteKind::kWeight && !quantizer.smoothing.empty();
    });
  };
  options.model_type = ModelType::kTransformer;
  const auto more = smoothed_weights(mark_smoothed(plan, graph, options)) - smoothed_weights(plan);
  if (more == 0 || !has_attention(graph)) return;
  log(LogLevel::kInfo,
      fmt::format("[placement] the model has attention, and {} of its products read data of two axes; if these are "
                  "tokens, model_type 'transformer' keeps more of the accuracy: it smooths such data, too.",
                  more));
}

// Rescalings that give the channels between convolutions equal ranges, from a pass over the data of their own: all that
// follows is about the model with them.
Plan align_channels(const Model& model, const Dataset& data, const QuantizeOptions& options) {
  Plan plan;
  const std::vector<AlignedTensor> tensors = alignable_tensors(model.graph());
  std::vector<StatisticRequest> requests;
  std::ranges::transform(tensors, std::back_inserter(requests), alignment_request);
  if (requests.empty()) {
    log(LogLevel::kWarning,
        "[channel alignment] nothing to align: no convolution reads what another layer alone makes.");
    return plan;
  }
  const Statistics statistics = collect(model, data, requests, options.subset_size, 0);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Observed& observed = statistics.observed[i];
    const auto is_usable = [](float value) { return value <= std::numeric_limits<float>::max(); };
    if (std::ranges::all_of(observed.magnitude, is_usable))
      plan.rescalings.push_back(aligned(model, tensors[i], observed));
  }
  log(LogLevel::kInfo,
      fmt::format("[channel alignment] the channels of {} tensors are aligned.", plan.rescalings.size()));
  return plan;
}

// Two graphs that compute the same differ in rounding only.
void check_base(const Model& model, const Sample& sample) {
  constexpr double kTolerance = 1e-6;  // |y - y0|^2 / |y0|^2
  const Graph& graph = model.graph();
  std::vector<Probe> outputs;
  for (const Node& node : graph.nodes()) {
    if (node.kind == OpKind::kResult) outputs.push_back({node.inputs[0], Probe::Reduction::kWhole, {}});
  }
  const auto run = [&](std::span<const Probe> probes) { return model.compile({}, probes)->run(sample); };
  const std::vector<Tensor> original = run({});
  const double error = output_error(run(outputs), original);
  if (error <= kTolerance || error <= output_error(run({}), original)) return;  // or it never gives the same twice
  throw QuantizationError(
      fmt::format("[model] {}, and now gives other outputs on a calibration item, with a relative squared error of "
                  "{:.2g}; a model of the newer operator set is needed, as other converters make it",
                  graph.carried_over, error));
}

// Calibration items that are kept for what needs to run more than the base.
std::size_t samples_for(const QuantizeOptions& options) {
  const bool rounds = options.weight_rounding.value_or(true) && options.mode == NumberFormat::kInteger;
  const bool measures = options.bias_correction && !options.fast_bias_correction;
  return std::max({rounds ? kRoundingSamples : 0, measures ? bias_samples(options) : 0,
                   chooses_by_outputs(options) ? kOutputSamples : 0});
}

Plan rounded_weights(const Model& model, Plan plan, std::span<const Sample> samples, const QuantizeOptions& options) {
  if (!options.weight_rounding.value_or(true)) return plan;
  RoundedWeights result = round_weights(model, std::move(plan), spread_evenly(samples, kRoundingSamples), options);
  if (options.weight_rounding || result.rounded + result.too_large > 0) {
    log(LogLevel::kInfo,
        fmt::format("Layers whose weights are rounded by the data: {}; refused, since no better on other "
                    "items: {}; too large: {}.",
                    result.rounded, result.refused, result.too_large));
  }
  return std::move(result.plan);
}

// On the samples as they are.
PlanResult plan_on(const Model& model, const Dataset& data, const QuantizeOptions& options, std::size_t kept_samples,
                   Report report, const Watch& watch) {
  PlanResult result;
  result.report = std::move(report);
  result.report.framework = model.framework();
  result.report.status = "quantized";
  timed(result.report, "placement", watch, [&] {
    result.plan = mark_smoothed(place(model.graph(), options), model.graph(), options);
    mention_model_type(model.graph(), result.plan, options);
  });
  if (const auto notice = overflow_notice(result.plan, options, dot_products_of_host()))
    log(notice->level, notice->text);
  Plan alignment;
  if (options.channel_alignment)
    timed(result.report, "channel alignment", watch, [&] { alignment = align_channels(model, data, options); });
  const std::unique_ptr<Model> aligned = with_rescalings(model, alignment);
  const Model& base = aligned ? *aligned : model;
  Calibration calibration(base, options);
  const bool is_in_doubt = !model.graph().carried_over.empty();
  timed(result.report, "calibration", watch, [&] {
    calibration.run(result.plan, data, std::max({kept_samples, samples_for(options), std::size_t{is_in_doubt}}));
    result.samples = calibration.take_samples();
    if (is_in_doubt) check_base(model, result.samples.front());
  });
  timed(result.report, "ranges", watch,
        [&] { result.plan = fit_activations(base, std::move(result.plan), calibration, options); });
  if (result.plan.quantizers.empty()) {
    throw QuantizationError(
        "[ranges] nothing is left to quantize: every operation reads values beyond any 8-bit range, or none on any "
        "calibration item");
  }
  // Layers that take in a smoothing have other weights, and give divided outputs.
  const std::unique_ptr<Model> rescaled = with_rescalings(base, result.plan);
  const Model& final_base = rescaled ? *rescaled : base;
  timed(result.report, "weights", watch, [&] {
    result.plan = fit_weights(final_base, std::move(result.plan), options);
    result.plan =
        fit_by_outputs(final_base, std::move(result.plan), spread_evenly(result.samples, kOutputSamples), options);
    result.plan = rounded_weights(final_base, std::move(result.plan), result.samples, options);
  });
  if (options.bias_correction) {
    timed(result.report, "bias correction", watch, [&] {
      result.plan = correct_biases(final_base, std::move(result.plan), calibration, result.samples, options);
    });
  }
  result.plan.rescalings.insert(result.plan.rescalings.begin(), alignment.rescalings.begin(),
                                alignment.rescalings.end());
  drop_idle_rescalings(result.plan);
  result.samples = spread_evenly(result.samples, kept_samples);
  result.report.calibration_items = calibration.items();
  result.report.quantized = quantized_operations(result.plan);
  log(LogLevel::kInfo, fmt::format("{} operations run in 8 bits, with {} quantizers calibrated on {} items.",
                                   result.report.quantized.size(), result.plan.quantizers.size(), calibration.items()));
  return result;
}

}  // namespace

PlanResult make_plan(const Model& model, const Dataset& data, const QuantizeOptions& options, std::size_t kept_samples,
                     Report report, const Watch& watch) {
  if (!options.batchwise_statistics) return plan_on(model, data, options, kept_samples, std::move(report), watch);
  const SingleSamples samples(model.graph(), data);
  QuantizeOptions single = options;
  single.subset_size = samples.at_most(options.subset_size);
  single.batchwise_statistics = !samples.are_single();
  return plan_on(model, samples, single, kept_samples, std::move(report), watch);
}

std::size_t ranking_samples(const AccuracyOptions& options) {
  constexpr std::int64_t kDefault = 8;  // more do not change the order: docs/algorithms.md#ranking
  return static_cast<std::size_t>(options.ranking_subset_size.value_or(kDefault));
}

std::filesystem::path intermediate_model_path(const std::string& folder, std::string_view framework) {
  if (!std::filesystem::is_directory(folder)) {
    throw IoError(fmt::format("intermediate_model_dir '{}' is no folder; an existing one is needed", folder), true);
  }
  return std::filesystem::path(folder) /
         (framework == "openvino" ? "intermediate_model.xml" : "intermediate_model.onnx");
}

}  // namespace tightrope
