// SPDX-License-Identifier: Apache-2.0
#include "correction/rounding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "correction/layers.h"
#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// Second moments of rows that are noise on top of something that all entries share.
std::vector<double> shared_moments(std::size_t inputs, double shared) {
  std::vector<double> moments(inputs * inputs, shared);
  for (std::size_t i = 0; i < inputs; ++i) moments[i * inputs + i] += 1;
  return moments;
}

double cost(std::span<const double> elements, std::span<const double> moments, const std::vector<double>& levels) {
  const std::size_t n = elements.size();
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      sum += (elements[i] - levels[i]) * moments[i * n + j] * (elements[j] - levels[j]);
  }
  return sum;
}

RoundingProblem problem_of(std::span<const double> elements, std::span<const double> moments,
                           std::span<const float> scale) {
  return {elements, 1, elements.size(), moments, 1, scale, {}, -127, 127};
}

TEST(BestRounding, ComesCloseToTheBestOfAllLevels) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(-5, 5);
  constexpr std::size_t kInputs = 8;
  const std::vector<double> moments = shared_moments(kInputs, 20);
  const std::vector<float> scale = {1};
  double nearest = 0;
  double found = 0;
  double best = 0;
  for (int trial = 0; trial < 30; ++trial) {
    std::vector<double> elements(kInputs);
    for (double& element : elements) element = uniform(random);
    const auto steps = best_rounding(problem_of(elements, moments, scale));
    std::vector<double> levels(kInputs);
    for (std::size_t i = 0; i < kInputs; ++i) levels[i] = std::nearbyint(elements[i]);
    nearest += cost(elements, moments, levels);
    for (std::size_t i = 0; i < kInputs; ++i) levels[i] += steps[i];
    found += cost(elements, moments, levels);
    double least = 1e9;
    for (unsigned choice = 0; choice < 1U << kInputs; ++choice) {  // up or down, each
      for (std::size_t i = 0; i < kInputs; ++i) levels[i] = std::floor(elements[i]) + (choice >> i & 1U);
      least = std::min(least, cost(elements, moments, levels));
    }
    best += least;
  }
  EXPECT_LT(found, 1.1 * best);
  EXPECT_GT(nearest, 3 * best);
}

TEST(BestRounding, IsTheNearestWhereEntriesHaveNothingInCommon) {
  const std::vector<double> elements = {0.4, -0.6, 2.3, 126.9};
  EXPECT_THAT(best_rounding(problem_of(elements, shared_moments(4, 0), std::vector<float>{1})), Each(0));
}

TEST(BestRounding, StaysWithinTheLevels) {
  const std::vector<double> elements = {126.6, 126.6, 126.6, 126.6};
  const auto steps = best_rounding(problem_of(elements, shared_moments(4, 1000), std::vector<float>{1}));
  for (const int step : steps) EXPECT_LE(step, 0);
}

TEST(BestRounding, LeavesAloneWhatOnlyZerosWereSeenOf) {
  const std::vector<double> elements = {0.4, 0.4, 0.4};
  EXPECT_THAT(best_rounding(problem_of(elements, std::vector<double>(9, 0), std::vector<float>{1})), Each(0));
}

TEST(BestRounding, KeepsGroupsAndChannelsApart) {
  // Two groups of one channel: the first with entries that go together, the second without.
  const std::vector<double> elements = {0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4};
  std::vector<double> moments = shared_moments(4, 1000);
  const std::vector<double> other = shared_moments(4, 0);
  moments.insert(moments.end(), other.begin(), other.end());
  const auto steps = best_rounding({elements, 2, 4, moments, 2, std::vector<float>{1, 1}, {}, -127, 127});
  int sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += steps[i];
  EXPECT_EQ(sum, 2);  // of 1.6
  EXPECT_THAT(std::vector(steps.begin() + 4, steps.end()), Each(0));
}

// A product whose data are mostly one number in all entries, and whose rows nearly cancel: rounding each element for
// itself costs the output much.
struct Sums {
  static constexpr std::size_t kInputs = 32;
  std::vector<float> weight;
  std::unique_ptr<test::FakeModel> model;
  std::vector<Sample> samples;
  Plan plan;

  explicit Sums(float shared) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(-1, 1);
    weight.resize(kInputs * 2);
    for (float& element : weight) element = uniform(random);
    for (std::size_t c = 0; c < 2; ++c) {
      float sum = 0;
      for (std::size_t i = 0; i < kInputs; ++i) sum += weight[2 * i + c];
      for (std::size_t i = 0; i < kInputs; ++i) weight[2 * i + c] -= sum / kInputs;
    }
    test::NetBuilder net;
    model = net.build({net.matmul("product", net.input("x", {-1, kInputs}), weight, kInputs, 2)});
    for (int s = 0; s < 32; ++s) {
      std::vector<float> x;
      for (int row = 0; row < 4; ++row) {
        const float level = shared * uniform(random);
        for (std::size_t i = 0; i < kInputs; ++i) x.push_back(level + 0.1F * uniform(random));
      }
      samples.push_back(test::sample_of(x, {4, kInputs}));
    }
    plan.quantizers = {test::output_quantizer("x", {"product"}, -20, 20), test::weight_quantizer("product", {1, 1})};
  }

  double error(const Plan& any) const {
    const auto original = model->compile();
    const auto quantized = model->apply(any)->compile();
    double sum = 0;
    for (const Sample& sample : samples) {
      const auto y = original->run(sample)[0].to_floats();
      const auto z = quantized->run(sample)[0].to_floats();
      for (std::size_t i = 0; i < y.size(); ++i) sum += (y[i] - z[i]) * (y[i] - z[i]);
    }
    return sum;
  }

  Plan weights_only(Plan any) const {
    any.quantizers.erase(any.quantizers.begin());
    return any;
  }
};

