// SPDX-License-Identifier: Apache-2.0
#include "ranges/fit.h"

#include <fmt/format.h>

#include <limits>

#include "kernels/quantize.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

// No range is narrower: an 8-bit step of it is still above zero in half precision.
constexpr float kNarrowest = 8e-5F;

// Activation channels are widened to a hundredth of the widest one. Weights keep what they have: a narrow channel is as
// important as a wide one once its own scale has been taken out.
constexpr float kActivationFloor = 0.01F;
constexpr float kWeightFloor = 0.0F;
constexpr float kNarrowestWeight = 1e-20F;

int level_count(const QuantizerConfig& config, int bits) { return (1 << bits) - (config.narrow_range ? 1 : 0); }

Range symmetric(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                float floor, float narrowest, int bits) {
  const float widest = *std::max_element(magnitude.begin(), magnitude.end());
  const float threshold = std::max(floor * widest, narrowest);
  const bool negative = std::any_of(low.begin(), low.end(), [](float value) { return value < 0; });
  const bool has_sign = config.forced_sign.value_or(negative);
  Range range;
  range.levels = level_count(config, bits);
  // With an even number of levels there is one more below zero than above.
  const auto levels = static_cast<float>(range.levels);
  const float stretch = config.narrow_range ? 1.0F : levels / (levels - 2.0F);
  for (const float value : magnitude) {
    const float high = std::max(value, threshold);
    range.high.push_back(high);
    range.low.push_back(has_sign ? -high * stretch : 0.0F);
  }
  return range;
}

float level_of_zero(float low, float high, float steps) { return std::nearbyint(-low * steps / (high - low)); }

// Moves one end outwards so that zero is a level, and keeps the other: of the two ways the one that gives the wider
// range.
void align_zero(float& low, float& high, float steps) {
  const float zero = level_of_zero(low, high, steps);
  const float moved_low = zero < steps ? zero / (zero - steps) * high : low;
  const float moved_high = zero > 0 ? (zero - steps) / zero * low : high;
  if (high - moved_low > moved_high - low)
    low = moved_low;
  else
    high = moved_high;
}

// Moves an end that is less than half a step away from zero there.
void cut_at_zero(float& low, float& high, float steps) {
  const float zero = level_of_zero(low, high, steps);
  if (zero == 0) low = 0;
  if (zero == steps) high = 0;
}

Range half_range(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                 float floor, float narrowest) {
  if (config.mode != Mode::kSymmetric) {
    throw InvalidArgument(
        "[ranges] half range needs symmetric weights; set overflow_fix to disable for asymmetric ones");
  }
  if (config.bits < 3) {
    throw InvalidArgument(
        fmt::format("[ranges] half range of {} bits leaves no level but zero; set overflow_fix to disable, or take at "
                    "least 3 bits for weights",
                    config.bits));
  }
  Range range = symmetric(low, magnitude, config, floor, narrowest, config.bits - 1);
  range.levels = level_count(config, config.bits);
  const float half = static_cast<float>(1 << (config.bits - 1));
  const float upwards = config.narrow_range ? 2.0F : (half - 1.0F) / (half / 2.0F - 1.0F);  // where steps stay equal
  for (float& value : range.low) value *= 2.0F;
  for (float& value : range.high) value *= upwards;
  return range;
}

}  // namespace

Range fit_symmetric(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                    float floor) {
  return symmetric(low, magnitude, config, floor, kNarrowest, config.bits);
}

Range fit_asymmetric(std::span<const float> low, std::span<const float> high, const QuantizerConfig& config) {
  constexpr float kNarrow = 8e-4F;
  Range range;
  range.levels = level_count(config, config.bits);
  for (std::size_t i = 0; i < low.size(); ++i) {
    const float widening = high[i] - low[i] <= kNarrow ? kNarrow : 0.0F;
    float from = std::min(low[i] - widening, 0.0F);
    float to = std::max(high[i] + widening, 0.0F);
    align_zero(from, to, static_cast<float>(range.levels - 1));
    range.low.push_back(from);
    range.high.push_back(to);
  }
  return range;
}

Range fit_half_range(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                     float floor) {
  return half_range(low, magnitude, config, floor, kNarrowest);
}

Range fit_asymmetric_weight(std::span<const float> low, std::span<const float> high, const QuantizerConfig& config) {
  Range range;
  range.levels = level_count(config, config.bits);
  const auto steps = static_cast<float>(range.levels - 1);
  for (std::size_t i = 0; i < low.size(); ++i) {
    float from = std::min(low[i], 0.0F);
    float to = std::max(high[i], 0.0F);
    if (to - from < kNarrowestWeight) to = kNarrowestWeight;
    cut_at_zero(from, to, steps);
    if (from < 0 && to > 0) align_zero(from, to, steps);
    range.low.push_back(from);
    range.high.push_back(to);
  }
  return range;
}

Range fit_float8(const Observed& observed, const QuantizerConfig& config) {
  const float headroom = config.per_channel ? 1.0F : 2.0F;
  Range range;
  for (std::size_t i = 0; i < observed.low.size(); ++i) {
    const float below = std::abs(observed.low[i]) + std::numeric_limits<float>::epsilon();
    range.high.push_back(headroom * std::max(observed.magnitude[i], below));
    range.low.push_back(-range.high.back());
  }
  return range;
}

Range fit_activation(const Observed& observed, const QuantizerConfig& config) {
  if (config.format != NumberFormat::kInteger) return fit_float8(observed, config);
  if (config.mode == Mode::kAsymmetric) return fit_asymmetric(observed.low, observed.high, config);
  return fit_symmetric(observed.low, observed.magnitude, config, kActivationFloor);
}

Observed observed_in(const Tensor& weight, std::span<const int> channel_axes) {
  Extremes extremes = extremes_of(weight.as<float>(), weight.shape(), channel_axes);
  Observed observed{std::move(extremes.low), std::move(extremes.high), {}, {}};
  for (std::size_t i = 0; i < observed.low.size(); ++i) {
    observed.magnitude.push_back(std::max(std::abs(observed.low[i]), std::abs(observed.high[i])));
    if (!std::isfinite(observed.magnitude.back()))
      throw InvalidArgument(fmt::format("[ranges] channel {} of the weight is not finite", i));
  }
  return observed;
}

Range fit_weight(const Tensor& weight, std::span<const int> channel_axes, const QuantizerConfig& config,
                 bool use_half_range) {
  return fit_weight(observed_in(weight, channel_axes), config, use_half_range);
}

Range fit_weight(const Observed& observed, const QuantizerConfig& config, bool use_half_range) {
  if (config.format != NumberFormat::kInteger) return fit_float8(observed, config);
  if (config.mode == Mode::kAsymmetric && !use_half_range)
    return fit_asymmetric_weight(observed.low, observed.high, config);
  if (use_half_range) return half_range(observed.low, observed.magnitude, config, kWeightFloor, kNarrowestWeight);
  return symmetric(observed.low, observed.magnitude, config, kWeightFloor, kNarrowestWeight, config.bits);
}

Observed united(std::span<const Observed> observed) {
  Observed result = observed.front();
  for (const Observed& other : observed.subspan(1)) {
    for (std::size_t i = 0; i < result.low.size(); ++i) {
      result.low[i] = std::min(result.low[i], other.low[i]);
      result.high[i] = std::max(result.high[i], other.high[i]);
      result.magnitude[i] = std::max(result.magnitude[i], other.magnitude[i]);
    }
  }
  return result;
}

}  // namespace tightrope
