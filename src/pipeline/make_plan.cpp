// SPDX-License-Identifier: Apache-2.0
#include "pipeline/make_plan.h"

#include <fmt/format.h>

#include "accuracy/ranking.h"
#include "base/stopwatch.h"
#include "correction/fast_bias.h"
#include "correction/smoothing.h"
#include "devices/processor.h"
#include "graph/site.h"
#include "pipeline/calibration.h"
#include "pipeline/fit_plan.h"
#include "placement/overflow.h"
#include "tightrope/error.h"
#include "tightrope/log.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

Plan correct_biases(const Model& model, Plan plan, const Calibration& calibration) {
  for (const Quantizer& weight : plan.quantizers) {
    if (weight.kind != SiteKind::kWeight) continue;
    const Observed* observed = calibration.of(weight);
    if (observed == nullptr || observed->mean.empty()) continue;  // nothing asked for, or nothing seen
    // Minima and maxima may pass over NaN, a mean does not; infinities were left out before.
    if (!std::all_of(observed->mean.begin(), observed->mean.end(), [](float value) { return std::isfinite(value); })) {
      throw InvalidArgument(
          fmt::format("[bias correction] node '{}': what it reads holds NaN on some calibration item; data on which "
                      "the model gives numbers are needed",
                      weight.node));
    }
    const Tensor elements = model.constant(value_of(weight, model.graph()));
    const std::size_t axes = weight_port(weight, model.graph()).channel_axes.size();
    plan.bias_shifts.push_back({weight.node, bias_shift(elements, weight, axes, observed->mean)});
  }
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

}  // namespace

PlanResult make_plan(const Model& model, const Dataset& data, const QuantizeOptions& options, std::size_t kept_samples,
                     Report report) {
  PlanResult result;
  result.report = std::move(report);
  result.report.framework = model.framework();
  result.report.status = "quantized";
  const auto timed = [&](const char* stage, auto&& work) {
    const Stopwatch watch;
    work();
    result.report.stages.push_back({stage, watch.seconds()});
  };

  timed("placement", [&] { result.plan = mark_smoothed(place(model.graph(), options), model.graph(), options); });
  if (const auto notice = overflow_notice(result.plan, options, dot_products_of_host()))
    log(notice->level, notice->text);
  Calibration calibration(model, options);
  const bool is_in_doubt = !model.graph().carried_over.empty();
  timed("calibration", [&] {
    calibration.run(result.plan, data, std::max<std::size_t>(kept_samples, is_in_doubt ? 1 : 0));
    result.samples = calibration.take_samples();
    if (is_in_doubt) check_base(model, result.samples.front());
    if (kept_samples == 0) result.samples.clear();
  });
  timed("ranges", [&] { result.plan = fit_plan(model, std::move(result.plan), calibration, options); });
  if (result.plan.empty()) {
    throw QuantizationError(
        "[ranges] nothing is left to quantize: every operation reads values beyond any 8-bit range, or none on any "
        "calibration item");
  }
  if (options.bias_correction) {
    timed("bias correction", [&] { result.plan = correct_biases(model, std::move(result.plan), calibration); });
  }
  result.report.calibration_items = calibration.items();
  result.report.quantized = quantized_operations(result.plan);
  log(LogLevel::kInfo, fmt::format("{} operations run in 8 bits, with {} quantizers calibrated on {} items.",
                                   result.report.quantized.size(), result.plan.quantizers.size(), calibration.items()));
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
  return std::filesystem::path(folder) /
         (framework == "openvino" ? "intermediate_model.xml" : "intermediate_model.onnx");
}

}  // namespace tightrope
