// SPDX-License-Identifier: Apache-2.0
#include "devices/configs.h"

namespace tightrope {

bool computes_in_int8(OpKind kind) {
  switch (kind) {
    case OpKind::kConvolution:
    case OpKind::kDepthwiseConvolution:
    case OpKind::kGroupConvolution:
    case OpKind::kTransposedConvolution:
    case OpKind::kGroupTransposedConvolution:
    case OpKind::kMatMul:
      return true;
    default:
      return false;
  }
}

std::vector<QuantizerConfig> activation_configs(OpKind kind, Preset preset) {
  QuantizerConfig per_tensor;
  per_tensor.mode = preset == Preset::kMixed ? Mode::kAsymmetric : Mode::kSymmetric;
  if (kind != OpKind::kDepthwiseConvolution) return {per_tensor};
  QuantizerConfig per_channel = per_tensor;  // channels do not mix, so each may have a scale of its own
  per_channel.per_channel = true;
  return {per_channel, per_tensor};
}

QuantizerConfig weight_config() {
  QuantizerConfig config;
  config.per_channel = true;
  config.narrow_range = true;
  config.forced_sign = true;
  return config;
}

}  // namespace tightrope
