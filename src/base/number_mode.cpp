// SPDX-License-Identifier: Apache-2.0
#include "base/number_mode.h"

#include <fmt/format.h>

#include "tightrope/error.h"

namespace tightrope {
namespace {

bool is_set(const ConfigConstraints& wish) {
  return wish.bits || wish.mode || wish.per_channel || wish.forced_sign || wish.narrow_range;
}

void refuse(std::string_view option, std::string_view found, std::string_view needed) {
  throw InvalidArgument(
      fmt::format("option '{}' is {}; with a mode of 8-bit floating point {} is needed", option, found, needed));
}

void check_constraints(const QuantizeOptions& options, const ConfigConstraints& wish, std::string_view option) {
  const bool is_integer = options.mode == NumberFormat::kInteger;
  if (is_integer && wish.format) {
    throw InvalidArgument(fmt::format(
        "option '{}' holds FP8 quantization parameters; 'mode' fp8_e4m3 or fp8_e5m2 is needed as well", option));
  }
  if (is_integer) return;
  if (is_set(wish)) refuse(option, "about integers", "FP8QuantizationParameters, or nothing,");
  if (wish.format == NumberFormat::kInteger) refuse(option, "integer", "f8e4m3 or f8e5m2");
}

}  // namespace

void check_mode(const QuantizeOptions& options) {
  check_constraints(options, options.activations, "activations_quantization_params");
  check_constraints(options, options.weights, "weights_quantization_params");
  if (options.mode == NumberFormat::kInteger) return;
  if (options.preset.value_or(Preset::kPerformance) != Preset::kPerformance) refuse("preset", "mixed", "performance");
  if (options.target_device != TargetDevice::kAny && options.target_device != TargetDevice::kCpu)
    refuse("target_device", "another device", "ANY or CPU");
  if (options.overflow_fix.value_or(OverflowFix::kDisable) != OverflowFix::kDisable)
    refuse("overflow_fix", "enable or first_layer_only", "disable");
  if (options.quantize_outputs) refuse("quantize_outputs", "true", "false");
}

}  // namespace tightrope
