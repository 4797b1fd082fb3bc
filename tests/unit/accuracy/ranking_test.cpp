// SPDX-License-Identifier: Apache-2.0
#include "accuracy/ranking.h"

#include "base/output_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::NetBuilder;
using test::output_quantizer;
using test::sample_of;
using test::weight_quantizer;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Gt;
using testing::Lt;

Tensor floats(const std::vector<float>& values) {
  return Tensor::copy_of(std::span(values), {static_cast<std::int64_t>(values.size())});
}
Tensor integers(const std::vector<std::int64_t>& values) {
  return Tensor::copy_of(std::span(values), {static_cast<std::int64_t>(values.size())});
}
double error_of(const std::vector<Tensor>& outputs, const std::vector<Tensor>& reference) {
  return output_error(outputs, reference);
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(OutputError, IsTheSquaredErrorOverTheSquaredNorm) {
  EXPECT_DOUBLE_EQ(error_of({floats({3, 4.5F})}, {floats({3, 4})}), 0.25 / 25);
}

TEST(OutputError, IsTheMeanOverOutputs) {
  EXPECT_DOUBLE_EQ(error_of({floats({2, 1}), floats({1})}, {floats({2, 0}), floats({1})}), 0.125);
}

TEST(OutputError, IsCappedAtOne) { EXPECT_EQ(error_of({floats({100})}, {floats({1})}), 1); }

TEST(OutputError, T12OfAZeroOutputIsZeroWithoutAnErrorAndOneWithOne) {
  EXPECT_EQ(error_of({floats({0, 0})}, {floats({0, 0})}), 0);
  EXPECT_EQ(error_of({floats({0, 1e-3F})}, {floats({0, 0})}), 1);
  EXPECT_EQ(error_of({floats({})}, {floats({})}), 0);
}

TEST(OutputError, OfNanOrInfinityIsOne) {
  EXPECT_EQ(error_of({floats({1, kNan}), floats({1})}, {floats({1, 1}), floats({1})}), 1);
  EXPECT_EQ(error_of({floats({1, -kInfinity}), floats({1})}, {floats({1, 1}), floats({1})}), 1);
  EXPECT_EQ(error_of({floats({1, 0})}, {floats({1, -kInfinity})}), 1);
}

TEST(OutputError, CountsEqualInfinitiesOfTheOriginalAsNoError) {
  EXPECT_DOUBLE_EQ(error_of({floats({-kInfinity, kNan, 2, 1})}, {floats({-kInfinity, kNan, 2, 0})}), 0.25);
}

TEST(OutputError, OfDifferentShapesIsOne) { EXPECT_EQ(error_of({floats({1, 2})}, {floats({1})}), 1); }

TEST(OutputError, LeavesOutIntegersUnlessThereIsNothingElse) {
  EXPECT_EQ(error_of({floats({1}), integers({1})}, {floats({1}), integers({2})}), 0);
  EXPECT_EQ(error_of({integers({1, 2, 3, 4})}, {integers({1, 2, 3, 5})}), 0.25);
}

TEST(OutputError, ReadsDoublesAndHalves) {
  const Tensor reference = floats({3, 4});
  const Tensor output = floats({3, 4.5F});
  for (const ElementType type : {ElementType::kF64, ElementType::kF16, ElementType::kBF16}) {
    EXPECT_DOUBLE_EQ(error_of({output.cast(type)}, {reference.cast(type)}), 0.01) << name_of(type);
  }
}

// Three products by 2; the middle one is quantized so coarsely that it hurts.
struct Chain {
  std::unique_ptr<test::FakeModel> model;
  Plan plan;
};
Chain chain() {
  NetBuilder net;
  ValueId x = net.input("x", {-1, 2});
  for (const std::string name : {"first", "second", "third"}) x = net.matmul(name, x, {2, 0, 0, 2}, 2, 2);
  Chain result{net.build({x}), {}};
  result.plan.quantizers = {output_quantizer("x", {"first"}, -2, 2),         weight_quantizer("first", {2, 2}),
                            output_quantizer("first", {"second"}, -4, 4, 4), weight_quantizer("second", {2, 2}),
                            output_quantizer("second", {"third"}, -8, 8),    weight_quantizer("third", {2, 2})};
  result.plan.bias_shifts = {{"second", {0.25F, 0}}};
  return result;
}

std::vector<Sample> samples() {
  return {sample_of({1, -0.3F}, {1, 2}), sample_of({0.7F, 0.2F, -1.1F, 0.9F}, {2, 2}),
          sample_of({0.5F, 1.9F}, {1, 2}, "x")};
}

TEST(RankGroups, GivesTheLargestScoreToTheCulprit) {
  const auto [model, plan] = chain();
  const auto groups = form_groups(plan);
  const auto scores = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsAndWeights);
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_GT(scores[1], 0.01);
  EXPECT_THAT(scores[0], Lt(1e-3));
  EXPECT_THAT(scores[2], Lt(1e-3));
}

