// SPDX-License-Identifier: Apache-2.0
// A histogram whose range grows with the values, and the range in which rounding them to 8 bits costs least.
#pragma once

#include <span>
#include <utility>
#include <vector>

namespace tightrope {

// Formulas: docs/algorithms.md#statistics
class Histogram {
 public:
  // Values are clipped to [lowest, highest] first.
  Histogram(float lowest, float highest) : lowest_(lowest), highest_(highest) {}

  void add(std::span<const float> values);  // not empty, no NaN

  bool empty() const { return bins_.empty(); }

  // Infinite where a value was.
  std::pair<float, float> best_range() const;

 private:
  void widen_to(double low, double high);

  float lowest_;
  float highest_;
  double low_ = 0;
  double high_ = 0;
  std::vector<double> bins_;  // equally wide, from low_ to high_
};

}  // namespace tightrope
