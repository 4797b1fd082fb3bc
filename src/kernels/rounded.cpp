// SPDX-License-Identifier: Apache-2.0
#include "kernels/rounded.h"

#include "kernels/channels.h"
#include "kernels/float8.h"
#include "kernels/quantize.h"

namespace tightrope {

std::vector<float> rounded(std::span<const float> values, const Shape& shape, const Quantizer& quantizer) {
  const Range& range = quantizer.range;
  const std::vector<int> axes = range.low.size() == 1 ? std::vector<int>() : quantizer.channel_axes;
  std::vector<float> result(values.size());
  const auto set = [&](const auto& value) {
    for_each_run(shape, axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
      for (std::size_t i = offset; i < offset + length; ++i, channel += step) result[i] = value(i, channel);
    });
  };
  if (quantizer.config.format != NumberFormat::kInteger) {
    const Float8Tensor packed = float8_tensor(values, shape, axes, range, quantizer.config.format);
    set([&](std::size_t i, std::size_t channel) { return packed.levels[i] / packed.scale[channel]; });
    return result;
  }
  const QuantizedTensor packed = quantize_tensor(values, shape, axes, range, quantizer.rounding);
  set([&](std::size_t i, std::size_t channel) {
    const float zero_point = packed.zero_point.empty() ? 0.0F : packed.zero_point[channel];
    return packed.scale[channel] * (static_cast<float>(packed.levels[i]) - zero_point);
  });
  return result;
}

}  // namespace tightrope
