// SPDX-License-Identifier: Apache-2.0
#include "pipeline/alternatives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Two products of 16 entries that move together, one after the other, with a Relu between.
struct TwoProducts {
  static constexpr std::size_t kInputs = 16;
  std::unique_ptr<test::FakeModel> model;
  std::vector<Sample> samples;
  Plan plan;

  TwoProducts() {
    std::mt19937 random(5);
    std::uniform_real_distribution<float> uniform(-1, 1);
    const auto weight = [&](std::size_t channels) {
      std::vector<float> elements(kInputs * channels);
      for (float& element : elements) element = uniform(random);
      return elements;
    };
    test::NetBuilder net;
    const ValueId first = net.matmul("first", net.input("x", {-1, kInputs}), weight(kInputs), kInputs, kInputs);
    model = net.build({net.matmul("second", net.relu("relu", first), weight(2), kInputs, 2)});
    for (int s = 0; s < 32; ++s) {
      std::vector<float> x;
      for (int row = 0; row < 8; ++row) {
        const float level = 5 * uniform(random);
        for (std::size_t i = 0; i < kInputs; ++i) x.push_back(level + uniform(random));
      }
      samples.push_back(test::sample_of(x, {8, kInputs}));
    }
    plan.quantizers = {test::output_quantizer("x", {"first"}, -6, 6),
                       test::weight_quantizer("first", std::vector<float>(kInputs, 1)),
                       test::output_quantizer("relu", {"second"}, 0, 30), test::weight_quantizer("second", {1, 1})};
  }

  std::vector<std::vector<Alternative>> alternatives(const QuantizeOptions& options = {}) const {
    return alternatives_of(*model, plan, form_groups(plan), samples, options);
  }

  double error(const Plan& any) const {
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

const Alternative& named(const std::vector<Alternative>& alternatives, const std::string& what) {
  static const Alternative none;
  const auto found = std::ranges::find(alternatives, what, &Alternative::what);
  return found == alternatives.end() ? none : *found;
}

TEST(Alternatives, ComeByGroupTheBestFirst) {
  TwoProducts net;
  net.plan.quantizers[0].range = {{-1}, {1}, 256};  // clips
  const auto found = net.alternatives();
  ASSERT_THAT(found, SizeIs(2));
  ASSERT_THAT(found[0], Not(IsEmpty()));
  for (const std::vector<Alternative>& group : found) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      EXPECT_LT(group[i].error, group[i].error_before) << group[i].what;
      EXPECT_LE(group[i == 0 ? 0 : i - 1].error, group[i].error) << group[i].what;
    }
  }
}

TEST(Alternatives, WidenARangeThatClips) {
  TwoProducts net;
  net.plan.quantizers[0].range = {{-1}, {1}, 256};
  const auto found = net.alternatives();
  const Alternative& extremes = named(found[0], "ranges of the extremes");
  ASSERT_TRUE(extremes.quantizers.contains(0));
  EXPECT_GT(extremes.quantizers.at(0).range.high[0], 5);
  EXPECT_LT(extremes.error, 0.01 * extremes.error_before);
  EXPECT_LT(net.error(with_alternatives(net.plan, std::span(&extremes, 1))), 0.1 * net.error(net.plan));
}

TEST(Alternatives, NarrowARangeThatIsTooWide) {
  TwoProducts net;
  net.plan.quantizers[2].range = {{0}, {3000}, 256};
  const auto found = net.alternatives();
  const Alternative& narrow = named(found[1], "ranges by output error");
  ASSERT_TRUE(narrow.quantizers.contains(2));
  EXPECT_LT(narrow.quantizers.at(2).range.high[0], 100);
}

TEST(Alternatives, MakeLopsidedDataAsymmetricWhereThatCostsNothing) {
  TwoProducts net;
  for (Sample& sample : net.samples) {
    std::vector<float> x = sample.inputs[0].tensor.to_floats();
    for (float& value : x) value = std::abs(value) - 0.1F;
    sample = test::sample_of(x, {8, TwoProducts::kInputs});
  }
  const auto found = net.alternatives();
  EXPECT_EQ(named(found[0], "asymmetric ranges").quantizers.at(0).config.mode, Mode::kAsymmetric);
  QuantizeOptions symmetric;
  symmetric.activations.mode = Mode::kSymmetric;  // as the user wants it
  EXPECT_EQ(named(net.alternatives(symmetric)[0], "asymmetric ranges").what, "");
}

