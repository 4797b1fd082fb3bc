// SPDX-License-Identifier: Apache-2.0
// The distribution of any number of values in bounded memory.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace tightrope {

// Holds every value up to kExact. Whenever a level is full, every other one of its sorted values goes on to the next
// level, where each stands for twice as many: those at odd places and those at even ones in turn. So n values take up
// to kExact places on each of about log2(n / kExact) + 1 levels, and ranks are wrong by at most n / kExact for each
// level but the first. Nothing is random: the result depends on the values and their order alone.
class QuantileSketch {
 public:
  static constexpr std::size_t kExact = 4096;

  void add(std::span<const float> values);  // no NaN

  std::size_t count() const { return count_; }

  // All that is held, sorted, each value with how many it stands for.
  std::vector<std::pair<float, std::size_t>> sorted() const;

 private:
  struct Level {
    std::vector<float> values;
    bool odd = false;  // which half goes on next
  };
  void put(std::size_t level, float value);

  std::vector<Level> levels_;
  std::size_t count_ = 0;
};

// The median of what a sketch holds, or its mean; without what lies outside of the quantiles p and 1 - p, if p > 0.
float median_of(const QuantileSketch& sketch, double outlier_probability);
float mean_of(const QuantileSketch& sketch, double outlier_probability);

}  // namespace tightrope
