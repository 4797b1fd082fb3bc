// SPDX-License-Identifier: Apache-2.0
#include "accuracy/early.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "accuracy/health.h"
#include "support/builders.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using test::LogCapture;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::int64_t kItems = 1000;

Evaluation evaluation_of(std::vector<double> values) {
  Evaluation evaluation;
  evaluation.metric = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  evaluation.items = std::ssize(values);
  evaluation.values = std::move(values);
  return evaluation;
}

Plan plan_named(const std::string& name) {
  Plan plan;
  plan.quantizers.push_back(test::output_quantizer(name, {name}, 0, 1));
  return plan;
}

// A metric of 1000 items on which the original is always right, and candidates are wrong on some.
class Early : public testing::Test {
 protected:
  Early() {
    options.max_drop = 0.01;
    means.parts = {kItems, true, [this](const Plan&, std::string_view, std::span<const std::int64_t> positions) {
                     EXPECT_TRUE(std::ranges::is_sorted(positions));
                     parts.push_back(positions.size());
                     std::vector<double> values;
                     for (const std::int64_t item : positions)
                       values.push_back(candidate[static_cast<std::size_t>(item)]);
                     return std::optional(evaluation_of(values));
                   }};
    start.original = evaluation_of(std::vector<double>(kItems, 1));
    start.trial = evaluation_of(std::vector<double>(trial_items(means.parts).size(), 1));
    be_wrong_on(kItems / 2);
    quantized = evaluation_of(candidate);
    be_wrong_on(0);
  }

  void be_wrong_on(std::size_t count) {
    candidate.assign(kItems, 1);
    for (std::size_t i = 0; i < count; ++i) candidate[(i * 7919) % kItems] = 0;  // spread by a prime
  }

  std::optional<Evaluation> judge() {
    EarlyJudge early(start, quantized, means, options);
    return early.judge(plan_named("candidate"), "candidate 1");
  }

  AccuracyOptions options;
  Means means;
  Start start;
  Evaluation quantized;
  std::vector<double> candidate;
  std::vector<std::size_t> parts;  // items of each part that was asked for
};

TEST_F(Early, JudgesTheSameWhereWorkersShareTheItems) {
  std::vector<std::size_t> shards;
  for (const std::size_t wrong : {0U, 9U, 10U, 11U, 30U, 200U}) {
    be_wrong_on(wrong);
    means.elsewhere = {};
    const auto alone = judge();
    means.elsewhere = {[] { return std::size_t{3}; },
                       [&](const Plan& plan, std::string_view name, std::span<const std::vector<std::int64_t>> all) {
                         shards.push_back(all.size());
                         std::vector<std::optional<Evaluation>> found;
                         for (const auto& one : all) found.push_back(means.parts.evaluate(plan, name, one));
                         return found;
                       }};
    const auto shared = judge();
    ASSERT_EQ(alone.has_value(), shared.has_value()) << wrong;
    if (!alone) continue;
    EXPECT_EQ(alone->metric, shared->metric) << wrong;
    EXPECT_EQ(alone->items, shared->items) << wrong;
    EXPECT_EQ(alone->values, shared->values) << wrong;
  }
  EXPECT_THAT(shards, testing::Contains(3));
}

TEST_F(Early, AsksHereForWhatWorkersDoNotGive) {
  const auto alone = judge();
  const std::vector<std::size_t> asked = parts;
  parts.clear();
  means.elsewhere = {[] { return std::size_t{3}; },
                     [](const Plan&, std::string_view, std::span<const std::vector<std::int64_t>> all) {
                       return std::vector<std::optional<Evaluation>>(all.size());
                     }};
  const auto shared = judge();
  EXPECT_EQ(alone->metric, shared->metric);
  EXPECT_EQ(parts, asked);
}

TEST_F(Early, RejectsWhatIsFarAboveTheLimitOnAFifthOfTheItemsAtMost) {
  be_wrong_on(200);
  const auto judged = judge();
  ASSERT_TRUE(judged);
  EXPECT_LE(judged->items, kItems / 5);
  EXPECT_LT(judged->metric, 0.99);
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}), static_cast<std::size_t>(judged->items));
}

TEST_F(Early, AcceptsWhatLosesNothingOnAPart) {
  const auto judged = judge();
  ASSERT_TRUE(judged);
  EXPECT_LT(judged->items, kItems);
  EXPECT_EQ(judged->metric, 1);
}

