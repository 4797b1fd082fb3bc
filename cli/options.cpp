// SPDX-License-Identifier: Apache-2.0
// What typed options mean: JSON for the reader that serves Python, too.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "arguments.h"
#include "tightrope/error.h"

namespace tightrope::cli {
namespace {

using Json = nlohmann::json;

// The names of RangeEstimatorParametersSet in the Python interface.
struct Estimator {
  std::string_view name;
  const char* low;
  const char* high;
  const char* low_aggregator;
  const char* high_aggregator;
};
constexpr Estimator kEstimators[] = {
    {"minmax", "min", "max", "min", "max"},
    {"mean_minmax", "min", "max", "mean", "mean"},
    {"median_minmax", "min", "max", "median", "median"},
    {"mean_no_outliers_minmax", "min", "max", "mean_no_outliers", "mean_no_outliers"},
    {"mean_quantile", "quantile", "quantile", "mean", "mean"},
    {"histogram", "raw", "raw", "histogram", "histogram"},
    {"output_error", "min", "max", "output_error", "output_error"},
};

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

void add_json(Json& into, const char* name, const std::string& text) {
  if (text.empty()) return;
  into[name] = Json::parse(text, nullptr, false);
  if (!into[name].is_object())
    throw InvalidArgument(fmt::format("option '{}' is '{}'; a JSON object is needed", name, text));
}

// Both ends of a range, by the name of the pair.
Json range_estimator(const std::string& name) {
  const auto* const found = std::ranges::find(kEstimators, name, &Estimator::name);
  if (found == std::end(kEstimators)) {
    throw InvalidArgument(
        fmt::format("option 'range-estimator' is '{}'; {} is needed", name, fmt::join(estimator_names(), " or ")));
  }
  const auto end = [](const char* statistic, const char* aggregator) {
    return Json{{"statistics_type", statistic}, {"aggregator_type", aggregator}};
  };
  return {{"min", end(found->low, found->low_aggregator)}, {"max", end(found->high, found->high_aggregator)}};
}

Json number_from(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return text;
  if (!std::isfinite(value))
    throw InvalidArgument(fmt::format("option 'max_drop' is {}; a finite number is needed", text));
  return value;
}

Json truth_from(const std::string& text) {
  return text == "true" ? Json(true) : text == "false" ? Json(false) : Json(text);
}

// One value for all, or an object of values by name.
template <typename From>
void add_named(Json& into, const char* name, const std::vector<std::string>& values, From from) {
  for (const std::string& value : values) {
    const std::size_t mark = value.rfind('=');
    if (mark == std::string::npos) {
      if (values.size() > 1)
        throw InvalidArgument(
            fmt::format("option '{}' has several values, of which '{}' names no metric", name, value));
      into[name] = from(value);
    } else {
      into[name][value.substr(0, mark)] = from(value.substr(mark + 1));
    }
  }
}

void add_calibration(Json& json, const CalibrationArguments& typed) {
  Json& advanced = json["advanced_parameters"];
  json["subset_size"] = typed.subset_size;
  if (!typed.statistics.empty()) json["statistics_path"] = typed.statistics;
  if (typed.weight_rounding) json["weight_rounding"] = *typed.weight_rounding;
  if (typed.fast_bias_correction) json["fast_bias_correction"] = *typed.fast_bias_correction;
  if (typed.disable_bias_correction) advanced["disable_bias_correction"] = *typed.disable_bias_correction;
  if (typed.disable_channel_alignment) advanced["disable_channel_alignment"] = *typed.disable_channel_alignment;
  if (typed.inplace_statistics) advanced["inplace_statistics"] = *typed.inplace_statistics;
  if (typed.range_estimator.starts_with('{')) {
    add_json(advanced, "activations_range_estimator_params", typed.range_estimator);
  } else if (!typed.range_estimator.empty()) {
    advanced["activations_range_estimator_params"] = range_estimator(typed.range_estimator);
  }
  add_json(advanced, "weights_range_estimator_params", typed.weights_range_estimator);
  add_json(advanced, "bias_correction_params", typed.bias_correction_params);
  add_json(advanced, "backend_params", typed.backend_params);
  Json& alphas = advanced["smooth_quant_alphas"];
  if (typed.smooth_quant_alpha) alphas["matmul"] = *typed.smooth_quant_alpha;
  if (typed.smooth_quant_alpha_convolution) alphas["convolution"] = *typed.smooth_quant_alpha_convolution;
}

}  // namespace

std::vector<std::string_view> estimator_names() {
  std::vector<std::string_view> names;
  for (const Estimator& estimator : kEstimators) names.push_back(estimator.name);
  return names;
}

QuantizeOptions quantize_options(const Arguments& arguments) {
  const PlacementArguments& typed = arguments.placement;
  Json json = {{"ignored_scope",
                {{"names", typed.ignored_names},
                 {"patterns", typed.ignored_patterns},
                 {"types", typed.ignored_types},
                 {"validate", !typed.no_ignored_validation}}},
               {"advanced_parameters", {{"quantize_outputs", typed.quantize_outputs}}}};
  if (!typed.ignored_subgraphs.empty()) {
    Json& subgraphs = json["ignored_scope"]["subgraphs"] = Json::parse(typed.ignored_subgraphs, nullptr, false);
    if (!subgraphs.is_array())
      throw InvalidArgument(
          fmt::format("option 'ignored-subgraphs' is '{}'; a JSON list is needed", typed.ignored_subgraphs));
  }
  const auto add = [](Json& into, const char* name, const std::string& text) {
    if (!text.empty()) into[name] = text;
  };
  if (arguments.data.batch > 1) json["advanced_parameters"]["batchwise_statistics"] = true;
  add_calibration(json, arguments.calibration);
  add(json, "placement", typed.placement);
  add(json, "mode", typed.mode);
  add(json, "preset", typed.preset);
  add(json, "model_type", typed.model_type);
  add(json, "target_device", upper(typed.target_device));
  add(json["advanced_parameters"], "overflow_fix", typed.overflow_fix);
  add(json["advanced_parameters"], "quantizer_propagation_rule", upper(typed.propagation_rule));
  add_json(json["advanced_parameters"], "activations_quantization_params", typed.activations_quantization_params);
  add_json(json["advanced_parameters"], "weights_quantization_params", typed.weights_quantization_params);
  return quantize_options_from_json(dumped(json));
}

Execution execution_of(const Arguments& arguments) {
  const std::vector<std::string> precisions = {"f32", "bf16", "f16", "default"};
  const Execution& typed = arguments.execution;
  if (std::ranges::find(precisions, typed.precision) == precisions.end()) {
    throw InvalidArgument(
        fmt::format("option 'precision' is '{}'; {} is needed", typed.precision, fmt::join(precisions, " or ")));
  }
  return {typed.device, typed.precision == "default" ? "" : typed.precision};
}

AccuracyOptions accuracy_options(const Arguments& arguments) {
  const LimitArguments& typed = arguments.limits;
  Json json = {{"advanced_accuracy_restorer_parameters", {{"restore_mode", typed.restore_mode}}}};
  add_named(json, "max_drop", typed.max_drop, number_from);
  add_named(json, "drop_type", typed.drop_type, [](const std::string& text) { return Json(text); });
  add_named(json, "higher_is_better", typed.higher_is_better, truth_from);
  Json& restorer = json["advanced_accuracy_restorer_parameters"];
  if (typed.max_validations) restorer["max_num_iterations"] = *typed.max_validations;
  if (typed.ranking_subset_size) restorer["ranking_subset_size"] = *typed.ranking_subset_size;
  restorer["num_ranking_workers"] = typed.workers;
  if (typed.intermediate_model_dir) restorer["intermediate_model_dir"] = *typed.intermediate_model_dir;
  json["objective"] = typed.objective;
  if (typed.repair) json["repair"] = *typed.repair;
  if (typed.tune_hyperparams) json["advanced_accuracy_restorer_parameters"]["tune_hyperparams"] = true;
  if (typed.early_stopping) json["early_stopping"] = *typed.early_stopping;
  json["measure_deployed"] = typed.measure_deployed;
  if (typed.time_budget) json["time_budget"] = *typed.time_budget;
  AccuracyOptions options = accuracy_options_from_json(dumped(json));
  const Execution execution = execution_of(arguments);
  options.validation_device = execution.device;
  options.validation_precision = execution.precision;
  options.work_dir = typed.work_dir;
  check(options);
  return options;
}

}  // namespace tightrope::cli
