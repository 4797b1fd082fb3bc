// SPDX-License-Identifier: Apache-2.0
#include "accuracy/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using test::LogCapture;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

// A function that gives these metrics, one call after the other.
class Health : public testing::Test {
 protected:
  Health() {
    means.parts = {600, true, [this](const Plan& plan, std::string_view, std::span<const std::int64_t> positions) {
                     models.push_back(plan.empty() ? "original" : "damaged");
                     Evaluation evaluation{metrics.at(models.size() - 1), std::ssize(positions)};
                     if (reads_nothing) evaluation.items = 0;
                     return std::optional(evaluation);
                   }};
    means.damaged = [] {
      Plan plan;
      plan.quantizers.push_back(test::weight_quantizer("product", {1}));
      return plan;
    };
  }

  // Returns what the log says.
  std::string check() {
    LogCapture log;
    HealthCheck health(means, options);
    health.try_original();
    health.try_damaged();
    return log.text(LogLevel::kWarning) + log.text(LogLevel::kInfo);
  }

  AccuracyOptions options;
  Means means;
  std::vector<double> metrics = {0.9, 0.9, 0.2};
  std::vector<std::string> models;
  bool reads_nothing = false;
};

TEST_F(Health, IsSilentAboutAGoodFunction) {
  EXPECT_EQ(check(), "");
  EXPECT_THAT(models, ElementsAre("original", "original", "damaged"));
}

TEST_F(Health, SaysHowMuchNoiseThereIsAgainstTheLimit) {
  metrics = {0.9, 0.86, 0.2};
  EXPECT_THAT(check(), AllOf(HasSubstr("0.9 and then 0.86"), HasSubstr("not repeatable"),
                             HasSubstr("4 times the limit"), HasSubstr("seeds")));
}

TEST_F(Health, DoesNotMindTheRoundingOfParallelSums) {
  metrics = {0.9, 0.9 + 1e-8, 0.2};
  options.max_drop = 0;
  EXPECT_EQ(check(), "");
}

TEST_F(Health, AsksAboutTheDirectionWhereADamagedModelScoresBetter) {
  metrics = {0.005, 0.005, 0.8};
  EXPECT_THAT(check(), AllOf(HasSubstr("damaged weights scores better"), HasSubstr("0.8 instead of 0.005"),
                             HasSubstr("higher counts as better"), HasSubstr("higher_is_better=False is needed")));
  models.clear();
  metrics = {0.9, 0.9, 0.1};
  options.higher_is_better = false;
  EXPECT_THAT(check(), HasSubstr("higher_is_better=True is needed"));
}

TEST_F(Health, SaysNothingOfALittleLuck) {
  metrics = {0.9, 0.9, 0.95};
  EXPECT_EQ(check(), "");
}

TEST_F(Health, NamesTheMetricOfSeveral) {
  options.limits = {{"f1"}, {"loss", 0.01, DropType::kAbsolute, true}};
  means.parts.evaluate = [](const Plan& plan, std::string_view, std::span<const std::int64_t> positions) {
    Evaluation evaluation{0, std::ssize(positions)};
    evaluation.metrics = {{"f1", plan.empty() ? 0.8 : 0.1}, {"loss", plan.empty() ? 0.1 : 3}};
    return std::optional(evaluation);
  };
  EXPECT_THAT(check(), HasSubstr("the metric 'loss' is 3 instead of 0.1"));
}

TEST_F(Health, ToleratesFunctionsThatFailOnAFewItems) {
  metrics = {std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THAT(check(), HasSubstr("not finite on 10 items"));
  EXPECT_THAT(models, SizeIs(1));
  models.clear();
  means.parts.evaluate = [this](const Plan&, std::string_view, std::span<const std::int64_t>) {
    models.emplace_back("original");
    return std::optional<Evaluation>();
  };
  EXPECT_EQ(check(), "");
  EXPECT_THAT(models, SizeIs(1));
}

TEST_F(Health, ExplainsDataThatAreUsedUp) {
  means.parts.evaluate = [this](const Plan&, std::string_view, std::span<const std::int64_t> positions) {
    models.emplace_back("original");
    return std::optional(Evaluation{0.9, models.size() == 1 ? std::ssize(positions) : 0});
  };
  EXPECT_THAT([&] { check(); }, ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("gave 10 items"),
                                                                     HasSubstr("and 0 when"), HasSubstr("generator"))));
}

TEST_F(Health, TakesWhatAFunctionWithDataOfItsOwnReturnsForTheEvaluation) {
  LogCapture log;
  reads_nothing = true;
  HealthCheck health(means, options);
  const auto own = health.try_original();
  ASSERT_TRUE(own);
  EXPECT_EQ(own->metric, 0.9);
  EXPECT_FALSE(health.try_damaged());
  EXPECT_THAT(models, SizeIs(1));
}

TEST_F(Health, ThrowsAtOnceWhereMetricsDoNotFitTheLimits) {
  options.limits = {{"f1"}};
  EXPECT_THAT([&] { check(); }, ThrowsMessage<InvalidArgument>(HasSubstr("'f1'")));
}

TEST_F(Health, TriesNothingWhereTheOriginalIsKnownFromAnEarlierRun) {
  means.memory.find = [](const Plan&) { return std::optional(Evaluation{0.9, 600}); };
  EXPECT_EQ(check(), "");
  EXPECT_THAT(models, IsEmpty());
}

TEST(TrialItems, CostAFewPercentAndSpreadOverTheData) {
  Parts parts{100, true,
              [](const Plan&, std::string_view, std::span<const std::int64_t>) { return std::optional<Evaluation>(); }};
  EXPECT_THAT(trial_items(parts), ElementsAre(0, 33, 66));
  parts.items = 100000;
  EXPECT_THAT(trial_items(parts), SizeIs(16));
  EXPECT_EQ(trial_items(parts).back(), 93750);
  parts.random_access = false;
  EXPECT_EQ(trial_items(parts).back(), 30);
  parts.items = 99;
  EXPECT_THAT(trial_items(parts), IsEmpty());
}

TEST(WarnOfGain, DoubtsQuantizedModelsThatAreFarBetter) {
  LogCapture log;
  warn_of_gain({0.005, 64}, {0.03, 64}, {});
  EXPECT_THAT(log.text(LogLevel::kWarning), AllOf(HasSubstr("far better"), HasSubstr("higher_is_better=False")));
}

}  // namespace
}  // namespace tightrope
