// SPDX-License-Identifier: Apache-2.0
#include "correction/measured_bias.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using test::FakeModel;
using test::NetBuilder;
using test::output_quantizer;
using test::sample_of;
using test::weight_quantizer;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<float> waves(std::size_t count, float phase) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i));
  return values;
}

constexpr const char* kLayers[] = {"first", "second", "third"};

// x [?,3,6] -> first -> relu1 -> second -> relu2 -> third, all convolutions of 3 to 3 channels; and a coarse plan.
std::unique_ptr<FakeModel> chain() {
  NetBuilder net;
  ValueId x = net.input("x", {-1, 3, 6});
  x = net.relu("relu1", net.convolution("first", x, waves(9, 0), 3, 3));
  x = net.relu("relu2", net.convolution("second", x, waves(9, 1), 3, 3));
  return net.build({net.convolution("third", x, waves(9, 2), 3, 3)});
}

Plan coarse_plan() {
  Plan plan;
  plan.quantizers = {output_quantizer("x", {}, -1, 2, 16), output_quantizer("relu1", {}, 0, 2, 16),
                     output_quantizer("relu2", {}, 0, 2, 16)};
  for (const char* layer : kLayers) plan.quantizers.push_back(weight_quantizer(layer, {1}, 9));
  return plan;
}

std::vector<Sample> images(std::size_t count) {
  std::vector<Sample> result;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<float> values = waves(18, 3 + 0.37F * static_cast<float>(i));
    for (float& value : values) value = 0.6F * value + 0.5F;
    result.push_back(sample_of(values, {1, 3, 6}));
  }
  return result;
}

// The sum over channels of the squared mean error of a layer's output, over every second sample.
double mean_error(const Model& model, const Plan& plan, const std::string& layer, std::span<const Sample> samples,
                  std::size_t first) {
  const ValueId value = model.graph().node(model.graph().find(layer)).outputs[0];
  const std::vector<Probe> probes = {{value, Probe::Reduction::kMean, {1}}};
  const auto exact = model.compile({}, probes);
  const auto quantized = model.apply(plan)->compile({}, probes);
  std::vector<double> sum(3, 0);
  for (std::size_t i = first; i < samples.size(); i += 2) {
    const auto expected = exact->run(samples[i])[0].to_floats();
    const auto found = quantized->run(samples[i])[0].to_floats();
    for (std::size_t c = 0; c < sum.size(); ++c)
      sum[c] += (static_cast<double>(expected[c]) - found[c]) / (static_cast<double>(samples.size()) / 2);
  }
  return sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2];
}

TEST(MeasureBiases, RestoresTheMeanOfEveryLayerBehindTheCorrectedOnes) {
  const auto model = chain();
  const Plan plan = coarse_plan();
  const std::vector<Sample> samples = images(32);
  for (const bool fast : {true, false}) {
    QuantizeOptions options;
    options.fast_bias_correction = fast;
    const MeasuredBiases result = measure_biases(*model, plan, samples, options);
    EXPECT_TRUE(result.is_better);
    EXPECT_THAT(result.plan.bias_shifts, SizeIs(3));
    for (const char* layer : kLayers) {
      const double before = mean_error(*model, plan, layer, samples, 1);
      EXPECT_GT(before, 1e-4) << "there is something to correct";
      EXPECT_LT(mean_error(*model, result.plan, layer, samples, 1), 0.1 * before) << layer << " on other samples";
      EXPECT_LT(mean_error(*model, result.plan, layer, samples, 0), 0.02 * before) << layer;
    }
  }
}

TEST(MeasureBiases, CompilesTheBaseAndTheQuantizedModelOnce) {
  const auto model = chain();
  measure_biases(*model, coarse_plan(), images(8), {});
  EXPECT_EQ(model->usage().compiled, 2);
  EXPECT_TRUE(model->usage().options.throughput);
}

TEST(MeasureBiases, GivesTheSameFromAnyStart) {
  const auto model = chain();
  const std::vector<Sample> samples = images(16);
  QuantizeOptions options;
  options.fast_bias_correction = false;
  Plan wrong = coarse_plan();
  wrong.bias_shifts = {{"second", {0.1F, -0.1F, 0.05F}}};
  const Plan found = measure_biases(*model, coarse_plan(), samples, options).plan;
  const Plan again = measure_biases(*model, wrong, samples, options).plan;
  ASSERT_EQ(found.bias_shifts.size(), again.bias_shifts.size());
  for (std::size_t l = 0; l < found.bias_shifts.size(); ++l) {
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(found.bias_shifts[l].shift[c], again.bias_shifts[l].shift[c], 0.02F) << l;
  }
}

