// SPDX-License-Identifier: Apache-2.0
#include "devices/tables.h"

#include <fmt/format.h>

#include "tightrope/error.h"

namespace tightrope {
namespace {

using Configs = std::vector<QuantizerConfig>;

QuantizerConfig config_of(int bits, Mode mode, bool per_channel, bool narrow = false, std::optional<bool> sign = {}) {
  return {bits, mode, per_channel, narrow, sign};
}

// Symmetric before asymmetric, per channel (where there is such a kernel) before per tensor.
Configs activations(int bits, bool per_channel) {
  Configs configs;
  for (const Mode mode : {Mode::kSymmetric, Mode::kAsymmetric}) {
    if (per_channel) configs.push_back(config_of(bits, mode, true));
    configs.push_back(config_of(bits, mode, false));
  }
  return configs;
}

Configs symmetric_weights(int bits) {
  return {config_of(bits, Mode::kSymmetric, true, true, true), config_of(bits, Mode::kSymmetric, false, true, true)};
}

// Tables have no accumulators that a range of even length could overflow.
Configs symmetric_table(int bits) {
  Configs configs;
  for (const bool per_channel : {true, false}) {
    for (const bool narrow : {true, false})
      configs.push_back(config_of(bits, Mode::kSymmetric, per_channel, narrow, true));
  }
  return configs;
}

Configs asymmetric_weights(int bits) {
  return {config_of(bits, Mode::kAsymmetric, true), config_of(bits, Mode::kAsymmetric, false)};
}

Configs small_weights(int bits) {
  return {config_of(bits, Mode::kSymmetric, true), config_of(bits, Mode::kSymmetric, false)};
}

const QuantizerConfig kFourBits = config_of(4, Mode::kSymmetric, false);

Configs joined(std::initializer_list<Configs> parts) {
  Configs configs;
  for (const Configs& part : parts) configs.insert(configs.end(), part.begin(), part.end());
  return configs;
}

// Rows of the device tables: an empty one stands for operations that no table restricts.
Configs activation_row(DeviceOp op, TargetDevice device) {
  const bool npu = device == TargetDevice::kNpu;
  switch (op) {
    case DeviceOp::kConvolution:
    case DeviceOp::kMatMul:
    case DeviceOp::kArithmetic:
      return joined({activations(8, false), activations(16, false), npu ? Configs{kFourBits} : Configs{}});
    case DeviceOp::kDepthwiseConvolution:
      return joined({activations(8, true), activations(16, true)});
    case DeviceOp::kComparison:
    case DeviceOp::kLogicalNot:
    case DeviceOp::kMath:
    case DeviceOp::kRecurrent:
      return joined({activations(8, false), activations(16, false)});
    case DeviceOp::kInterpolate:
      return device == TargetDevice::kGpu || npu ? Configs{} : activations(8, false);
    case DeviceOp::kAttention:
      return {config_of(8, Mode::kSymmetric, false), config_of(16, Mode::kSymmetric, false)};
    case DeviceOp::kUnlisted:
    case DeviceOp::kConcat:
    case DeviceOp::kEmbedding:
    case DeviceOp::kUnquantized:
      break;
  }
  return {};
}

Configs weight_row(DeviceOp op, TargetDevice device) {
  const bool npu = device == TargetDevice::kNpu;
  const auto full = [] {
    return joined({symmetric_weights(8), asymmetric_weights(8), symmetric_weights(16), asymmetric_weights(16)});
  };
  switch (op) {
    case DeviceOp::kConvolution:
      return joined({full(), npu ? small_weights(4) : Configs{}});
    case DeviceOp::kDepthwiseConvolution:
    case DeviceOp::kMatMul:
      return joined({full(), npu ? joined({small_weights(4), small_weights(2)}) : Configs{}});
    case DeviceOp::kRecurrent:
      return joined({symmetric_weights(8), symmetric_weights(16)});
    case DeviceOp::kEmbedding:
      return joined({symmetric_table(8), asymmetric_weights(8), symmetric_table(16), asymmetric_weights(16)});
    default:
      return {};
  }
}

// Numbers of 8-bit floating point go where 8-bit integers would.
Configs in_format(Configs configs, const QuantizeOptions& options, const ConfigConstraints& wish) {
  for (QuantizerConfig& config : configs) config.format = wish.format.value_or(options.mode);
  return configs;
}

bool allows(const ConfigConstraints& wish, const QuantizerConfig& config) {
  return wish.bits.value_or(config.bits) == config.bits && wish.mode.value_or(config.mode) == config.mode &&
         wish.per_channel.value_or(config.per_channel) == config.per_channel &&
         wish.narrow_range.value_or(config.narrow_range) == config.narrow_range &&
         (!wish.forced_sign || wish.forced_sign == config.forced_sign);
}

std::string text_of(const ConfigConstraints& wish) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (wish.bits) add(fmt::format("{} bits", *wish.bits));
  if (wish.mode) add(*wish.mode == Mode::kSymmetric ? "symmetric" : "asymmetric");
  if (wish.per_channel) add(*wish.per_channel ? "per channel" : "per tensor");
  if (wish.forced_sign) add(*wish.forced_sign ? "forced to be signed" : "forced to be unsigned");
  if (wish.narrow_range) add(*wish.narrow_range ? "narrow range" : "full range");
  return text;
}

std::string_view name_of(TargetDevice device) {
  switch (device) {
    case TargetDevice::kAny:
      return "ANY";
    case TargetDevice::kCpu:
      return "CPU";
    case TargetDevice::kCpuSpr:
      return "CPU_SPR";
    case TargetDevice::kGpu:
      return "GPU";
    case TargetDevice::kNpu:
      return "NPU";
  }
  return {};
}

ConfigConstraints activation_wish(const QuantizeOptions& options) {
  ConfigConstraints wish = options.activations;
  wish.mode = activation_mode(options);
  return wish;
}

Configs filtered(Configs configs, const ConfigConstraints& wish, const Node& node, std::string_view what,
                 TargetDevice device) {
  std::erase_if(configs, [&](const QuantizerConfig& config) { return !allows(wish, config); });
  if (!configs.empty()) return configs;
  throw InvalidArgument(
      fmt::format("[placement] node '{}' ({}): device {} has no kernel for {} of this kind: {}; other quantization "
                  "parameters, or the node in the ignored scope, are needed",
                  node.name, node.type, name_of(device), what, text_of(wish)));
}

}  // namespace

