// SPDX-License-Identifier: Apache-2.0
#include "correction/fast_bias.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ranges/fit.h"
#include "support/builders.h"
#include "support/fake_model.h"
#include "support/graph_builder.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::Each;

std::vector<float> waves(std::size_t count, float phase) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i)) + 0.3F;
  return values;
}

struct Layout {
  std::string what;
  std::size_t channel_axes;             // of the weight: 1, or 2 where groups have an axis of their own
  std::size_t groups, outputs, inputs;  // the latter two per group
  bool per_channel;
  int levels;
};

constexpr std::size_t kKernel = 3;

Quantizer quantizer_of(const Layout& layout, const Tensor& weight) {
  Quantizer quantizer;
  quantizer.kind = SiteKind::kWeight;
  quantizer.node = "conv";
  quantizer.port = 1;
  quantizer.config = test::weight_config();
  if (layout.per_channel) quantizer.channel_axes = layout.channel_axes == 1 ? std::vector{0} : std::vector{0, 1};
  quantizer.range = fit_weight(weight, quantizer.channel_axes, quantizer.config, false);
  if (layout.levels != 255) {  // another number of levels, and a zero point
    quantizer.range.levels = layout.levels;
    for (float& low : quantizer.range.low) low *= 0.9F;
  }
  return quantizer;
}

// The weight as the quantized model has it.
std::vector<float> rounded(const std::vector<float>& weight, const Range& range) {
  std::vector<float> result(weight);
  const std::size_t length = weight.size() / range.low.size();
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const float low = range.low[i / length];
    const float step = (range.high[i / length] - low) / static_cast<float>(range.levels - 1);
    result[i] = std::nearbyint((std::clamp(weight[i], low, range.high[i / length]) - low) / step) * step + low;
  }
  return result;
}

// The mean of each output channel of a convolution that wraps around, so that every tap sees every element.
std::vector<double> means(const Layout& layout, const std::vector<float>& weight, const std::vector<float>& x,
                          std::size_t length) {
  std::vector<double> result(layout.groups * layout.outputs, 0);
  for (std::size_t channel = 0; channel < result.size(); ++channel) {
    const std::size_t first = channel / layout.outputs * layout.inputs;
    for (std::size_t at = 0; at < length; ++at) {
      for (std::size_t input = 0; input < layout.inputs; ++input) {
        for (std::size_t tap = 0; tap < kKernel; ++tap) {
          result[channel] += static_cast<double>(weight[(channel * layout.inputs + input) * kKernel + tap]) *
                             x[(first + input) * length + (at + tap) % length] / static_cast<double>(length);
        }
      }
    }
  }
  return result;
}

class BiasShift : public testing::TestWithParam<Layout> {};

TEST_P(BiasShift, RestoresTheMeanOfEveryOutputChannel) {
  const Layout layout = GetParam();
  constexpr std::size_t kLength = 11;
  const std::size_t channels = layout.groups * layout.inputs;
  const auto groups = static_cast<std::int64_t>(layout.groups);
  const auto outputs = static_cast<std::int64_t>(layout.outputs);
  Shape shape = {groups, outputs, static_cast<std::int64_t>(layout.inputs), kKernel};
  if (layout.channel_axes == 1) shape = {groups * outputs, shape[2], shape[3]};
  const auto weight = waves(element_count(shape), 0);
  const auto x = waves(channels * kLength, 2);
  std::vector<float> mean(channels, 0);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i / kLength] += x[i] / kLength;

  const Tensor elements = Tensor::copy_of(std::span<const float>(weight), shape);
  const Quantizer quantizer = quantizer_of(layout, elements);
  const std::vector<int> axes = layout.channel_axes == 1 ? std::vector{0} : std::vector{0, 1};
  const auto shift = bias_shift(elements, quantizer, axes, mean);
  const auto exact = means(layout, weight, x, kLength);
  const auto quantized = means(layout, rounded(weight, quantizer.range), x, kLength);
  ASSERT_EQ(shift.size(), exact.size());
  double largest = 0;
  for (std::size_t channel = 0; channel < shift.size(); ++channel) {
    EXPECT_NEAR(quantized[channel] + shift[channel], exact[channel], 2e-6) << channel;
    largest = std::max(largest, std::abs(quantized[channel] - exact[channel]));
  }
  EXPECT_GT(largest, 1e-4) << "there was something to correct";
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, BiasShift,
    testing::Values(Layout{"plain", 1, 1, 5, 3, true, 255}, Layout{"plain_one_scale", 1, 1, 5, 3, false, 255},
                    Layout{"plain_with_zero_points", 1, 1, 5, 3, true, 16},
                    Layout{"plain_with_two_bits", 1, 1, 5, 3, true, 3},
                    Layout{"plain_with_ten_bits", 1, 1, 5, 3, true, 1023}, Layout{"grouped", 2, 3, 2, 4, true, 255},
                    Layout{"grouped_one_scale", 2, 3, 2, 4, false, 31},
                    Layout{"grouped_in_one_axis", 1, 3, 2, 4, true, 255}, Layout{"depthwise", 2, 5, 1, 1, true, 255},
                    Layout{"depthwise_twice", 2, 5, 2, 1, true, 16}),
    [](const auto& test) { return test.param.what; });

TEST(BiasShiftOf, IsZeroForWeightsOnLevelsAndForDataWithoutMean) {
  const std::vector<float> levels = {1, -127, 5, 127};
  Quantizer quantizer;
  quantizer.node = "conv";
  quantizer.range = {{-127}, {127}, 255};
  const Tensor exact = Tensor::copy_of(std::span<const float>(levels), {2, 2, 1});
  EXPECT_THAT(bias_shift(exact, quantizer, std::vector{0}, std::vector<float>{3, 4}), Each(0.0F));
  const Tensor other = Tensor::copy_of(std::span<const float>(waves(4, 1)), {2, 2, 1});
  EXPECT_THAT(bias_shift(other, quantizer, std::vector{0}, std::vector<float>{0, 0}), Each(0.0F));
}