TEST(MeasureBiases, RemembersTheShiftsOfWeightsAlone) {
  const auto model = chain();
  Plan plan = coarse_plan();
  plan.bias_shifts = {{"second", {0.1F, -0.1F, 0.05F}}};
  const Plan found = measure_biases(*model, plan, images(16), {}).plan;
  ASSERT_THAT(found.bias_shifts, SizeIs(3));
  for (const BiasShift& shift : found.bias_shifts) {
    EXPECT_EQ(shift.of_weight, shift.node == "second" ? plan.bias_shifts[0].shift : std::vector<float>());
  }
}

TEST(MeasureBiases, LeavesThePlanAsItIsWithoutSamplesToJudge) {
  const auto model = chain();
  Plan plan = coarse_plan();
  plan.bias_shifts = {{"first", {1, 2, 3}}};
  for (const std::size_t count : {0U, 1U}) {
    EXPECT_EQ(measure_biases(*model, plan, images(count), {}).plan, plan);
  }
  EXPECT_EQ(model->usage().compiled, 0);
}

// y = x through a product by one, on data that the quantizer of x rounds to its levels.
std::unique_ptr<FakeModel> identity(const char* behind = nullptr) {
  NetBuilder net;
  const ValueId y = net.matmul("fc", net.input("x", {-1, 1}), {1}, 1, 1);
  return net.build({behind == nullptr ? y : net.relu(behind, y)});
}

Plan rounding_plan(float low, float high, int levels) {
  Plan plan;
  plan.quantizers = {output_quantizer("x", {}, low, high, levels), weight_quantizer("fc", {1})};
  return plan;
}

std::vector<Sample> numbers(const std::vector<float>& values) {
  std::vector<Sample> result;
  for (const float value : values) result.push_back(sample_of({value}, {1, 1}));
  return result;
}

TEST(MeasureBiases, RefusesAShiftThatIsWrongForOtherSamples) {
  const MeasuredBiases result =
      measure_biases(*identity(), rounding_plan(0, 3, 4), numbers({0.6F, 0.4F, 0.6F, 0.4F}), {});
  EXPECT_EQ(result.refused, 1U);
  EXPECT_THAT(result.plan.bias_shifts, IsEmpty());
}

TEST(MeasureBiases, KeepsTheShiftOfThePlanWhereThatIsTheBest) {
  Plan plan = rounding_plan(0, 3, 4);
  plan.bias_shifts = {{"fc", {0.3F}}};
  const MeasuredBiases result = measure_biases(*identity(), plan, numbers({0.6F, 0.4F, 0.6F, 0.4F}), {});
  EXPECT_EQ(result.refused, 1U);
  EXPECT_EQ(result.plan, plan);
}

// Of -10 the quantizer makes -12, and 1 stays. The mean error of the product is 1, but behind Relu nothing is wrong.
TEST(MeasureBiases, DropsEverythingWhereTheOutputsAreBetterWithout) {
  const MeasuredBiases result =
      measure_biases(*identity("relu"), rounding_plan(-12, 1, 2), numbers({-10, -10, 1, 1}), {});
  EXPECT_FALSE(result.is_better);
  EXPECT_THAT(result.plan.bias_shifts, IsEmpty());
}

TEST(MeasureBiases, DoesWhatTheOptionsSay) {
  const std::vector<Sample> samples = numbers({0.6F, 0.6F, 0.7F, 0.7F});
  const Plan plan = rounding_plan(0, 3, 4);
  QuantizeOptions options;
  EXPECT_THAT(measure_biases(*identity(), plan, samples, options).plan.bias_shifts, SizeIs(1));
  options.bias_threshold = 1000;
  EXPECT_THAT(measure_biases(*identity(), plan, samples, options).plan.bias_shifts, IsEmpty()) << "it has no bias";
  options.bias_for_all_nodes = true;
  EXPECT_THAT(measure_biases(*identity(), plan, samples, options).plan.bias_shifts, SizeIs(1));
}

TEST(MeasuresBias, HoldsOutsideOfBranchesForLayersWithChannelsOfKnownNumber) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 3, 4});
  const ValueId conv = net.convolution("conv", x, waves(9, 0), 3, 3);
  net.body = "gate/then";
  net.convolution("inside", conv, waves(9, 0), 3, 3);
  const auto model = net.build({conv});
  EXPECT_TRUE(measures_bias(weight_quantizer("conv", {1}), model->graph()));
  EXPECT_FALSE(measures_bias(weight_quantizer("inside", {1}), model->graph()));
}

TEST(BiasSamples, AreAFifthOfTheSubsetButNotTooFew) {
  QuantizeOptions options;
  EXPECT_EQ(bias_samples(options), 60U);
  options.subset_size = 10;
  EXPECT_EQ(bias_samples(options), 32U);
}

}  // namespace
}  // namespace tightrope
