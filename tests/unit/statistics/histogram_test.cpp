// SPDX-License-Identifier: Apache-2.0
#include "statistics/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace tightrope {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> normal_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; i += 2) {  // Box and Muller: the standard's distribution differs by library
    const double u = (static_cast<double>(random()) + 1) / 4294967297.0;
    const double angle = 2 * M_PI * static_cast<double>(random()) / 4294967296.0;
    values.push_back(static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(angle)));
    values.push_back(static_cast<float>(std::sqrt(-2 * std::log(u)) * std::sin(angle)));
  }
  return values;
}

// The squared error of rounding to 256 levels in the middle of equal cells.
double rounding_error(const std::vector<float>& values, float low, float high) {
  const double cell = (static_cast<double>(high) - static_cast<double>(low)) / 256;
  double error = 0;
  for (const float value : values) {
    const double index =
        std::clamp(std::floor((static_cast<double>(value) - static_cast<double>(low)) / cell), 0.0, 255.0);
    error += std::pow(static_cast<double>(value) - (static_cast<double>(low) + (index + 0.5) * cell), 2);
  }
  return error;
}

TEST(Histogram, KeepsTheWholeRangeOfEvenlySpreadValues) {
  Histogram histogram(-kInfinity, kInfinity);
  std::vector<float> values;
  for (int i = 0; i <= 100'000; ++i) values.push_back(static_cast<float>(i) / 1e5F);
  histogram.add(values);
  const auto [low, high] = histogram.best_range();
  EXPECT_NEAR(low, 0, 2e-3);
  EXPECT_NEAR(high, 1, 2e-3);
}

TEST(Histogram, GivesUpRareValuesWhereThatCostsLess) {
  Histogram histogram(-kInfinity, kInfinity);
  std::vector<float> values = normal_values(1'000'000, 3);
  values.push_back(20);
  histogram.add(values);
  const auto [low, high] = histogram.best_range();
  EXPECT_LT(high, 6);
  EXPECT_GT(low, -6);
  EXPECT_LT(rounding_error(values, low, high), 0.7 * rounding_error(values, -5, 20));
}

TEST(Histogram, GrowsWithItsValues) {
  Histogram grown(-kInfinity, kInfinity);
  Histogram at_once(-kInfinity, kInfinity);
  std::vector<float> all;
  for (unsigned item = 0; item < 8; ++item) {
    std::vector<float> values = normal_values(20'000, item);
    for (float& value : values) value *= static_cast<float>(1 + item);
    grown.add(values);
    all.insert(all.end(), values.begin(), values.end());
  }
  at_once.add(all);
  const auto [low, high] = grown.best_range();
  EXPECT_NEAR(low, at_once.best_range().first, 0.02 * (high - low));
  EXPECT_NEAR(high, at_once.best_range().second, 0.02 * (high - low));
}

TEST(Histogram, IsThatValueWhereThereIsOnlyOne) {
  Histogram histogram(-kInfinity, kInfinity);
  histogram.add(std::vector<float>{3, 3});
  histogram.add(std::vector<float>{3});
  EXPECT_EQ(histogram.best_range(), std::pair(3.0F, 3.0F));
  histogram.add(std::vector<float>{1, 2});
  EXPECT_LE(histogram.best_range().first, 1.01F);
  EXPECT_GE(histogram.best_range().second, 2.99F);
}

TEST(Histogram, ClipsItsValues) {
  Histogram histogram(-1, 2);
  histogram.add(std::vector<float>{-kInfinity, -5, 0, 7, kInfinity});
  const auto [low, high] = histogram.best_range();
  EXPECT_GE(low, -1);
  EXPECT_LE(high, 2);
}

TEST(Histogram, IsInfiniteWhereAValueIs) {
  Histogram histogram(-kInfinity, kInfinity);
  histogram.add(std::vector<float>{1, 2});
  histogram.add(std::vector<float>{0, kInfinity});
  histogram.add(std::vector<float>{-3});
  EXPECT_EQ(histogram.best_range(), std::pair(-3.0F, kInfinity));
}

}  // namespace
}  // namespace tightrope
