// SPDX-License-Identifier: Apache-2.0
#include "pipeline/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"

namespace tightrope {
namespace {

TEST(Forecast, FollowsFromTheSecondsOfAnItemAndOfCompiling) {
  Start start;
  start.original.items = 1000;
  start.original.seconds = 50;
  start.preparation = 2;
  const std::vector<StageRecord> stages = forecast(start, 300);
  ASSERT_EQ(stages.size(), 3U);
  EXPECT_EQ(stages[0].name, "calibration");
  EXPECT_DOUBLE_EQ(stages[0].estimate, 1.1 + 300 * 0.05);
  EXPECT_DOUBLE_EQ(stages[1].estimate, 15 * 0.05);
  EXPECT_DOUBLE_EQ(stages[2].estimate, 1.1 + 0.6 * 50);
  test::LogCapture log;
  log_forecast(stages, start, 60);
  EXPECT_THAT(log.text(LogLevel::kInfo), testing::AllOf(testing::HasSubstr("about 108 s in all, 48 s of them"),
                                                        testing::HasSubstr("up to 52 s more for each candidate")));
}

TEST(Forecast, IsNoneForAFunctionThatReadsNoItems) { EXPECT_TRUE(forecast({}, 300).empty()); }

TEST(Forecast, IsNotedInTheStagesOfTheReport) {
  Report report;
  report.stages = {{"placement", 1}, {"calibration", 2}};
  add_estimates(report, {{"calibration", 0, 3}, {"search", 0, 4}});
  EXPECT_EQ(report.stages[0].estimate, 0);
  EXPECT_EQ(report.stages[1].estimate, 3);
}

}  // namespace
}  // namespace tightrope
