// SPDX-License-Identifier: Apache-2.0
#include "kernels/float8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/rounded.h"
#include "support/builders.h"

namespace tightrope {
namespace {

using testing::ElementsAre;

constexpr NumberFormat kE4M3 = NumberFormat::kF8E4M3;
constexpr NumberFormat kE5M2 = NumberFormat::kF8E5M2;

// Every number from zero to the largest, by its definition.
std::vector<float> numbers_of(int mantissa_bits, int bias, float largest) {
  const int steps = 1 << mantissa_bits;
  std::vector<float> numbers;
  for (int code = 0;; ++code) {
    const int exponent = code / steps;
    const int mantissa = code % steps + (exponent > 0 ? steps : 0);
    numbers.push_back(std::ldexp(static_cast<float>(mantissa), std::max(exponent, 1) - bias - mantissa_bits));
    if (numbers.back() == largest) return numbers;
  }
}

void expect_rounding(NumberFormat format, const std::vector<float>& numbers) {
  EXPECT_EQ(largest_float8(format), numbers.back());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(to_float8(numbers[i], format), numbers[i]);
    EXPECT_EQ(to_float8(-numbers[i], format), -numbers[i]);
    if (i == 0) continue;
    const float middle = (numbers[i - 1] + numbers[i]) / 2;
    EXPECT_EQ(to_float8(middle, format), numbers[i % 2 == 0 ? i : i - 1]) << "ties to even at " << middle;
    EXPECT_EQ(to_float8(std::nextafter(middle, 1e9F), format), numbers[i]);
    EXPECT_EQ(to_float8(std::nextafter(middle, 0.0F), format), numbers[i - 1]);
  }
}

TEST(Float8, RoundsToTheNearestNumberOfE4M3) {
  const auto numbers = numbers_of(3, 7, 448);
  EXPECT_EQ(numbers.size(), 127U);
  expect_rounding(kE4M3, numbers);
}

TEST(Float8, RoundsToTheNearestNumberOfE5M2) {
  const auto numbers = numbers_of(2, 15, 57344);
  EXPECT_EQ(numbers.size(), 124U);
  expect_rounding(kE5M2, numbers);
}

TEST(Float8, KeepsWhatIsBeyondAtTheLargestNumber) {
  EXPECT_EQ(to_float8(449, kE4M3), 448);
  EXPECT_EQ(to_float8(-std::numeric_limits<float>::infinity(), kE5M2), -57344);
  EXPECT_TRUE(std::isnan(to_float8(std::numeric_limits<float>::quiet_NaN(), kE4M3)));
}

TEST(Float8, MapsTheEndOfEachChannelsRangeToTheLargestNumber) {
  const Range range{{-2, -0.5F}, {2, 0.5F}, 256};
  const std::vector<float> values = {2, 0.001F, 0.5F, 0.3F};
  const Float8Tensor packed = float8_tensor(values, {2, 2}, std::vector{0}, range, kE4M3);
  EXPECT_THAT(packed.scale, ElementsAre(224, 896));
  EXPECT_THAT(packed.levels, ElementsAre(448, 0.21875F, 448, 256));
}

TEST(Rounded, GivesTheValuesOfTheLevelsInBothFormats) {
  Quantizer weight = test::weight_quantizer("conv", {127, 1});
  weight.channel_axes = {0};
  const std::vector<float> values = {126.6F, -201, 0.5F, 1};
  EXPECT_THAT(rounded(values, {2, 2}, weight),
              ElementsAre(127, -127, testing::FloatEq(64.0F / 127), testing::FloatEq(1)));
  weight.config.format = kE4M3;
  weight.range = {{-448, -1}, {448, 1}, 256};
  EXPECT_THAT(rounded(values, {2, 2}, weight), ElementsAre(128, -208, 0.5F, 1));
}

}  // namespace
}  // namespace tightrope
