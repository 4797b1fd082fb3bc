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
#include "base/number_mode.h"
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
      : Fields(object, std::move(path), std::vector<std::string>(known.begin(), known.end())) {}
  Fields(const Json& object, std::string path, const std::vector<std::string>& names)
      : object_(object.is_null() ? Json::object() : object), path_(std::move(path)) {
    if (!object_.is_object()) {
      throw InvalidArgument(fmt::format("option {}: {} came; named values are needed",
                                        path_.empty() ? "set" : "'" + path_ + "'", shown(object)));
    }
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

// `path`: the option's name, with a full stop.
void check_end(const EndEstimator& end, const std::string& path) {
  if (!(end.outlier_probability >= 0 && end.outlier_probability < 0.5)) {
    throw InvalidArgument(fmt::format("option '{}quantile_outlier_prob' is {}; from 0 to below 0.5 is needed", path,
                                      end.outlier_probability));
  }
  if (end.clipping_value && !(*end.clipping_value > 0)) {
    throw InvalidArgument(
        fmt::format("option '{}clipping_value' is {}; more than 0 is needed", path, *end.clipping_value));
  }
  if (end.aggregator == Aggregator::kHistogram && end.statistic.value_or(Statistic::kRaw) != Statistic::kRaw) {
    throw InvalidArgument(fmt::format(
        "option '{}aggregator_type' is 'histogram', which looks at the elements themselves; statistics_type "
        "'raw' is needed",
        path));
  }
  const bool is_extreme = !end.statistic || *end.statistic == Statistic::kMin || *end.statistic == Statistic::kMax;
  if (end.aggregator == Aggregator::kOutputError && !is_extreme) {
    throw InvalidArgument(fmt::format(
        "option '{}aggregator_type' is 'output_error', which starts from the extremes; statistics_type 'min' or 'max', "
        "or none, is needed",
        path));
  }
}

void check_estimator(const RangeEstimator& estimator, const std::string& name) {
  check_end(estimator.min, name + ".min.");
  check_end(estimator.max, name + ".max.");
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

EndEstimator read_end(const Fields& estimator, const std::string& end) {
  const Fields fields =
      estimator.object(end, {"statistics_type", "aggregator_type", "clipping_value", "quantile_outlier_prob"});
  EndEstimator found;
  found.statistic = fields.choice<Statistic>("statistics_type", {{"min", Statistic::kMin},
                                                                 {"max", Statistic::kMax},
                                                                 {"abs_max", Statistic::kAbsMax},
                                                                 {"quantile", Statistic::kQuantile},
                                                                 {"abs_quantile", Statistic::kAbsQuantile},
                                                                 {"mean", Statistic::kMean},
                                                                 {"raw", Statistic::kRaw}});
  found.aggregator =
      fields.choice<Aggregator>("aggregator_type", {{"min", Aggregator::kMin},
                                                    {"max", Aggregator::kMax},
                                                    {"mean", Aggregator::kMean},
                                                    {"median", Aggregator::kMedian},
                                                    {"mean_no_outliers", Aggregator::kMeanNoOutliers},
                                                    {"median_no_outliers", Aggregator::kMedianNoOutliers},
                                                    {"histogram", Aggregator::kHistogram},
                                                    {"output_error", Aggregator::kOutputError}});
  found.clipping_value = fields.number("clipping_value");
  found.outlier_probability = fields.number("quantile_outlier_prob").value_or(found.outlier_probability);
  check_end(found, fields.name(""));
  return found;
}

RangeEstimator read_range_estimator(const Fields& advanced, const std::string& key) {
  const Fields estimator = advanced.object(key, {"min", "max"});
  return {read_end(estimator, "min"), read_end(estimator, "max")};
}

void read_bias(const Fields& advanced, QuantizeOptions& options) {
  const Fields bias = advanced.object("bias_correction_params", {"apply_for_all_nodes", "threshold"});
  options.bias_correction = !advanced.boolean("disable_bias_correction").value_or(false);
  options.bias_for_all_nodes = bias.boolean("apply_for_all_nodes").value_or(false);
  options.bias_threshold = bias.number("threshold");
}

// The older name stands for products, and turns both off.
void read_smooth_quant_alphas(const Fields& advanced, QuantizeOptions& options) {
  const Fields alphas = advanced.object("smooth_quant_alphas", {"convolution", "matmul"});
  const std::optional<double> older = advanced.number("smooth_quant_alpha");
  const double matmul = alphas.number("matmul").value_or(options.smooth_quant_alpha);
  options.smooth_quant_alpha = older.value_or(matmul);
  if (older.value_or(0) >= 0)
    options.smooth_quant_alpha_convolution =
        alphas.number("convolution").value_or(options.smooth_quant_alpha_convolution);
}

int checked_bits(std::int64_t bits, const std::string& option) {
  if (bits < 2 || bits > 16) {
    throw InvalidArgument(fmt::format("option '{}' is {}; from 2 to 16 bits are needed", option, bits));
  }
  return static_cast<int>(bits);
}

// FP8QuantizationParameters rather than QuantizationParameters.
bool holds_float8(const Fields& advanced, const std::string& key) {
  const Json* value = advanced.find(key);
  return value != nullptr && value->is_object() && value->contains("destination_type");
}

ConfigConstraints read_float8(const Fields& fields, NumberFormat mode) {
  ConfigConstraints constraints;
  constraints.format = fields
                           .choice<NumberFormat>("destination_type",
                                                 {{"f8e4m3", NumberFormat::kF8E4M3}, {"f8e5m2", NumberFormat::kF8E5M2}})
                           .value_or(mode);
  return constraints;
}

// What quantizers of activations or weights must look like.
ConfigConstraints read_constraints(const Fields& advanced, const std::string& key, NumberFormat mode) {
  if (holds_float8(advanced, key)) return read_float8(advanced.object(key, {"destination_type"}), mode);
  const Fields fields =
      advanced.object(key, {"num_bits", "mode", "signedness_to_force", "per_channel", "narrow_range"});
  const std::string scheme = fields.text("mode").value_or("");
  for (const char* of_training : {"symmetric_lora", "symmetric_lora_nls", "asymmetric_lora", "asymmetric_lora_nls"}) {
    if (scheme == of_training) throw fields.unsupported("mode", "'symmetric' or 'asymmetric'");
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

int read_requests(const Fields& fields, const std::string& key) {
  constexpr std::int64_t kMost = 1024;
  const std::int64_t requests = fields.integer(key).value_or(0);
  if (fields.find(key) != nullptr && (requests < 1 || requests > kMost))
    throw fields.wrong(key, *fields.find(key), fmt::format("a number from 1 to {}", kMost));
  return static_cast<int>(requests);
}

void read_backend(const Fields& advanced, QuantizeOptions& options) {
  const char* external_data_dir = "external_data_dir";  // the reader of an ONNX model has taken it
  const Fields backend =
      advanced.object("backend_params", {"compress_weights", "stat_requests_number", "eval_requests_number",
                                         "activations", "weights", external_data_dir});
  if (const Json* folder = backend.find(external_data_dir))
    throw backend.wrong(external_data_dir, *folder, "an ONNX model");
  for (const char* of_levels : {"activations", "weights"}) {  // without effect in NNCF
    if (backend.find(of_levels) != nullptr)
      throw backend.unsupported(of_levels, fmt::format("{}_quantization_params", of_levels));
  }
  options.compress_weights = backend.boolean("compress_weights").value_or(options.compress_weights);
  options.stat_requests = read_requests(backend, "stat_requests_number");
  read_requests(backend, "eval_requests_number");  // the ranking's: accuracy_options_from_json
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
  options.channel_alignment = !advanced.boolean("disable_channel_alignment").value_or(true);
  options.activations = read_constraints(advanced, "activations_quantization_params", options.mode);
  options.weights = read_constraints(advanced, "weights_quantization_params", options.mode);
  options.propagation_rule = read_propagation_rule(advanced).value_or(options.propagation_rule);
  options.activation_range = read_range_estimator(advanced, "activations_range_estimator_params");
  options.weight_range = read_range_estimator(advanced, "weights_range_estimator_params");
  options.batchwise_statistics = advanced.boolean("batchwise_statistics").value_or(false);
  options.inplace_statistics = advanced.boolean("inplace_statistics").value_or(true);
  read_bias(advanced, options);
  read_smooth_quant_alphas(advanced, options);
  read_backend(advanced, options);
}

// One limit, or, where max_drop is an object, one per metric; then the other two may be objects, too, whose missing
// names keep the default.
void read_limits(const Fields& fields, AccuracyOptions& options) {
  const std::initializer_list<std::pair<const char*, DropType>> drop_types = {{"absolute", DropType::kAbsolute},
                                                                              {"relative", DropType::kRelative}};
  const Json* max_drop = fields.find("max_drop");
  const bool by_name = max_drop != nullptr && max_drop->is_object();
  const auto is_object = [&](const char* key) { return fields.find(key) != nullptr && fields.find(key)->is_object(); };
  std::vector<std::string> names;
  if (by_name) {
    for (const auto& item : max_drop->items()) names.push_back(item.key());
    if (names.empty()) throw fields.wrong("max_drop", *max_drop, "a number, or a limit for each metric by its name");
  }
  for (const char* key : {"drop_type", "higher_is_better"}) {
    if (!is_object(key)) continue;
    if (!by_name) throw fields.wrong(key, *fields.find(key), "one value, as max_drop is one number,");
    for (const auto& item : fields.find(key)->items()) {
      if (std::ranges::find(names, item.key()) == names.end())
        throw InvalidArgument(fmt::format("option '{}' names the metric '{}', which has no limit in max_drop ({})", key,
                                          item.key(), fmt::join(names, ", ")));
    }
  }
  if (!is_object("drop_type"))
    options.drop_type = fields.choice<DropType>("drop_type", drop_types).value_or(options.drop_type);
  if (!is_object("higher_is_better"))
    options.higher_is_better = fields.boolean("higher_is_better").value_or(options.higher_is_better);
  if (!by_name) {
    options.max_drop = fields.number("max_drop").value_or(options.max_drop);
    return;
  }
  const auto of_each = [&](const char* key) {
    return Fields(is_object(key) ? *fields.find(key) : Json::object(), key, names);
  };
  const Fields limits = of_each("max_drop");
  const Fields types = of_each("drop_type");
  const Fields directions = of_each("higher_is_better");
  for (const std::string& name : names) {
    options.limits.push_back({name, limits.number(name).value_or(options.max_drop),
                              types.choice<DropType>(name, drop_types).value_or(options.drop_type),
                              directions.boolean(name).value_or(options.higher_is_better)});
  }
}

void check_limit(double max_drop, const std::string& name) {
  if (std::isfinite(max_drop) && max_drop >= 0) return;
  throw InvalidArgument(fmt::format("option '{}' is {}; a finite number of 0 or more is needed", name, max_drop));
}

}  // namespace

QuantizeOptions quantize_options_from_json(std::string_view json) {
  const Fields fields(
      parse(json), "",
      {"mode", "preset", "target_device", "subset_size", "fast_bias_correction", "model_type", "ignored_scope",
       "advanced_parameters", "advanced_quantization_parameters", "placement", "statistics_path", "weight_rounding"});
  QuantizeOptions options;
  options.mode =
      fields.choice<NumberFormat>("mode", {{"fp8_e4m3", NumberFormat::kF8E4M3}, {"fp8_e5m2", NumberFormat::kF8E5M2}})
          .value_or(options.mode);
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
  options.statistics_path = fields.text("statistics_path").value_or("");
  options.weight_rounding = fields.boolean("weight_rounding");
  options.subset_size = fields.integer("subset_size").value_or(options.subset_size);
  options.fast_bias_correction = fields.boolean("fast_bias_correction").value_or(options.fast_bias_correction);
  options.ignored_scope = read_ignored_scope(fields);
  read_advanced(fields, options);
  check(options);
  return options;
}

AccuracyOptions accuracy_options_from_json(std::string_view json) {
  constexpr std::int64_t kMostWorkers = 1024;
  const Fields fields(parse(json), "",
                      {"max_drop", "drop_type", "higher_is_better", "validation_device", "validation_precision",
                       "objective", "repair", "time_budget", "work_dir", "early_stopping", "measure_deployed",
                       "eval_requests_number", "advanced_accuracy_restorer_parameters"});
  AccuracyOptions options;
  read_limits(fields, options);
  options.eval_requests = read_requests(fields, "eval_requests_number");
  options.validation_device = fields.text("validation_device").value_or(options.validation_device);
  options.validation_precision = fields.text("validation_precision").value_or(options.validation_precision);
  options.objective =
      fields.choice<Objective>("objective", {{"operations", Objective::kOperations}, {"latency", Objective::kLatency}})
          .value_or(options.objective);
  options.repair = fields.boolean("repair").value_or(options.repair);
  options.time_budget = fields.number("time_budget");
  options.work_dir = fields.text("work_dir").value_or("");
  options.early_stopping = fields.boolean("early_stopping").value_or(options.early_stopping);
  options.measure_deployed = fields.boolean("measure_deployed").value_or(options.measure_deployed);

  const Fields restorer = fields.object("advanced_accuracy_restorer_parameters",
                                        {"max_num_iterations", "tune_hyperparams", "ranking_subset_size",
                                         "num_ranking_workers", "intermediate_model_dir", "restore_mode"});
  options.tune_hyperparams = restorer.boolean("tune_hyperparams").value_or(false);
  options.ranking_workers = static_cast<int>(std::clamp<std::int64_t>(
      restorer.integer("num_ranking_workers").value_or(options.ranking_workers), 0, kMostWorkers));
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
  const bool is_mixed = options.model_type && options.mode == NumberFormat::kInteger;
  const Preset preset = options.preset.value_or(is_mixed ? Preset::kMixed : Preset::kPerformance);
  return preset == Preset::kMixed ? Mode::kAsymmetric : Mode::kSymmetric;
}

void check(const QuantizeOptions& options) {
  if (options.subset_size < 1) {
    throw InvalidArgument(fmt::format("option 'subset_size' is {}; at least 1 is needed", options.subset_size));
  }
  for (const double alpha : {options.smooth_quant_alpha, options.smooth_quant_alpha_convolution}) {
    if (alpha <= 1) continue;
    throw InvalidArgument(
        fmt::format("an alpha of smooth-quant is {}; 0 to 1 is needed, or a negative value for none", alpha));
  }
  check_estimator(options.activation_range, "activations_range_estimator_params");
  check_estimator(options.weight_range, "weights_range_estimator_params");
  check_mode(options);
  if (options.activations.bits) checked_bits(*options.activations.bits, "activations_quantization_params.num_bits");
  if (options.weights.bits) checked_bits(*options.weights.bits, "weights_quantization_params.num_bits");
}

void check(const AccuracyOptions& options) {
  check_limit(options.max_drop, "max_drop");
  std::vector<std::string> names;
  for (const MetricLimit& limit : options.limits) {
    check_limit(limit.max_drop, "max_drop." + limit.name);
    if (std::ranges::find(names, limit.name) != names.end())
      throw InvalidArgument(
          fmt::format("option 'limits' has two limits of the metric '{}'; one is needed", limit.name));
    names.push_back(limit.name);
  }
  if (options.ranking_subset_size && *options.ranking_subset_size < 1) {
    throw InvalidArgument(
        fmt::format("option 'ranking_subset_size' is {}; at least 1 is needed", *options.ranking_subset_size));
  }
  if (options.ranking_workers < 1)
    throw InvalidArgument("option 'num_ranking_workers' is below 1; 1 or more is needed");
  if (options.time_budget && !(*options.time_budget > 0))
    throw InvalidArgument(
        fmt::format("option 'time_budget' is {}; a number of seconds above 0 is needed", *options.time_budget));
  if (options.max_num_iterations < 0) {
    throw InvalidArgument(
        fmt::format("option 'max_num_iterations' is {}; 0 or more is needed", options.max_num_iterations));
  }
}

}  // namespace tightrope
