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

TEST(CheckMetrics, NamesTheEvaluationAndTheValue) {
  EXPECT_NO_THROW(check_metrics({-3.5}, {}, "original model"));
  EXPECT_THAT([] { check_metrics({kNan}, {}, "candidate 3"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("candidate 3"), HasSubstr("nan"))));
  EXPECT_THAT([] { check_metrics({-kInfinity}, {}, "quantized model"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("quantized model"), HasSubstr("-inf"))));
}

AccuracyOptions accuracy_and_error() {
  AccuracyOptions options;
  options.limits = {{"accuracy", 0.02, DropType::kAbsolute, true}, {"error", 0.5, DropType::kRelative, false}};
  return options;
}

TEST(CheckMetrics, SaysWhichMetricIsMissingAndWhatWasFound) {
  EXPECT_NO_THROW(check_metrics({0, 0, {{"accuracy", 1}, {"error", 2}, {"more", kNan}}}, accuracy_and_error(), "it"));
  EXPECT_THAT([] { check_metrics({0, 0, {{"accuracy", 1}, {"err", 2}}}, accuracy_and_error(), "original model"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("limit for 'error'"), HasSubstr("'accuracy', 'err'"))));
  EXPECT_THAT([] { check_metrics({0.5}, accuracy_and_error(), "original model"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("limit for 'accuracy'"), HasSubstr("one number"))));
  EXPECT_THAT([] { check_metrics({0, 0, {{"accuracy", kNan}, {"error", 2}}}, accuracy_and_error(), "it"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'accuracy'"), HasSubstr("nan"))));
  EXPECT_THAT([] { check_metrics({0, 0, {{"f1", 1}}}, {}, "original model"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'f1'"), HasSubstr("max_drop is one number"))));
}

TEST(LossOf, IsTheLargestShareOfALimitThatIsUsedUp) {
  const AccuracyOptions options = accuracy_and_error();
  const Evaluation original{0, 9, {{"accuracy", 0.9}, {"error", 2}}};
  const auto loss = [&](double accuracy, double error) {
    return loss_of(original, {0, 9, {{"accuracy", accuracy}, {"error", error}}}, options);
  };
  EXPECT_EQ(limit_of(options), 1);
  EXPECT_EQ(loss(0.88, 2).drop, 1) << "just within";
  EXPECT_EQ(loss(0.88, 2).binding, "accuracy");
  EXPECT_EQ(loss(0.89, 4).drop, 2) << "an error of twice the original's is a drop of 1, twice the limit";
  EXPECT_EQ(loss(0.89, 4).binding, "error");
  EXPECT_DOUBLE_EQ(loss(0.89, 4).metrics[0].drop, 0.01);
  EXPECT_LT(loss(0.95, 1).drop, 0);
}

TEST(LossOf, HoldsALimitOfZeroExactly) {
  AccuracyOptions options;
  options.limits = {{"a", 0, DropType::kAbsolute, true}};
  const auto drop = [&](double metric) { return loss_of({0, 1, {{"a", 1}}}, {0, 1, {{"a", metric}}}, options).drop; };
  EXPECT_LE(drop(1), 1);
  EXPECT_LE(drop(2), 1);
  EXPECT_GT(drop(1 - 1e-9), 1);
}

}  // namespace
}  // namespace tightrope