TEST_F(Early, DecidesOnAPartOnlyWhereThatTells) {
  be_wrong_on(9);
  const auto judged = judge();
  // More of these stand in the first half of the order than in the other.
  ASSERT_TRUE(judged);
  EXPECT_EQ(judged->items, kItems);
  EXPECT_NEAR(judged->metric, 0.991, 1e-12);
}

TEST_F(Early, ReadsEachItemOnceWhereOnlyAllOfThemTell) {
  be_wrong_on(11);
  const auto judged = judge();
  ASSERT_TRUE(judged);
  EXPECT_EQ(judged->items, kItems);
  EXPECT_EQ(judged->values, candidate);
  EXPECT_NEAR(judged->metric, 0.989, 1e-12);
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}), kItems);
}

TEST_F(Early, LeavesWhatIsAtTheLimitExactlyToAValidationInOneGo) {
  be_wrong_on(10);
  EXPECT_FALSE(judge());
}

TEST_F(Early, KnowsTheDirectionOfTheMetricAndRelativeLimits) {
  options.higher_is_better = false;
  start.original = evaluation_of(std::vector<double>(kItems, 0.5));
  start.trial = evaluation_of(std::vector<double>(start.trial->values.size(), 0.5));
  candidate.assign(kItems, 0.9);
  quantized = evaluation_of(candidate);
  options.drop_type = DropType::kRelative;
  options.max_drop = 0.5;
  EXPECT_GT(judge()->metric, 0.75);
  options.max_drop = 0.9;
  EXPECT_LE(judge()->metric, 0.95);
}

TEST_F(Early, JudgesNothingWithoutValuesWhoseMeanIsTheMetric) {
  be_wrong_on(500);
  start.original.metric = 0.7;
  EXPECT_FALSE(judge());
  start.original = evaluation_of(std::vector<double>(kItems, 1));
  quantized.values.clear();
  EXPECT_FALSE(judge());
  EXPECT_THAT(parts, testing::IsEmpty());
}

TEST_F(Early, JudgesNothingWhereValuesDependOnWhatElseTheFunctionIsGiven) {
  LogCapture log;
  start.trial->values.back() = 0;
  EXPECT_FALSE(judge());
  EXPECT_THAT(log.text(LogLevel::kInfo), HasSubstr("when the function is given a few items"));
}

TEST_F(Early, JudgesNothingWhereItIsSwitchedOffOrPartsAreDear) {
  be_wrong_on(500);
  EXPECT_TRUE(judge());
  options.early_stopping = false;
  EXPECT_FALSE(judge());
  options.early_stopping = true;
  means.parts.random_access = false;
  EXPECT_FALSE(judge());
}

TEST_F(Early, GivesUpPartsOnceTheFunctionFailsOnOne) {
  int calls = 0;
  means.parts.evaluate = [&](const Plan&, std::string_view, std::span<const std::int64_t>) {
    ++calls;
    return std::optional<Evaluation>();
  };
  EarlyJudge early(start, quantized, means, options);
  EXPECT_FALSE(early.judge(plan_named("a"), "candidate 1"));
  EXPECT_FALSE(early.judge(plan_named("b"), "candidate 2"));
  EXPECT_EQ(calls, 1);
}

TEST_F(Early, FindsPartsOfAnEarlierRunAndComesToTheSameWithThem) {
  std::map<std::string, Evaluation> kept;
  means.memory.find_part = [&](const Plan& plan) {
    const auto found = kept.find(to_json(plan));
    return found == kept.end() ? std::nullopt : std::optional(found->second);
  };
  means.memory.keep_part = [&](const Plan& plan, const Evaluation& part) { kept[to_json(plan)] = part; };
  be_wrong_on(200);
  const auto first = judge();
  parts.clear();
  const auto second = judge();
  EXPECT_THAT(parts, testing::IsEmpty());
  EXPECT_EQ(second->items, first->items);
  EXPECT_EQ(second->metric, first->metric);
}

TEST(Shuffled, IsAPermutationThatIsAlwaysTheSame) {
  const std::vector<std::int64_t> order = shuffled(1000);
  EXPECT_THAT(std::set(order.begin(), order.end()), SizeIs(1000));
  EXPECT_EQ(order, shuffled(1000));
  EXPECT_THAT(shuffled(5), ElementsAre(1, 3, 2, 4, 0));
}

}  // namespace
}  // namespace tightrope
