// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace tightrope {
namespace {

using testing::ElementsAre;

TEST(Quantiles, AreInterpolatedBetweenNeighbours) {
  const std::vector<float> values = {5, -1, 3, 0};
  EXPECT_THAT(quantiles_of(values, std::vector{0.0, 0.5, 0.75, 1.0}, false), ElementsAre(-1, 1.5F, 3.5F, 5));
  EXPECT_THAT(quantiles_of(std::vector{2.0F}, std::vector{0.3}, false), ElementsAre(2));
}

TEST(Quantiles, OfMagnitudesIgnoreTheSign) {
  const std::vector<float> values = {5, -1, 3, 0};
  EXPECT_THAT(quantiles_of(values, std::vector{0.0, 0.5, 1.0}, true), ElementsAre(0, 2, 5));
}

TEST(Quantiles, OfManyValuesAreThoseOfASortedCopy) {
  std::mt19937 random(5);
  std::vector<float> values(200'001);
  for (float& value : values) {
    const auto number = static_cast<float>(random()) / 1e9F - 2;
    value = number < -1 ? 0 : number;  // many are equal, as behind a Relu
  }
  const std::vector<double> probabilities = {0, 1e-4, 0.2, 0.5, 0.9999, 1};  // at 0.2 and 0.9999 on a value
  for (const bool of_magnitudes : {false, true}) {
    std::vector<float> sorted = values;
    if (of_magnitudes) std::ranges::transform(sorted, sorted.begin(), [](float value) { return std::abs(value); });
    std::ranges::sort(sorted);
    std::vector<float> expected;
    for (const double probability : probabilities) {
      const Position position = position_of(probability, sorted.size());
      const std::size_t next = std::min(position.rank + 1, sorted.size() - 1);
      expected.push_back(between(sorted[position.rank], sorted[next], position.weight));
    }
    EXPECT_EQ(quantiles_of(values, probabilities, of_magnitudes), expected);
  }
}

TEST(Quantiles, StayBetweenInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {-infinity, -infinity, 1, infinity};
  EXPECT_THAT(quantiles_of(values, std::vector{0.1, 2.0 / 3, 0.9}, false), ElementsAre(-infinity, 1, infinity));
}

}  // namespace
}  // namespace tightrope