TEST(BiasShiftOf, NeedsAMeanForEachInputChannel) {
  Quantizer quantizer;
  quantizer.node = "conv";
  quantizer.range = {{-1}, {1}, 255};
  const Tensor weight = Tensor::copy_of(std::span<const float>(waves(4, 1)), {2, 2, 1});
  EXPECT_THROW(bias_shift(weight, quantizer, std::vector{0}, std::vector<float>{1, 2, 3}), InternalError);
}

// Three inputs with means, to two outputs, in both layouts of the weight.
TEST(BiasShiftOf, AMatrixIsThatOfItsSmoothedForm) {
  const std::vector<float> mean = {1, -2, 3};
  const std::vector<float> smoothing = {0.5F, 2, 4};
  for (const bool inputs_first : {true, false}) {
    const std::vector<float> elements = waves(6, 1);
    const auto at = [&](std::size_t in, std::size_t out) { return inputs_first ? in * 2 + out : out * 3 + in; };
    Quantizer quantizer;
    quantizer.kind = SiteKind::kWeight;
    quantizer.node = "fc";
    quantizer.port = 1;
    quantizer.channel_axes = {inputs_first ? 1 : 0};
    quantizer.range = {{-6, -5}, {6, 5}, 7};  // steps of 2, and of 5 / 3
    quantizer.smoothing = smoothing;
    quantizer.smoothing_axis = inputs_first ? 0 : 1;
    const Tensor weight = Tensor::copy_of(elements, inputs_first ? Shape{3, 2} : Shape{2, 3});
    const auto shift = bias_shift(weight, quantizer, quantizer.channel_axes, mean);
    ASSERT_EQ(shift.size(), 2U);
    for (std::size_t out = 0; out < 2; ++out) {
      const float step = quantizer.range.high[out] / 3;
      float expected = 0;
      for (std::size_t in = 0; in < 3; ++in) {
        const float smoothed = elements[at(in, out)] * smoothing[in];
        expected += (smoothed - std::nearbyint(smoothed / step) * step) * mean[in] / smoothing[in];
      }
      EXPECT_NEAR(shift[out], expected, 1e-6F) << inputs_first;
      EXPECT_GT(std::abs(expected), 0.01F);
    }
  }
}

bool corrects(const Graph& graph, const std::string& node) {
  Quantizer quantizer;
  quantizer.node = node;
  quantizer.port = 1;
  return corrects_bias(quantizer, graph);
}

TEST(CorrectsBias, HoldsForConvolutionsAndMatrices) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.conv("plain", x);
  net.conv("grouped", x, OpKind::kGroupConvolution);
  net.depthwise("depthwise", x);
  net.conv("transposed", x, OpKind::kTransposedConvolution);
  net.dot("dot", x);
  net.conv("unknown conv", net.input("unknown", ElementType::kF32, {}));
  EXPECT_TRUE(corrects(net.graph, "plain"));
  EXPECT_TRUE(corrects(net.graph, "grouped"));
  EXPECT_TRUE(corrects(net.graph, "depthwise"));
  EXPECT_FALSE(corrects(net.graph, "transposed")) << "how many windows see an element is not known";
  EXPECT_FALSE(corrects(net.graph, "dot"));
  EXPECT_FALSE(corrects(net.graph, "unknown conv"));
  Quantizer quantizer;
  quantizer.node = "depthwise";
  const StatisticRequest request = bias_request(quantizer, net.graph);
  EXPECT_EQ(request.value, x);
  EXPECT_THAT(request.channel_axes, testing::ElementsAre(1));
  EXPECT_TRUE(request.mean);
}

// x [?,2] -> fc (2 to 2) -> bias, and a second product without one.
std::unique_ptr<test::FakeModel> two_products(const std::vector<float>& bias) {
  test::NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const ValueId sum = net.add("bias", net.matmul("fc", x, {1, 2, 3, 4}, 2, 2), bias);
  return net.build({net.matmul("bare", sum, {1, 2, 3, 4}, 2, 2)});
}

TEST(WantsBias, IsAMatterOfTheOptionWhereThereIsNone) {
  const auto model = two_products({1, 1});
  QuantizeOptions options;
  EXPECT_TRUE(wants_bias("bare", model->graph(), options));
  options.bias_threshold = 2;
  EXPECT_FALSE(wants_bias("bare", model->graph(), options));
  EXPECT_TRUE(wants_bias("fc", model->graph(), options));
  options.bias_for_all_nodes = true;
  EXPECT_TRUE(wants_bias("bare", model->graph(), options));
}

TEST(IsBelowThreshold, ComparesEveryChannelWithItsBias) {
  const auto model = two_products({1, -0.5F});
  QuantizeOptions options;
  EXPECT_TRUE(is_below_threshold(*model, "bare", std::vector<float>{100, 100}, options)) << "no threshold is set";
  options.bias_threshold = 2;
  EXPECT_TRUE(is_below_threshold(*model, "fc", std::vector<float>{1.9F, 0.9F}, options));
  EXPECT_FALSE(is_below_threshold(*model, "fc", std::vector<float>{1.9F, 1.1F}, options));
  EXPECT_TRUE(is_below_threshold(*model, "bare", std::vector<float>{100, 100}, options)) << "nothing to compare with";
  EXPECT_FALSE(is_below_threshold(*two_products({1, 0}), "fc", std::vector<float>{0.1F, 0.1F}, options));
}

}  // namespace
}  // namespace tightrope