bool is_convolution(OpKind kind) {
  switch (kind) {
    case OpKind::kConvolution:
    case OpKind::kDepthwiseConvolution:
    case OpKind::kGroupConvolution:
    case OpKind::kTransposedConvolution:
    case OpKind::kGroupTransposedConvolution:
      return true;
    default:
      return false;
  }
}

bool computes_in_int8(OpKind kind) {
  return is_convolution(kind) || kind == OpKind::kMatMul || kind == OpKind::kAttention;
}

bool has_eight_bits(const QuantizeOptions& options) {
  return options.activations.bits.value_or(8) == 8 && options.weights.bits.value_or(8) == 8;
}

TargetDevice effective_device(const QuantizeOptions& options) {
  const bool own_tables = options.target_device == TargetDevice::kGpu || options.target_device == TargetDevice::kNpu;
  return own_tables && has_eight_bits(options) ? TargetDevice::kCpu : options.target_device;
}

std::vector<QuantizerConfig> output_configs(const QuantizeOptions& options) {
  const ConfigConstraints& wish = options.activations;
  return in_format({config_of(wish.bits.value_or(8), activation_mode(options), wish.per_channel.value_or(false),
                              wish.narrow_range.value_or(false), wish.forced_sign)},
                   options, wish);
}

std::vector<QuantizerConfig> activation_configs(const Node& node, const QuantizeOptions& options) {
  if (node.device_op == DeviceOp::kUnlisted) return output_configs(options);
  const TargetDevice device = effective_device(options);
  Configs row = activation_row(node.device_op, device);
  if (row.empty()) return in_format({config_of(8, Mode::kSymmetric, false)}, options, options.activations);
  ConfigConstraints wish = activation_wish(options);
  if (node.device_op == DeviceOp::kAttention) wish.mode = Mode::kSymmetric;
  Configs configs = filtered(std::move(row), wish, node, "activations", options.target_device);
  if (needs_one_scale(node.device_op, device)) std::erase_if(configs, &QuantizerConfig::per_channel);
  return in_format(std::move(configs), options, options.activations);
}

std::vector<QuantizerConfig> weight_configs(const Node& node, const QuantizeOptions& options) {
  ConfigConstraints wish = options.weights;
  wish.mode = wish.mode.value_or(Mode::kSymmetric);
  return in_format(
      filtered(weight_row(node.device_op, effective_device(options)), wish, node, "weights", options.target_device),
      options, options.weights);
}

bool needs_one_scale(DeviceOp op, TargetDevice effective) {
  return effective == TargetDevice::kNpu && (op == DeviceOp::kArithmetic || op == DeviceOp::kComparison);
}

}  // namespace tightrope
