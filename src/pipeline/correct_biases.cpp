// SPDX-License-Identifier: Apache-2.0
#include "pipeline/correct_biases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "correction/fast_bias.h"
#include "correction/measured_bias.h"
#include "correction/smoothing.h"
#include "graph/site.h"
#include "pipeline/weights.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

Plan start_from_means(const Model& model, Plan plan, const Calibration& calibration, const QuantizeOptions& options) {
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
    if (!wants_bias(weight.node, model.graph(), options)) continue;
    const Tensor elements = model.constant(value_of(weight, model.graph()));
    std::vector<float> mean = observed->mean;
    const std::vector<float> divisor = weight.smoothing.empty() ? divisor_of(weight, plan) : std::vector<float>();
    if (!divisor.empty()) std::ranges::transform(mean, divisor, mean.begin(), std::divides());
    std::vector<float> shift = bias_shift(elements, weight, weight_port(weight, model.graph()).channel_axes, mean);
    if (!is_below_threshold(model, weight.node, shift, options)) continue;
    plan.bias_shifts.push_back({weight.node, std::move(shift)});
  }
  return plan;
}

}  // namespace

Plan correct_biases(const Model& model, Plan plan, const Calibration& calibration, std::span<const Sample> samples,
                    const QuantizeOptions& options) {
  plan = start_from_means(model, std::move(plan), calibration, options);
  if (options.fast_bias_correction) return plan;
  std::vector<Rescaling> rescalings = std::exchange(plan.rescalings, {});
  MeasuredBiases measured = measure_biases(model, std::move(plan), samples, options);
  measured.plan.rescalings = std::move(rescalings);
  log(LogLevel::kInfo,
      fmt::format("Biases of {} layers are corrected; {} measured corrections were refused{}.",
                  measured.plan.bias_shifts.size(), measured.refused,
                  measured.is_better ? "" : ", and the others too, because the outputs were better without them"));
  return std::move(measured.plan);
}

}  // namespace tightrope