TEST(RankGroups, IsTheMeanOfTheErrorsOfTheSamples) {
  const auto [model, plan] = chain();
  const auto groups = form_groups(plan);
  Plan only_second;
  only_second.quantizers = {plan.quantizers[2], plan.quantizers[3]};
  only_second.bias_shifts = plan.bias_shifts;
  const auto original = model->compile();
  const auto quantized = model->apply(only_second)->compile();
  double expected = 0;
  for (const Sample& sample : samples()) expected += output_error(quantized->run(sample), original->run(sample)) / 3;
  const auto scores = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsAndWeights);
  EXPECT_DOUBLE_EQ(scores[1], expected);
}

TEST(RankGroups, RunsTheOriginalOnce) {
  const auto [model, plan] = chain();
  rank_groups(*model, plan, form_groups(plan), samples(), {.device = "GPU", .precision = "bf16"},
              RestoreMode::kActivationsAndWeights);
  EXPECT_EQ(model->usage().compiled, 4);
  EXPECT_EQ(model->usage().run, 4 * 3);
  EXPECT_TRUE(model->usage().options.throughput);
  EXPECT_EQ(model->usage().options.device, "GPU");
  EXPECT_EQ(model->usage().options.precision, "bf16");
}

TEST(RankGroups, T08ScoresActivationsAloneWhereWeightsStay) {
  auto [model, plan] = chain();
  plan.quantizers[5].range = {{-1, -1}, {1, 1}, 255};  // a weight that loses half of its size
  const auto groups = form_groups(plan);
  const auto both = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsAndWeights);
  const auto activations = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsOnly);
  EXPECT_NEAR(both[2], 0.25, 1e-3);
  EXPECT_THAT(activations[2], Lt(1e-3));
  EXPECT_GT(activations[1], 0.01);
}

TEST(RankGroups, ScoresOneWhereAGroupBreaksTheNumbers) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const auto model = net.build({net.map("log", "Log", x, [](float value) { return std::log(value); })});
  Plan plan;
  plan.quantizers = {output_quantizer("x", {}, 0, 100)};  // small values become zero
  const std::vector<Sample> small = {sample_of({0.1F, 50}, {1, 2})};
  EXPECT_THAT(rank_groups(*model, plan, form_groups(plan), small, {}, RestoreMode::kActivationsAndWeights),
              ElementsAre(1));
}

TEST(RankGroups, ComparesIntegersWhereTheModelGivesNothingElse) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 3});
  const auto model = net.build({net.argmax("class", x)});
  Plan plan;
  plan.quantizers = {output_quantizer("x", {}, 0, 1, 2)};
  const std::vector<Sample> items = {sample_of({0, 0.6F, 0.9F, 0.1F, 0.8F, 0.2F}, {2, 3})};
  EXPECT_THAT(rank_groups(*model, plan, form_groups(plan), items, {}, RestoreMode::kActivationsAndWeights),
              ElementsAre(DoubleNear(0.5, 0)));
}

