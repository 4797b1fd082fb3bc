// SPDX-License-Identifier: Apache-2.0
#include "tightrope/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/nearest.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using Json = nlohmann::json;

std::string shown(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Python's json module writes numbers that are not finite as bare words, which JSON does not have: they become text.
std::string quote_bare_numbers(std::string_view json) {
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (quoted && json[i] == '\\' && i + 1 < json.size()) {
      text += json[i++];
    } else if (json[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && (json[i] == 'N' || json[i] == 'I')) {
      const std::string_view word = json[i] == 'N' ? "NaN" : "Infinity";
      if (json.substr(i).starts_with(word)) {
        const bool negative = text.ends_with('-');
        if (negative) text.pop_back();
        text += fmt::format("\"{}{}\"", negative ? "-" : "", word == "NaN" ? "nan" : "inf");
        i += word.size() - 1;
        continue;
      }
    }
    text += json[i];
  }
  return text;
}

// One JSON object of options, asked key by key. `null` counts as missing.
class Fields {
 public:
  // Throws InvalidArgument where `object` is no object or has a key that is not in `known`.
  Fields(const Json& object, std::string path, std::initializer_list<const char*> known)
      : object_(object.is_null() ? Json::object() : object), path_(std::move(path)) {
    if (!object_.is_object()) {
      throw InvalidArgument(fmt::format("option {}: {} came; named values are needed",
                                        path_.empty() ? "set" : "'" + path_ + "'", shown(object)));
    }
    const std::vector<std::string> names(known.begin(), known.end());
    for (const auto& item : object_.items()) {
      if (std::ranges::find(names, item.key()) != names.end()) continue;
      throw InvalidArgument(fmt::format("there is no option '{}'; did you mean '{}'?", name(item.key()),
                                        name(nearest_names(item.key(), names, 1).front())));
    }
  }

  std::string name(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  const Json* find(const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  Fields object(const std::string& key, std::initializer_list<const char*> known) const {
    const Json* value = find(key);
    return Fields(value == nullptr ? Json::object() : *value, name(key), known);
  }

  std::optional<bool> boolean(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) throw wrong(key, *value, "true or false");
    return value->get<bool>();
  }

  std::optional<std::int64_t> integer(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool fits =
        value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > kLargest);
    if (!fits) throw wrong(key, *value, "a whole number");
    return value->get<std::int64_t>();
  }

  std::optional<double> number(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (*value == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (*value == "inf") return std::numeric_limits<double>::infinity();
    if (*value == "-inf") return -std::numeric_limits<double>::infinity();
    if (!value->is_number()) throw wrong(key, *value, "a number");
    return value->get<double>();
  }

  std::optional<std::string> text(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw wrong(key, *value, "text");
    return value->get<std::string>();
  }

  std::vector<std::string> texts(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_array() || !std::ranges::all_of(*value, [](const Json& entry) { return entry.is_string(); })) {
      throw wrong(key, *value, "a list of texts");
    }
    return value->get<std::vector<std::string>>();
  }

  // The value that a text stands for.
  template <typename T>
  std::optional<T> choice(const std::string& key, std::initializer_list<std::pair<const char*, T>> known) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    std::vector<std::string> names;
    for (const auto& [text, meaning] : known) {
      if (*value == text) return meaning;
      names.emplace_back(fmt::format("'{}'", text));
    }
    throw wrong(key, *value, fmt::format("{}", fmt::join(names, " or ")));
  }

  InvalidArgument wrong(const std::string& key, const Json& value, std::string_view needed) const {
    return InvalidArgument(fmt::format("option '{}' is '{}'; {} is needed", name(key), shown(value), needed));
  }

  Unsupported unsupported(const std::string& key, std::string_view works) const {
    const Json* value = find(key);
    return Unsupported(fmt::format("option '{}' = '{}' is not supported by this version; {} works", name(key),
                                   value == nullptr ? "default" : shown(*value), works));
  }

 private:
  Json object_;
  std::string path_;
};

Json parse(std::string_view json) {
  try {
    return Json::parse(quote_bare_numbers(json));
  } catch (const Json::parse_error& error) {
    throw InvalidArgument(fmt::format("the options are not valid JSON at byte {}", error.byte));
  }
}