TEST(RoundWeights, TakesTheErrorOutOfALayerThatNearestLevelsCostMuch) {
  const Sums sums(10);
  const RoundedWeights result = round_weights(*sums.model, sums.plan, sums.samples, {});
  EXPECT_EQ(result.rounded, 1U);
  EXPECT_EQ(result.refused, 0U);
  EXPECT_LT(sums.error(sums.weights_only(result.plan)), 0.1 * sums.error(sums.weights_only(sums.plan)));
}

TEST(RoundWeights, LeavesQuietLayersAsTheyAre) {
  const Sums sums(0);
  const RoundedWeights result = round_weights(*sums.model, sums.plan, sums.samples, {});
  EXPECT_EQ(result.rounded, 0U);
  EXPECT_EQ(result.plan, sums.plan);
}

TEST(RoundWeights, RoundsAllLayersWhereAskedTo) {
  const Sums sums(0.1F);
  QuantizeOptions options;
  EXPECT_EQ(round_weights(*sums.model, sums.plan, sums.samples, options).rounded, 0U);
  options.weight_rounding = true;
  const RoundedWeights result = round_weights(*sums.model, sums.plan, sums.samples, options);
  EXPECT_EQ(result.rounded, 1U);
  EXPECT_LT(sums.error(sums.weights_only(result.plan)), sums.error(sums.weights_only(sums.plan)));
}

TEST(RoundWeights, RefusesWhatOtherSamplesAreNoBetterWith) {
  // Samples that fit show what all entries share, those that judge noise alone, for which the nearest levels are best.
  Sums sums(10);
  const Sums noise(0);
  for (std::size_t s = 1; s < sums.samples.size(); s += 2) sums.samples[s] = noise.samples[s];
  QuantizeOptions options;
  options.weight_rounding = true;
  const RoundedWeights result = round_weights(*sums.model, sums.plan, sums.samples, options);
  EXPECT_EQ(result.refused, 1U);
  EXPECT_EQ(result.plan, sums.plan);
}

TEST(RoundWeights, NeedsTwoSamples) {
  const Sums sums(10);
  EXPECT_EQ(round_weights(*sums.model, sums.plan, std::span(sums.samples).first(1), {}).plan, sums.plan);
}

TEST(Layers, KnowTheQuantizerOfTheirData) {
  const Sums sums(1);
  const std::vector<Layer> layers = layers_of(sums.plan, sums.model->graph());
  ASSERT_EQ(layers.size(), 1U);
  EXPECT_EQ(layers[0].weight, 1U);
  EXPECT_EQ(layers[0].data_quantizer, 0U);
  EXPECT_EQ(layers[0].channels, 2U);
  EXPECT_EQ(layers[0].inputs, Sums::kInputs);
  EXPECT_TRUE(layers[0].inputs_first);
}

TEST(Layers, HaveNoRoundingOfFloatingPointFormats) {
  Sums sums(1);
  sums.plan.quantizers[1].config.format = NumberFormat::kF8E4M3;
  EXPECT_THAT(layers_of(sums.plan, sums.model->graph()), IsEmpty());
}

TEST(SampleRows, AreDividedWhereTheDataAreSmoothed) {
  test::NetBuilder net;
  const auto model = net.build({net.matmul("product", net.input("x", {-1, 2}), {1, 1}, 2, 1)});
  Plan plan;
  plan.quantizers = {test::weight_quantizer("product", {1})};
  plan.quantizers[0].smoothing = {2, 4};
  const std::vector<Layer> layers = layers_of(plan, model->graph());
  const std::vector<Sample> samples = {test::sample_of({8, 8, 6, 4}, {2, 2}), test::sample_of({2, 2}, {1, 2})};
  const std::vector<Rows> rows = sample_rows(*model, plan, layers, samples, std::vector<std::size_t>{5});
  EXPECT_THAT(rows[0].values, ElementsAre(4, 2, 3, 1, 1, 0.5));
  EXPECT_THAT(rows[0].ends, ElementsAre(2, 3));
  EXPECT_EQ(rows[0].groups, 1U);
}

TEST(SampleRows, AreOfTheFirstEntriesOfLargeData) {
  test::NetBuilder net;
  const auto model = net.build({net.matmul("product", net.input("x", {-1, 2}), {1, 1}, 2, 1)});
  Plan plan;
  plan.quantizers = {test::weight_quantizer("product", {1})};
  const std::vector<Layer> layers = layers_of(plan, model->graph());
  const std::vector<Sample> samples = {test::sample_of({1, 2, 3, 4, 5, 6}, {3, 2}), test::sample_of({7, 8}, {1, 2})};
  const auto rows = [&](std::size_t together) {
    return sample_rows(*model, plan, layers, samples, std::vector<std::size_t>{5}, together)[0].values;
  };
  EXPECT_THAT(rows(24), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(rows(23), ElementsAre(1, 2, 3, 4, 7, 8));
  EXPECT_THAT(rows(1), ElementsAre(1, 2, 7, 8));
}

TEST(SampleRows, AreAtMostAsManyAsWanted) {
  const Sums sums(1);
  const std::vector<Layer> layers = layers_of(sums.plan, sums.model->graph());
  const std::vector<Rows> rows = sample_rows(*sums.model, sums.plan, layers, sums.samples, std::vector<std::size_t>{3});
  EXPECT_EQ(rows[0].count, 3 * sums.samples.size());
  EXPECT_THAT(rows[0].values, Not(IsEmpty()));
}

}  // namespace
}  // namespace tightrope