TEST(RankGroups, ReportsProgressAfterEachInferenceOfTheReferenceAndOfEachGroup) {
  const auto [model, plan] = chain();
  std::vector<std::size_t> done;
  const auto previous = set_progress_sink([&](std::string_view stage, std::size_t count, std::size_t total) {
    EXPECT_EQ(stage, "ranking");
    EXPECT_EQ(total, 4 * samples().size());
    done.push_back(count);
  });
  rank_groups(*model, plan, form_groups(plan), samples(), {}, RestoreMode::kActivationsAndWeights);
  set_progress_sink(previous);
  std::vector<std::size_t> expected(4 * samples().size());
  std::iota(expected.begin(), expected.end(), std::size_t{1});
  EXPECT_EQ(done, expected);
}

TEST(RankGroups, EndsWhereThereIsNoTimeLeft) {
  const auto [model, plan] = chain();
  const auto groups = form_groups(plan);
  const auto all = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsAndWeights);
  std::vector<double> asked;
  const auto two_groups = [&](double seconds) {
    asked.push_back(seconds);
    return asked.size() <= 2;
  };
  const auto some = rank_groups(*model, plan, groups, samples(), {}, RestoreMode::kActivationsAndWeights, two_groups);
  EXPECT_THAT(some, ElementsAre(all[0], all[1]));
  EXPECT_THAT(asked, ElementsAre(0, Gt(0), Gt(0)));
}

std::vector<double> scores_with(const ScoreElsewhere& elsewhere, const std::function<bool(double)>& has_time = {}) {
  const auto [model, plan] = chain();
  return rank_groups(*model, plan, form_groups(plan), samples(), {}, RestoreMode::kActivationsAndWeights, has_time,
                     elsewhere);
}

TEST(RankGroups, GivesTheSameScoresOnThreads) {
  for (const int threads : {1, 2, 8}) EXPECT_EQ(scores_with(scoring_threads(threads)), scores_with({})) << threads;
}

TEST(RankGroups, TakesScoresThatComeFromElsewhereInAnyOrder) {
  const auto backwards = [](const Ranking& ranking, const auto& done) {
    GroupScorer scorer(ranking);
    for (std::size_t g = ranking.groups.size(); g-- > 0;) EXPECT_TRUE(done(g, scorer.score(g)));
  };
  EXPECT_EQ(scores_with(backwards), scores_with({}));
}

TEST(RankGroups, ComputesWhatIsLeftOutElsewhere) {
  const auto [model, plan] = chain();
  const auto middle = [](const Ranking&, const auto& done) { done(1, 0.5); };
  const auto scores =
      rank_groups(*model, plan, form_groups(plan), samples(), {}, RestoreMode::kActivationsAndWeights, {}, middle);
  const auto expected = scores_with({});
  EXPECT_THAT(scores, ElementsAre(expected[0], 0.5, expected[2]));
  EXPECT_EQ(model->usage().compiled, 3);
}

TEST(RankGroups, ReportsTheSameProgressInTheEndWhereverScoresComeFrom) {
  std::vector<std::size_t> done;
  const auto previous =
      set_progress_sink([&](std::string_view, std::size_t count, std::size_t) { done.push_back(count); });
  scores_with([](const Ranking&, const auto& done_one) { done_one(2, 0.5); });
  set_progress_sink(previous);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), 4 * samples().size());
}

TEST(RankGroups, EndsElsewhereWhereThereIsNoTimeLeft) {
  int asked = 0;
  const auto two_groups = [&](double) { return ++asked < 2; };
  EXPECT_THAT(scores_with(scoring_threads(2), two_groups).size(), testing::Le(2U));
  EXPECT_EQ(asked, 2);
}

TEST(RankGroups, PassesOnWhatAThreadThrows) {
  const auto [model, plan] = chain();
  const std::vector<Sample> unfitting = {sample_of({1, 2, 3}, {1, 3})};
  EXPECT_ANY_THROW(rank_groups(*model, plan, form_groups(plan), unfitting, {}, RestoreMode::kActivationsAndWeights, {},
                               scoring_threads(2)));
}

TEST(RankGroups, NeedsSamples) {
  const auto [model, plan] = chain();
  EXPECT_THROW(rank_groups(*model, plan, form_groups(plan), {}, {}, RestoreMode::kActivationsAndWeights),
               InvalidArgument);
}

}  // namespace
}  // namespace tightrope