IgnoredScope read_ignored_scope(const Fields& options) {
  const Fields fields = options.object("ignored_scope", {"names", "patterns", "types", "subgraphs", "validate"});
  IgnoredScope scope{.names = fields.texts("names"),
                     .patterns = fields.texts("patterns"),
                     .types = fields.texts("types"),
                     .subgraphs = {},
                     .validate = fields.boolean("validate").value_or(true)};
  if (const Json* subgraphs = fields.find("subgraphs")) {
    if (!subgraphs->is_array()) throw fields.wrong("subgraphs", *subgraphs, "a list of subgraphs");
    for (std::size_t i = 0; i < subgraphs->size(); ++i) {
      const Fields subgraph((*subgraphs)[i], fmt::format("{}[{}]", fields.name("subgraphs"), i), {"inputs", "outputs"});
      scope.subgraphs.push_back({subgraph.texts("inputs"), subgraph.texts("outputs")});
    }
  }
  return scope;
}

Fields range_estimator_end(const Fields& estimator, const std::string& end) {
  Fields fields =
      estimator.object(end, {"statistics_type", "aggregator_type", "clipping_value", "quantile_outlier_prob"});
  fields.choice<int>(
      "statistics_type",
      {{"max", 0}, {"min", 0}, {"abs_max", 0}, {"quantile", 0}, {"abs_quantile", 0}, {"mean", 0}, {"raw", 0}});
  fields.choice<int>("aggregator_type", {{"mean", 0},
                                         {"max", 0},
                                         {"min", 0},
                                         {"median", 0},
                                         {"mean_no_outliers", 0},
                                         {"median_no_outliers", 0},
                                         {"histogram", 0}});
  fields.number("quantile_outlier_prob");  // the statistics that work do not use it
  if (fields.find("clipping_value") != nullptr) throw fields.unsupported("clipping_value", "leaving it out");
  return fields;
}

std::optional<Aggregator> read_aggregator(const Fields& end) {
  const std::string name = end.text("aggregator_type").value_or("");
  if (name.empty()) return std::nullopt;
  if (name == "min") return Aggregator::kMin;
  if (name == "max") return Aggregator::kMax;
  if (name == "mean") return Aggregator::kMean;
  throw end.unsupported("aggregator_type", "'min', 'max' or 'mean'");
}

RangeEstimator read_activation_range(const Fields& advanced, const QuantizeOptions& options) {
  const Fields estimator = advanced.object("activations_range_estimator_params", {"min", "max"});
  const Fields min = range_estimator_end(estimator, "min");
  const Fields max = range_estimator_end(estimator, "max");
  if (min.text("statistics_type").value_or("min") != "min") throw min.unsupported("statistics_type", "'min'");
  const std::string statistic = max.text("statistics_type").value_or("max");
  // A symmetric quantizer takes the largest magnitude for its maximum in any case, an asymmetric one never does.
  if (statistic == "abs_max" && activation_mode(options) == Mode::kAsymmetric) {
    throw max.unsupported("statistics_type", "'max', or symmetric activations,");
  }
  if (statistic != "max" && statistic != "abs_max") throw max.unsupported("statistics_type", "'max' or 'abs_max'");
  const RangeEstimator range{read_aggregator(min), read_aggregator(max)};
  const auto whole_batch = [](const std::optional<Aggregator>& end) { return end != Aggregator::kMean; };
  if (advanced.boolean("batchwise_statistics").value_or(false) &&
      !(whole_batch(range.min_aggregator) && whole_batch(range.max_aggregator))) {
    throw advanced.unsupported("batchwise_statistics", "false, or the aggregators 'min' and 'max' for activations,");
  }
  return range;
}

void check_weight_range(const Fields& advanced) {
  const Fields estimator = advanced.object("weights_range_estimator_params", {"min", "max"});
  for (const std::string end : {"min", "max"}) {
    const Fields fields = range_estimator_end(estimator, end);
    for (const std::string key : {"statistics_type", "aggregator_type"}) {
      if (fields.text(key).value_or(end) != end) throw fields.unsupported(key, "'" + end + "'");
    }
  }
}

void read_bias(const Fields& advanced, QuantizeOptions& options) {
  const Fields bias = advanced.object("bias_correction_params", {"apply_for_all_nodes", "threshold"});
  options.bias_correction = !advanced.boolean("disable_bias_correction").value_or(false);
  options.bias_for_all_nodes = bias.boolean("apply_for_all_nodes").value_or(false);
  options.bias_threshold = bias.number("threshold");
}

double read_smooth_quant_alpha(const Fields& advanced) {
  const Fields alphas = advanced.object("smooth_quant_alphas", {"convolution", "matmul"});
  if (!(alphas.number("convolution").value_or(-1) < 0)) throw alphas.unsupported("convolution", "a negative value");
  const double matmul = alphas.number("matmul").value_or(QuantizeOptions{}.smooth_quant_alpha);
  return advanced.number("smooth_quant_alpha").value_or(matmul);
}

int checked_bits(std::int64_t bits, const std::string& option) {
  if (bits < 2 || bits > 16) {
    throw InvalidArgument(fmt::format("option '{}' is {}; from 2 to 16 bits are needed", option, bits));
  }
  return static_cast<int>(bits);
}