TEST(Alternatives, RoundWeightsByTheDataUnlessTheUserWantsNoSuchThing) {
  const TwoProducts net;
  const Alternative rounded = named(net.alternatives()[0], "weights rounded by the data");
  EXPECT_THAT(rounded.quantizers, SizeIs(1));
  EXPECT_THAT(rounded.quantizers.at(1).rounding, SizeIs(TwoProducts::kInputs * TwoProducts::kInputs));
  QuantizeOptions nearest;
  nearest.weight_rounding = false;
  EXPECT_EQ(named(net.alternatives(nearest)[0], "weights rounded by the data").what, "");
}

TEST(Alternatives, ShiftBiasesByWhatTheMeansLack) {
  TwoProducts net;
  net.plan.bias_shifts = {{"second", {3, -3}}};
  const Alternative biases = named(net.alternatives()[1], "biases by the outputs");
  ASSERT_THAT(biases.shifts, ElementsAre(Field(&BiasShift::node, "second")));
  EXPECT_NEAR(biases.shifts[0].shift[0], 0, 0.1);
  EXPECT_TRUE(biases.shifts[0].of_weight.has_value());
  const Plan better = with_alternatives(net.plan, std::span(&biases, 1));
  EXPECT_THAT(better.bias_shifts, SizeIs(1));
  EXPECT_LT(net.error(better), 0.1 * net.error(net.plan));
  QuantizeOptions none;
  none.bias_correction = false;
  EXPECT_EQ(named(net.alternatives(none)[1], "biases by the outputs").what, "");
}

TEST(Alternatives, KeepWeightsAloneInEightBitsAsTheSlowOne) {
  TwoProducts net;
  net.plan.quantizers[0].range.levels = 4;  // so that nothing else helps as much
  net.plan.bias_shifts = {{"first", std::vector<float>(TwoProducts::kInputs, 1), std::vector<float>()}};
  const auto found = net.alternatives();
  const Alternative& alone = named(found[0], "weights alone in 8 bits");
  EXPECT_FALSE(alone.stays_fast);
  EXPECT_THAT(alone.left_out, ElementsAre(0));
  const Plan rest = with_alternatives(net.plan, std::span(&alone, 1));
  EXPECT_THAT(rest.quantizers, ElementsAre(net.plan.quantizers[1], net.plan.quantizers[2], net.plan.quantizers[3]));
  EXPECT_THAT(rest.bias_shifts, IsEmpty());
}

TEST(Alternatives, CompileNothingPerCandidate) {
  const TwoProducts net;
  const int before = net.model->usage().compiled;
  EXPECT_THAT(net.alternatives()[0], Not(IsEmpty()));
  EXPECT_LE(net.model->usage().compiled - before, 2);
}

TEST(Alternatives, AreNoneWithoutSamplesThatJudge) {
  const TwoProducts net;
  EXPECT_THAT(alternatives_of(*net.model, net.plan, form_groups(net.plan), std::span(net.samples).first(1), {}),
              ElementsAre(IsEmpty(), IsEmpty()));
}

TEST(Alternatives, LeaveAScaleThatOtherGroupsShare) {
  TwoProducts net;
  net.plan.quantizers[0].range = {{-1}, {1}, 256};
  net.plan.quantizers[0].shared_scale = 7;
  net.plan.quantizers[2].shared_scale = 7;
  const auto found = net.alternatives();
  for (const Alternative& alternative : found[0]) EXPECT_FALSE(alternative.quantizers.contains(0));
}

TEST(Repair, TakesWhatIsBetterInEachGroup) {
  TwoProducts net;
  net.plan.quantizers[0].range = {{-1}, {1}, 256};
  net.plan.quantizers[2].range = {{0}, {3000}, 256};
  const test::LogCapture log;
  const auto [found, repairs] = repair(*net.model, net.plan, net.samples, {});
  ASSERT_THAT(repairs, SizeIs(2));
  for (const RepairRecord& record : repairs) EXPECT_LT(record.error, record.error_before);
  EXPECT_LT(net.error(found), 0.05 * net.error(net.plan));
  EXPECT_THAT(found.quantizers, SizeIs(4));
  EXPECT_THAT(log.text(LogLevel::kInfo), testing::HasSubstr("2 of 2 groups"));
}

}  // namespace
}  // namespace tightrope
