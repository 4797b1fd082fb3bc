// SPDX-License-Identifier: Apache-2.0
// Quantiles of large tensors, exact and without a copy.
#pragma once

#include <span>
#include <vector>

namespace tightrope {

// Where a quantile lies among sorted values: at `rank`, and by `weight` towards the next one.
struct Position {
  std::size_t rank;
  double weight;
};
Position position_of(double probability, std::size_t count);
float between(float value, float next, double weight);

// The quantiles of `values`, or of their magnitudes, interpolated linearly between neighbours. `values` holds no NaN
// and is not empty.
std::vector<float> quantiles_of(std::span<const float> values, std::span<const double> probabilities,
                                bool of_magnitudes);

}  // namespace tightrope
