// SPDX-License-Identifier: Apache-2.0
// Turns what calibration observed into the ranges of quantizers.
#pragma once

#include <span>

#include "statistics/request.h"
#include "tightrope/plan.h"

namespace tightrope {

// Symmetric: the largest magnitude decides, zero is a level, and a tensor without negative values uses levels from 0
// on. `low` decides on the sign; `magnitude` holds the largest magnitudes. One entry, or one per channel. Channels
// narrower than `floor` times the widest get that width. Formula: docs/algorithms.md#symmetric
Range fit_symmetric(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                    float floor);

// Asymmetric: the range is widened to contain zero and then so that zero is a level; it never shrinks. Where zero is
// nearest to the lowest or highest level already, it may miss that by up to half a step.
// Formula: docs/algorithms.md#asymmetric
Range fit_asymmetric(std::span<const float> low, std::span<const float> high, const QuantizerConfig& config);

// Asymmetric, of a weight: zero is a level in any case, because devices round zero points to whole levels. An end less
// than half a step away from zero moves there; otherwise the range never shrinks, and narrow channels stay narrow.
// Formula: docs/algorithms.md#asymmetric
Range fit_asymmetric_weight(std::span<const float> low, std::span<const float> high, const QuantizerConfig& config);

// Weights at half the levels, so that sums of products stay small: the range of one bit less (7 of 8), on levels of the
// same step. Throws InvalidArgument unless symmetric, of at least 3 bits. Formula: docs/algorithms.md#half-range
Range fit_half_range(std::span<const float> low, std::span<const float> magnitude, const QuantizerConfig& config,
                     float floor);

// 8-bit floating point: the largest number of the format stands for the largest magnitude, and for twice that with one
// scale per tensor. Formula: docs/algorithms.md#8-bit-floating-point
Range fit_float8(const Observed& observed, const QuantizerConfig& config);

// Of activations.
Range fit_activation(const Observed& observed, const QuantizerConfig& config);

// The extremes of a weight's elements. Throws InvalidArgument for elements that are not finite.
Observed observed_in(const Tensor& weight, std::span<const int> channel_axes);

// Of a weight.
Range fit_weight(const Observed& observed, const QuantizerConfig& config, bool half_range);

// Of a weight, from the extremes of its elements. Throws InvalidArgument for elements that are not finite.
Range fit_weight(const Tensor& weight, std::span<const int> channel_axes, const QuantizerConfig& config,
                 bool half_range);

// One range for quantizers that share their scale: the union of what they observed.
Observed united(std::span<const Observed> observed);

}  // namespace tightrope
