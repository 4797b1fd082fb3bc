// SPDX-License-Identifier: Apache-2.0
#include "pipeline/run_facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <concepts>

#include "base/model_fingerprint.h"

namespace tightrope {
namespace {

template <typename T>
  requires std::is_arithmetic_v<T>
std::string text(T value) {
  return fmt::format("{}", value);
}
template <typename T>
  requires std::is_enum_v<T>
std::string text(T value) {
  return fmt::format("{}", static_cast<int>(value));
}
std::string text(const std::string& value) { return "'" + value + "'"; }

template <typename T>
std::string text(const std::optional<T>& value);
template <typename T>
std::string text(const std::vector<T>& values);

std::string text(const Subgraph& subgraph) {
  const auto& [inputs, outputs] = subgraph;
  return fmt::format("from {} to {}", text(inputs), text(outputs));
}

std::string text(const IgnoredScope& scope) {
  const auto& [names, patterns, types, subgraphs, validate] = scope;
  return fmt::format("names {}, patterns {}, types {}, subgraphs {}, validate {}", text(names), text(patterns),
                     text(types), text(subgraphs), text(validate));
}

std::string text(const ConfigConstraints& constraints) {
  const auto& [bits, mode, per_channel, forced_sign, narrow_range, format] = constraints;
  return fmt::format("bits {}, mode {}, per channel {}, sign {}, narrow {}, format {}", text(bits), text(mode),
                     text(per_channel), text(forced_sign), text(narrow_range), text(format));
}

std::string text(const EndEstimator& end) {
  const auto& [statistic, aggregator, clipping_value, outlier_probability] = end;
  return fmt::format("{} {} {} {}", text(statistic), text(aggregator), text(clipping_value), text(outlier_probability));
}

std::string text(const RangeEstimator& estimator) {
  const auto& [min, max] = estimator;
  return fmt::format("min {}, max {}", text(min), text(max));
}

template <typename T>
std::string text(const std::optional<T>& value) {
  return value ? text(*value) : "default";
}

template <typename T>
std::string text(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(text(value));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

void add(Facts& facts, const QuantizeOptions& options) {
  const auto& [mode, preset, target_device, subset_size, ignored_scope, model_type, placement, smooth_quant_alpha,
               smooth_quant_alpha_convolution, quantize_outputs, activations, weights, propagation_rule, overflow_fix,
               channel_alignment, bias_correction, fast_bias_correction, bias_threshold, bias_for_all_nodes,
               weight_rounding, activation_range, weight_range, batchwise_statistics, inplace_statistics,
               statistics_path, compress_weights, stat_requests] = options;
  static_cast<void>(statistics_path);
  static_cast<void>(stat_requests);
  const auto add_one = [&](const char* name, const auto& value) { facts.emplace_back(name, text(value)); };
  add_one("mode", mode);
  add_one("preset", preset);
  add_one("target_device", target_device);
  add_one("subset_size", subset_size);
  add_one("ignored_scope", ignored_scope);
  add_one("model_type", model_type);
  add_one("placement", placement);
  add_one("smooth_quant_alpha", smooth_quant_alpha);
  add_one("smooth_quant_alpha of convolutions", smooth_quant_alpha_convolution);
  add_one("quantize_outputs", quantize_outputs);
  add_one("weight_rounding", weight_rounding);
  add_one("activations_quantization_params", activations);
  add_one("weights_quantization_params", weights);
  add_one("quantizer_propagation_rule", propagation_rule);
  add_one("overflow_fix", overflow_fix);
  add_one("channel alignment", channel_alignment);
  add_one("bias correction", bias_correction);
  add_one("fast_bias_correction", fast_bias_correction);
  add_one("bias_correction_params.threshold", bias_threshold);
  add_one("bias_correction_params.apply_for_all_nodes", bias_for_all_nodes);
  add_one("activations_range_estimator_params", activation_range);
  add_one("weights_range_estimator_params", weight_range);
  add_one("batchwise_statistics", batchwise_statistics);
  add_one("inplace_statistics", inplace_statistics);
  add_one("compress_weights", compress_weights);
}

void add(Facts& facts, const AccuracyOptions& options) {
  const auto& [max_drop, drop_type, higher_is_better, limits, max_num_iterations, repair, tune_hyperparams,
               ranking_subset_size, ranking_workers, intermediate_model_dir, eval_requests, restore_mode,
               validation_device, validation_precision, objective, time_budget, work_dir, early_stopping,
               measure_deployed] = options;
  const auto how_far_and_where = std::tie(max_drop, drop_type, higher_is_better, limits, max_num_iterations, repair,
                                          tune_hyperparams, ranking_workers, intermediate_model_dir, eval_requests,
                                          objective, time_budget, work_dir, early_stopping, measure_deployed);
  static_cast<void>(how_far_and_where);
  facts.emplace_back("ranking_subset_size", text(ranking_subset_size));
  facts.emplace_back("restore_mode", text(restore_mode));
  facts.emplace_back("validation_device", text(validation_device));
  facts.emplace_back("validation_precision", text(validation_precision));
}

}  // namespace

Facts facts_of(const Model& model, const std::string& calibration_fingerprint,
               const std::string& validation_fingerprint, const QuantizeOptions& options,
               const AccuracyOptions& accuracy) {
  Facts facts = {{"model", fingerprint_of(model)},
                 {"calibration data", calibration_fingerprint},
                 {"validation data", validation_fingerprint},
                 {"version of Tightrope", TIGHTROPE_VERSION}};
  add(facts, options);
  add(facts, accuracy);
  return facts;
}

}  // namespace tightrope
