// SPDX-License-Identifier: Apache-2.0
#include "pipeline/make_plan.h"

#include <fmt/format.h>

#include "base/output_error.h"
#include "base/stopwatch.h"
#include "correction/measured_bias.h"
#include "correction/smoothing.h"
#include "pipeline/calibration.h"
#include "pipeline/correct_biases.h"
#include "pipeline/fit_plan.h"
#include "tightrope/error.h"
#include "tightrope/log.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

std::vector<Sample> spread_evenly(std::span<const Sample> samples, std::size_t wanted) {
  const std::size_t count = std::min(wanted, samples.size());
  std::vector<Sample> spread;
  for (std::size_t i = 0; i < count; ++i) spread.push_back(samples[i * samples.size() / count]);
  return spread;
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
  Calibration calibration(model, options);
  const bool is_in_doubt = !model.graph().carried_over.empty();
  timed("calibration", [&] {
    const std::size_t wanted = options.bias_correction ? most_bias_samples(options) : 0;
    calibration.run(result.plan, data, std::max<std::size_t>({kept_samples, wanted, is_in_doubt ? 1U : 0U}));
    result.samples = calibration.take_samples();
    if (is_in_doubt) check_base(model, result.samples.front());
  });
  timed("ranges", [&] { result.plan = fit_plan(model, std::move(result.plan), calibration, options); });
  if (result.plan.empty()) {
    throw QuantizationError(
        "[ranges] nothing is left to quantize: every operation reads values beyond any 8-bit range, or none on any "
        "calibration item");
  }
  if (options.bias_correction) {
    timed("bias correction", [&] {
      const auto samples =
          spread_evenly(result.samples, bias_samples(options, static_cast<std::size_t>(calibration.items())));
      result.plan = correct_biases(model, std::move(result.plan), calibration, samples, options);
    });
  }
  result.samples = spread_evenly(result.samples, kept_samples);
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