// What quantizers of activations or weights must look like.
ConfigConstraints read_constraints(const Fields& advanced, const std::string& key) {
  const Fields fields = advanced.object(
      key, {"num_bits", "mode", "signedness_to_force", "per_channel", "narrow_range", "destination_type"});
  if (fields.find("destination_type") != nullptr) throw fields.unsupported("destination_type", "leaving it out");
  const std::string mode = fields.text("mode").value_or("");
  for (const char* of_training : {"symmetric_lora", "symmetric_lora_nls", "asymmetric_lora", "asymmetric_lora_nls"}) {
    if (mode == of_training) throw fields.unsupported("mode", "'symmetric' or 'asymmetric'");
  }
  ConfigConstraints constraints;
  if (const auto bits = fields.integer("num_bits")) constraints.bits = checked_bits(*bits, fields.name("num_bits"));
  constraints.mode = fields.choice<Mode>("mode", {{"symmetric", Mode::kSymmetric}, {"asymmetric", Mode::kAsymmetric}});
  constraints.forced_sign = fields.boolean("signedness_to_force");
  constraints.per_channel = fields.boolean("per_channel");
  constraints.narrow_range = fields.boolean("narrow_range");
  return constraints;
}

std::optional<PropagationRule> read_propagation_rule(const Fields& advanced) {
  const Json* rule = advanced.find("quantizer_propagation_rule");
  if (rule == nullptr) return std::nullopt;
  const std::string found = shown(*rule);
  const std::vector<std::string> names = {"DO_NOT_MERGE_BRANCHES", "MERGE_IF_ALL_BRANCHES_SAME",
                                          "MERGE_WITH_POTENTIAL_REQUANTIZATION", "MERGE_ALL_IN_ONE"};
  for (std::size_t i = 0; i < names.size(); ++i) {  // in the order of PropagationRule
    if (found == names[i] || found == std::to_string(i)) return static_cast<PropagationRule>(i);
  }
  throw advanced.wrong("quantizer_propagation_rule", *rule,
                       fmt::format("a number from 0 to 3 or {}", fmt::join(names, " or ")));
}

void read_advanced(const Fields& fields, QuantizeOptions& options) {
  // Accuracy control has another name for the same argument, which messages should show.
  const char* other = "advanced_quantization_parameters";
  const Fields advanced = fields.object(
      fields.find(other) == nullptr ? "advanced_parameters" : other,
      {"overflow_fix", "quantize_outputs", "inplace_statistics", "disable_channel_alignment", "disable_bias_correction",
       "batchwise_statistics", "activations_quantization_params", "weights_quantization_params",
       "quantizer_propagation_rule", "activations_range_estimator_params", "weights_range_estimator_params",
       "bias_correction_params", "smooth_quant_alphas", "smooth_quant_alpha", "backend_params"});
  options.overflow_fix =
      advanced.choice<OverflowFix>("overflow_fix", {{"enable", OverflowFix::kEnable},
                                                    {"first_layer_only", OverflowFix::kFirstLayerOnly},
                                                    {"disable", OverflowFix::kDisable}});
  options.quantize_outputs = advanced.boolean("quantize_outputs").value_or(false);
  if (!advanced.boolean("inplace_statistics").value_or(true)) throw advanced.unsupported("inplace_statistics", "true");
  if (!advanced.boolean("disable_channel_alignment").value_or(true)) {
    throw advanced.unsupported("disable_channel_alignment", "true");
  }
  options.activations = read_constraints(advanced, "activations_quantization_params");
  options.weights = read_constraints(advanced, "weights_quantization_params");
  options.propagation_rule = read_propagation_rule(advanced).value_or(options.propagation_rule);
  options.activation_range = read_activation_range(advanced, options);
  check_weight_range(advanced);
  read_bias(advanced, options);
  options.smooth_quant_alpha = read_smooth_quant_alpha(advanced);
  if (const Json* backend = advanced.find("backend_params")) {
    if (!backend->is_object()) throw advanced.wrong("backend_params", *backend, "a set of named values");
    if (!backend->empty()) throw advanced.unsupported("backend_params", "leaving it out");
  }
}

}  // namespace

