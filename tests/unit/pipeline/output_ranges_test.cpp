// SPDX-License-Identifier: Apache-2.0
#include "pipeline/output_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

QuantizeOptions by_outputs() {
  QuantizeOptions options;
  options.activation_range.min.aggregator = Aggregator::kOutputError;
  options.activation_range.max.aggregator = Aggregator::kOutputError;
  return options;
}

TEST(BestRange, MovesTheEndOfASymmetricRangeInwards) {
  const Quantizer quantizer = test::output_quantizer("x", {}, 0, 64);
  const Range found =
      best_range(quantizer, {}, [](const Range& range) { return std::abs(std::log2(range.high[0]) - 3); });
  EXPECT_THAT(found.high, ElementsAre(FloatEq(8)));
  EXPECT_THAT(found.low, ElementsAre(0));
}

TEST(BestRange, KeepsTheRatioOfBothEndsOfASymmetricRange) {
  const Quantizer quantizer = test::output_quantizer("x", {}, -64.0F * 128 / 127, 64);
  const Range found =
      best_range(quantizer, {}, [](const Range& range) { return std::abs(std::log2(range.high[0]) - 3); });
  EXPECT_THAT(found.high, ElementsAre(FloatEq(8)));
  EXPECT_THAT(found.low, ElementsAre(FloatEq(-8.0F * 128 / 127)));
}

TEST(BestRange, MovesTheEndsOfAnAsymmetricRangeOneByOne) {
  Quantizer quantizer = test::output_quantizer("x", {}, -64, 64);
  quantizer.config.mode = Mode::kAsymmetric;
  const auto error = [](const Range& range) {
    return std::abs(std::log2(-range.low[0]) - 2) + std::abs(std::log2(range.high[0]) - 4);
  };
  const Range found = best_range(quantizer, {}, error);
  EXPECT_NEAR(found.low[0], -4, 0.1);  // moved so that zero is a level
  EXPECT_NEAR(found.high[0], 16, 0.1);
  const Range half = best_range(quantizer, {false, true}, error);
  EXPECT_NEAR(half.low[0], -64, 0.5);
  EXPECT_NEAR(half.high[0], 16, 0.5);
}

TEST(BestRange, LeavesARangeThatNothingIsBetterThan) {
  const Quantizer quantizer = test::output_quantizer("x", {}, -1, 1);
  EXPECT_EQ(best_range(quantizer, {}, [](const Range&) { return 1.0; }), quantizer.range);
}

// Two entries a row: rare large ones that the layer hardly looks at, and small ones that it does.
struct Lopsided {
  std::unique_ptr<test::FakeModel> model;
  Plan plan;
  std::vector<Sample> samples;
  std::vector<float> data;

  Lopsided() {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(0, 1);
    test::NetBuilder net;
    model = net.build({net.matmul("product", net.input("x", {-1, 2}), {0.0001F, 1}, 2, 1)});
    plan.quantizers = {test::output_quantizer("x", {"product"}, 0, 16), test::weight_quantizer("product", {1})};
    for (int s = 0; s < 8; ++s) {
      std::vector<float> x;
      for (int row = 0; row < 64; ++row) {
        x.push_back(16 * uniform(random));
        x.push_back(uniform(random));
      }
      data.insert(data.end(), x.begin(), x.end());
      samples.push_back(test::sample_of(x, {64, 2}));
    }
  }

  double tensor_error(const Range& range) const {
    std::vector<float> rounded = data;
    quantize_in_place(rounded, range);
    double sum = 0;
    for (std::size_t i = 0; i < data.size(); ++i) sum += std::pow(rounded[i] - data[i], 2);
    return sum;
  }

  double output_error(const Range& range) const {
    Plan any;
    any.quantizers = {plan.quantizers[0]};
    any.quantizers[0].range = range;
    const auto original = model->compile();
    const auto quantized = model->apply(any)->compile();
    double sum = 0;
    for (const Sample& sample : samples) {
      const auto y = original->run(sample)[0].to_floats();
      const auto z = quantized->run(sample)[0].to_floats();
      for (std::size_t i = 0; i < y.size(); ++i) sum += std::pow(y[i] - z[i], 2);
    }
    return sum;
  }
};

TEST(FitByOutputs, PrefersWhatIsBestForTheOutputsEvenIfTheTensorSuffers) {
  const Lopsided net;
  const Range before = net.plan.quantizers[0].range;
  const Range after = fit_by_outputs(*net.model, net.plan, net.samples, by_outputs()).quantizers[0].range;
  EXPECT_LT(after.high[0], 3);
  EXPECT_GT(net.tensor_error(after), 100 * net.tensor_error(before));
  EXPECT_LT(net.output_error(after), 0.2 * net.output_error(before));
}

TEST(FitByOutputs, ChangesNothingUnlessAskedTo) {
  const Lopsided net;
  EXPECT_EQ(fit_by_outputs(*net.model, net.plan, net.samples, {}), net.plan);
  EXPECT_EQ(fit_by_outputs(*net.model, net.plan, std::span(net.samples).first(1), by_outputs()), net.plan);
}

TEST(FitByOutputs, LeavesARangeThatOtherSamplesAreNoBetterWithout) {
  Lopsided net;
  for (std::size_t s = 1; s < net.samples.size(); s += 2)  // those that judge: the small entries are large, too
    net.samples[s] = test::sample_of({16, 16, 1, 8, 4, 2, 3, 12}, {4, 2});
  EXPECT_EQ(fit_by_outputs(*net.model, net.plan, net.samples, by_outputs()), net.plan);
}

TEST(FitByOutputs, GivesSharersOfAScaleOneRange) {
  Lopsided net;
  net.plan.quantizers[0].shared_scale = 0;
  net.plan.quantizers.push_back(test::output_quantizer("other", {"concat"}, 0, 16));
  net.plan.quantizers.back().shared_scale = 0;
  const Plan found = fit_by_outputs(*net.model, net.plan, net.samples, by_outputs());
  EXPECT_LT(found.quantizers[0].range.high[0], 3);
  EXPECT_EQ(found.quantizers[0].range, found.quantizers[2].range);
}

TEST(FitByOutputs, NarrowsWeightsWhoseExtremesHardlyCount) {
  // The first row of the weight is large, but what it is multiplied with is next to nothing.
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  test::NetBuilder net;
  const auto model = net.build({net.matmul("product", net.input("x", {-1, 3}), {1, 0.3F, -0.23F}, 3, 1)});
  Plan plan;
  plan.quantizers = {test::weight_quantizer("product", {1}, 15)};
  plan.quantizers[0].channel_axes = {1};
  std::vector<Sample> samples;
  for (int s = 0; s < 8; ++s) {
    std::vector<float> x;
    for (int row = 0; row < 16; ++row) {
      x.push_back(1e-4F * uniform(random));
      x.push_back(uniform(random));
      x.push_back(uniform(random));
    }
    samples.push_back(test::sample_of(x, {16, 3}));
  }
  QuantizeOptions options;
  options.weight_range.max.aggregator = Aggregator::kOutputError;
  const Plan found = fit_by_outputs(*model, plan, samples, options);
  EXPECT_LT(found.quantizers[0].range.high[0], 1);
  EXPECT_EQ(found.quantizers[0].range.low[0], -found.quantizers[0].range.high[0]);
}

}  // namespace
}  // namespace tightrope
