// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <set>

#include "base/json.h"
#include "base/packed.h"
#include "tightrope/error.h"
#include "tightrope/plan.h"

namespace tightrope {
namespace {

constexpr std::string_view kDocument = "plan";
constexpr int kVersion = 3;

constexpr std::array<std::string_view, 3> kKinds = {"output", "input", "weight"};      // in the order of SiteKind
constexpr std::array<std::string_view, 2> kModes = {"symmetric", "asymmetric"};        // in the order of Mode
constexpr std::array<std::string_view, 3> kFormats = {"integer", "f8e4m3", "f8e5m2"};  // in the order of NumberFormat

// The enumerator whose name stands under `key`.
template <typename Enum, std::size_t count>
Enum read_enum(ObjectReader& reader, const std::string& key, const std::array<std::string_view, count>& names) {
  const std::string found = reader.text(key);
  for (std::size_t i = 0; i < count; ++i) {
    if (names[i] == found) return static_cast<Enum>(i);
  }
  reader.fail(key, fmt::format("found '{}'; one of {} is needed", found, fmt::join(names, ", ")));
}

Json json_of(const std::vector<float>& values) {
  Json result = Json::array();
  for (const float value : values) result.push_back(to_json_number(value));
  return result;
}

Json json_of(const Quantizer& quantizer) {
  const QuantizerConfig& config = quantizer.config;
  Json result;
  result["kind"] = kKinds[static_cast<std::size_t>(quantizer.kind)];
  result["node"] = quantizer.node;
  result["port"] = quantizer.port;
  result["operations"] = quantizer.operations;
  result["channel_axes"] = quantizer.channel_axes;
  result["config"] = {{"bits", config.bits},
                      {"mode", kModes[static_cast<std::size_t>(config.mode)]},
                      {"per_channel", config.per_channel},
                      {"narrow_range", config.narrow_range},
                      {"forced_sign", config.forced_sign ? Json(*config.forced_sign) : Json()}};
  if (config.format != NumberFormat::kInteger)
    result["config"]["format"] = kFormats[static_cast<std::size_t>(config.format)];
  result["half_range"] = quantizer.half_range;
  result["shared_scale"] = quantizer.shared_scale;
  if (!quantizer.smoothing.empty()) {
    result["smoothing"] = json_of(quantizer.smoothing);
    result["smoothing_axis"] = quantizer.smoothing_axis;
  }
  if (!quantizer.rounding.empty()) result["rounding"] = packed(quantizer.rounding);
  result["range"] = {{"low", json_of(quantizer.range.low)},
                     {"high", json_of(quantizer.range.high)},
                     {"levels", quantizer.range.levels}};
  return result;
}

QuantizerConfig read_config(ObjectReader reader) {
  QuantizerConfig config;
  config.bits = reader.small_integer("bits");
  config.mode = read_enum<Mode>(reader, "mode", kModes);
  config.per_channel = reader.boolean("per_channel");
  config.narrow_range = reader.boolean("narrow_range");
  config.forced_sign = reader.optional_boolean("forced_sign");
  if (reader.has("format")) config.format = read_enum<NumberFormat>(reader, "format", kFormats);
  reader.finish();
  return config;
}

Range read_range(ObjectReader reader) {
  Range range;
  range.low = reader.floats("low");
  range.high = reader.floats("high");
  range.levels = reader.small_integer("levels");
  if (range.low.size() != range.high.size()) {
    reader.fail("high", fmt::format("found {} numbers; as many as in 'low', {}, are needed", range.high.size(),
                                    range.low.size()));
  }
  if (range.levels < 2) reader.fail("levels", fmt::format("found {}; at least 2 are needed", range.levels));
  reader.finish();
  return range;
}

Quantizer read_quantizer(ObjectReader& reader) {
  Quantizer quantizer;
  quantizer.kind = read_enum<SiteKind>(reader, "kind", kKinds);
  quantizer.node = reader.text("node");
  quantizer.port = reader.small_integer("port");
  quantizer.operations = reader.texts("operations");
  quantizer.channel_axes = reader.small_integers("channel_axes");
  quantizer.config = read_config(reader.object("config"));
  quantizer.half_range = reader.boolean("half_range");
  quantizer.shared_scale = reader.small_integer("shared_scale");
  if (reader.has("smoothing")) {
    quantizer.smoothing = reader.floats("smoothing");
    quantizer.smoothing_axis = reader.small_integer("smoothing_axis");
  }
  if (reader.has("rounding")) {
    const std::string text = reader.text("rounding");
    auto rounding = unpacked(text);
    if (!rounding) reader.fail("rounding", "found text that no list of steps was packed into; one is needed");
    quantizer.rounding = std::move(*rounding);
  }
  quantizer.range = read_range(reader.object("range"));
  reader.finish();
  return quantizer;
}

Json json_of(const Rescaling& rescaling) {
  Json constants = Json::array();
  for (const AdjustedConstant& constant : rescaling.constants) {
    Json result;
    result["node"] = constant.node;
    result["port"] = constant.port;
    result["axes"] = constant.axes;
    result["factors"] = json_of(constant.factors);
    if (!constant.addends.empty()) result["addends"] = json_of(constant.addends);
    constants.push_back(std::move(result));
  }
  return {{"constants", std::move(constants)}};
}

AdjustedConstant read_adjusted(ObjectReader& reader) {
  AdjustedConstant constant;
  constant.node = reader.text("node");
  constant.port = reader.small_integer("port");
  constant.axes = reader.small_integers("axes");
  constant.factors = reader.floats("factors");
  if (reader.has("addends")) constant.addends = reader.floats("addends");
  if (!constant.addends.empty() && constant.addends.size() != constant.factors.size()) {
    reader.fail("addends", fmt::format("found {} numbers; as many as in 'factors', {}, are needed",
                                       constant.addends.size(), constant.factors.size()));
  }
  reader.finish();
  return constant;
}

}  // namespace

std::string to_json(const Plan& plan) {
  Json json = start_document(kDocument, kVersion);
  json["quantizers"] = Json::array();
  json["bias_shifts"] = Json::array();
  for (const Quantizer& quantizer : plan.quantizers) json["quantizers"].push_back(json_of(quantizer));
  for (const BiasShift& shift : plan.bias_shifts) {
    Json entry = {{"node", shift.node}, {"shift", json_of(shift.shift)}};
    if (shift.of_weight) entry["of_weight"] = json_of(*shift.of_weight);
    json["bias_shifts"].push_back(std::move(entry));
  }
  json["followers"] = Json::array();
  for (const Follower& follower : plan.followers) {
    json["followers"].push_back({{"operation", follower.operation}, {"convolution", follower.convolution}});
  }
  json["rescalings"] = Json::array();
  for (const Rescaling& rescaling : plan.rescalings) json["rescalings"].push_back(json_of(rescaling));
  if (!plan.compress_weights) json["compress_weights"] = false;
  return readable_text(json);
}

Plan plan_from_json(std::string_view text) {
  const Json json = parse_document(text, kDocument, kVersion);
  ObjectReader reader(json, "[plan] ");
  reader.text("format");
  reader.integer("version");
  Plan plan;
  for (ObjectReader& quantizer : reader.objects("quantizers")) plan.quantizers.push_back(read_quantizer(quantizer));
  for (ObjectReader& shift : reader.objects("bias_shifts")) {
    plan.bias_shifts.push_back({shift.text("node"), shift.floats("shift")});
    if (shift.has("of_weight")) plan.bias_shifts.back().of_weight = shift.floats("of_weight");
    shift.finish();
  }
  for (ObjectReader& follower : reader.objects("followers")) {
    plan.followers.push_back({follower.text("operation"), follower.text("convolution")});
    follower.finish();
  }
  for (ObjectReader& rescaling : reader.objects("rescalings")) {
    plan.rescalings.emplace_back();
    for (ObjectReader& constant : rescaling.objects("constants"))
      plan.rescalings.back().constants.push_back(read_adjusted(constant));
    rescaling.finish();
  }
  if (reader.has("compress_weights")) plan.compress_weights = reader.boolean("compress_weights");
  reader.finish();
  return plan;
}

std::vector<std::string> quantized_operations(const Plan& plan) {
  std::set<std::string> names;
  for (const Quantizer& quantizer : plan.quantizers) {
    // A weight in 8 bits alone does not make its operation run in 8 bits.
    if (quantizer.kind != SiteKind::kWeight) names.insert(quantizer.operations.begin(), quantizer.operations.end());
  }
  return {names.begin(), names.end()};
}

}  // namespace tightrope
