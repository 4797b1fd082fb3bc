// SPDX-License-Identifier: Apache-2.0
#include "statistics/sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace tightrope {
namespace {

QuantileSketch sketch_of(const std::vector<float>& values) {
  QuantileSketch sketch;
  sketch.add(values);
  return sketch;
}

// The numbers from 1 to n in a random order.
std::vector<float> shuffled(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0F);
  std::ranges::shuffle(values, std::mt19937(7));
  return values;
}

TEST(QuantileSketch, IsExactForFewValues) {
  EXPECT_EQ(median_of(sketch_of({3}), 0), 3);
  EXPECT_EQ(median_of(sketch_of({3, 1, 2, 10}), 0), 2.5F);
  EXPECT_EQ(mean_of(sketch_of({3, 1, 2, 10}), 0), 4);
  EXPECT_EQ(median_of(sketch_of(shuffled(QuantileSketch::kExact)), 0), (1 + QuantileSketch::kExact) / 2.0F);
}

TEST(QuantileSketch, LeavesOutWhatLiesOutsideOfTheQuantiles) {
  const QuantileSketch sketch = sketch_of({-100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 900});  // quantiles of 0.1: 1 and 9
  EXPECT_EQ(mean_of(sketch, 0.1), 5);
  EXPECT_EQ(median_of(sketch, 0.1), 5);
  EXPECT_EQ(mean_of(sketch_of({1, 2}), 0.4), 1.5F) << "all of them, where nothing would be left";
}

TEST(QuantileSketch, HoldsFewOfManyValuesAndKeepsTheirRanks) {
  for (const std::size_t n : {5000U, 100'000U}) {
    for (const bool in_order : {false, true}) {
      std::vector<float> values = shuffled(n);
      if (in_order) std::ranges::sort(values);
      const auto held = sketch_of(values).sorted();
      const double levels = std::ceil(std::log2(static_cast<double>(n) / QuantileSketch::kExact));
      EXPECT_LE(static_cast<double>(held.size()), QuantileSketch::kExact * (levels + 1));
      std::size_t rank = 0;  // a value's own is the value itself
      double worst = 0;
      for (const auto& [value, weight] : held) {
        rank += weight;
        worst = std::max(worst, std::abs(static_cast<double>(value) - static_cast<double>(rank)));
      }
      EXPECT_EQ(rank, n) << "nothing is lost";
      EXPECT_LE(worst, levels * static_cast<double>(n) / QuantileSketch::kExact + std::exp2(levels));
    }
  }
}

TEST(QuantileSketch, DoesNotDependOnHowValuesAreHandedOver) {
  const std::vector<float> values = shuffled(20'000);
  QuantileSketch one_by_one;
  for (const float value : values) one_by_one.add(std::span(&value, 1));
  EXPECT_EQ(one_by_one.sorted(), sketch_of(values).sorted());
}

}  // namespace
}  // namespace tightrope
