// SPDX-License-Identifier: Apache-2.0
#include "accuracy/drop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tightrope/error.h"

namespace tightrope {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::ThrowsMessage;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(DropOf, IsPositiveWhereTheMetricGotWorse) {
  EXPECT_EQ(drop_of(0.75, 0.5, DropType::kAbsolute, true), 0.25);
  EXPECT_EQ(drop_of(0.5, 0.75, DropType::kAbsolute, true), -0.25);
  EXPECT_EQ(drop_of(0.5, 0.5, DropType::kAbsolute, true), 0);
}

TEST(DropOf, IsPositiveWhereAnErrorRateGrew) {
  EXPECT_EQ(drop_of(0.005, 0.030, DropType::kAbsolute, false), 0.025);
  EXPECT_EQ(drop_of(0.030, 0.005, DropType::kAbsolute, false), -0.025);
}

TEST(DropOf, RelativeIsAShareOfTheMagnitudeOfTheOriginal) {
  EXPECT_DOUBLE_EQ(drop_of(0.8, 0.6, DropType::kRelative, true), 0.25);
  EXPECT_DOUBLE_EQ(drop_of(4, 5, DropType::kRelative, false), 0.25);
  EXPECT_DOUBLE_EQ(drop_of(-4, -5, DropType::kRelative, true), 0.25);
  EXPECT_NEAR(drop_of(-0.2923, -0.3185, DropType::kRelative, true), 0.0896339, 1e-6);
}

TEST(DropOf, LeavesNoRoundingErrorThatWouldBreakALimit) {
  EXPECT_GT(0.90 - 0.89, 0.01);
  EXPECT_EQ(drop_of(0.90, 0.89, DropType::kAbsolute, true), 0.01);
  EXPECT_EQ(drop_of(0.9, 0.891, DropType::kRelative, true), 0.01);
  EXPECT_EQ(drop_of(25.681, 25.581, DropType::kAbsolute, true), 0.1);
  for (int correct = 10; correct <= 1000; ++correct) {
    EXPECT_LE(drop_of(correct / 1000.0, (correct - 10) / 1000.0, DropType::kAbsolute, true), 0.01) << correct;
  }
}

TEST(DropOf, KeepsVerySmallAndVeryLargeNumbers) {
  EXPECT_NEAR(drop_of(1e-300, 5e-301, DropType::kAbsolute, true), 5e-301, 1e-314);
  EXPECT_NEAR(drop_of(4e300, 3e300, DropType::kAbsolute, true), 1e300, 1e287);
  EXPECT_EQ(drop_of(1e-300, -1e300, DropType::kRelative, true), kInfinity);
  EXPECT_GT(drop_of(1, 1 - 1e-12, DropType::kAbsolute, true), 0);
}

TEST(DropOf, RelativeToZeroAdvisesAnAbsoluteLimit) {
  EXPECT_THAT([] { drop_of(0, -1, DropType::kRelative, true); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("relative to 0"), HasSubstr("absolute limit"))));
  EXPECT_EQ(drop_of(0, -1, DropType::kAbsolute, true), 1);
}

TEST(CheckMetric, NamesTheEvaluationAndTheValue) {
  EXPECT_NO_THROW(check_metric(-3.5, "original model"));
  EXPECT_THAT([] { check_metric(kNan, "candidate 3"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("candidate 3"), HasSubstr("nan"))));
  EXPECT_THAT([] { check_metric(-kInfinity, "quantized model"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("quantized model"), HasSubstr("-inf"))));
}

}  // namespace
}  // namespace tightrope