QuantizeOptions quantize_options_from_json(std::string_view json) {
  const Fields fields(parse(json), "",
                      {"mode", "preset", "target_device", "subset_size", "fast_bias_correction", "model_type",
                       "ignored_scope", "advanced_parameters", "advanced_quantization_parameters", "placement"});
  if (fields.choice<int>("mode", {{"fp8_e4m3", 0}, {"fp8_e5m2", 0}}))
    throw fields.unsupported("mode", "leaving it out");
  QuantizeOptions options;
  options.preset = fields.choice<Preset>("preset", {{"performance", Preset::kPerformance}, {"mixed", Preset::kMixed}});
  options.target_device = fields
                              .choice<TargetDevice>("target_device", {{"ANY", TargetDevice::kAny},
                                                                      {"CPU", TargetDevice::kCpu},
                                                                      {"GPU", TargetDevice::kGpu},
                                                                      {"NPU", TargetDevice::kNpu},
                                                                      {"CPU_SPR", TargetDevice::kCpuSpr}})
                              .value_or(options.target_device);
  options.model_type = fields.choice<ModelType>("model_type", {{"transformer", ModelType::kTransformer}});
  options.placement =
      fields.choice<Placement>("placement", {{"lean", Placement::kLean}, {"reference", Placement::kReference}})
          .value_or(options.placement);
  options.subset_size = fields.integer("subset_size").value_or(options.subset_size);
  options.fast_bias_correction = fields.boolean("fast_bias_correction").value_or(options.fast_bias_correction);
  options.ignored_scope = read_ignored_scope(fields);
  read_advanced(fields, options);
  check(options);
  return options;
}

AccuracyOptions accuracy_options_from_json(std::string_view json) {
  const Fields fields(parse(json), "",
                      {"max_drop", "drop_type", "higher_is_better", "validation_device", "validation_precision",
                       "advanced_accuracy_restorer_parameters"});
  AccuracyOptions options;
  options.max_drop = fields.number("max_drop").value_or(options.max_drop);
  options.drop_type =
      fields.choice<DropType>("drop_type", {{"absolute", DropType::kAbsolute}, {"relative", DropType::kRelative}})
          .value_or(options.drop_type);
  options.higher_is_better = fields.boolean("higher_is_better").value_or(options.higher_is_better);
  options.validation_device = fields.text("validation_device").value_or(options.validation_device);
  options.validation_precision = fields.text("validation_precision").value_or(options.validation_precision);

  const Fields restorer = fields.object("advanced_accuracy_restorer_parameters",
                                        {"max_num_iterations", "tune_hyperparams", "ranking_subset_size",
                                         "num_ranking_workers", "intermediate_model_dir", "restore_mode"});
  if (restorer.boolean("tune_hyperparams").value_or(false)) throw restorer.unsupported("tune_hyperparams", "false");
  restorer.integer("num_ranking_workers");  // results do not depend on it
  options.max_num_iterations = restorer.integer("max_num_iterations").value_or(options.max_num_iterations);
  options.ranking_subset_size = restorer.integer("ranking_subset_size");
  options.intermediate_model_dir = restorer.text("intermediate_model_dir");
  options.restore_mode =
      restorer
          .choice<RestoreMode>("restore_mode", {{"activations_and_weights", RestoreMode::kActivationsAndWeights},
                                                {"only_activations", RestoreMode::kActivationsOnly}})
          .value_or(options.restore_mode);
  check(options);
  return options;
}

Mode activation_mode(const QuantizeOptions& options) {
  if (options.activations.mode) return *options.activations.mode;
  const Preset preset = options.preset.value_or(options.model_type ? Preset::kMixed : Preset::kPerformance);
  return preset == Preset::kMixed ? Mode::kAsymmetric : Mode::kSymmetric;
}

void check(const QuantizeOptions& options) {
  if (options.subset_size < 1) {
    throw InvalidArgument(fmt::format("option 'subset_size' is {}; at least 1 is needed", options.subset_size));
  }
  if (!(options.smooth_quant_alpha <= 1)) {
    throw InvalidArgument(fmt::format("the alpha of smooth-quant is {}; 0 to 1 is needed, or a negative value for none",
                                      options.smooth_quant_alpha));
  }
  if (options.activations.bits) checked_bits(*options.activations.bits, "activations_quantization_params.num_bits");
  if (options.weights.bits) checked_bits(*options.weights.bits, "weights_quantization_params.num_bits");
}

void check(const AccuracyOptions& options) {
  if (!std::isfinite(options.max_drop) || options.max_drop < 0) {
    throw InvalidArgument(
        fmt::format("option 'max_drop' is {}; a finite number of 0 or more is needed", options.max_drop));
  }
  if (options.ranking_subset_size && *options.ranking_subset_size < 1) {
    throw InvalidArgument(
        fmt::format("option 'ranking_subset_size' is {}; at least 1 is needed", *options.ranking_subset_size));
  }
  if (options.max_num_iterations < 0) {
    throw InvalidArgument(
        fmt::format("option 'max_num_iterations' is {}; 0 or more is needed", options.max_num_iterations));
  }
}

}  // namespace tightrope
