// SPDX-License-Identifier: Apache-2.0
#include "correction/fast_bias.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ranges/fit.h"
#include "support/builders.h"
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
  const auto shift = bias_shift(elements, quantizer, layout.channel_axes, mean);
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
  EXPECT_THAT(bias_shift(exact, quantizer, 1, std::vector<float>{3, 4}), Each(0.0F));
  const Tensor other = Tensor::copy_of(std::span<const float>(waves(4, 1)), {2, 2, 1});
  EXPECT_THAT(bias_shift(other, quantizer, 1, std::vector<float>{0, 0}), Each(0.0F));
}

TEST(BiasShiftOf, NeedsAMeanForEachInputChannel) {
  Quantizer quantizer;
  quantizer.node = "conv";
  quantizer.range = {{-1}, {1}, 255};
  const Tensor weight = Tensor::copy_of(std::span<const float>(waves(4, 1)), {2, 2, 1});
  EXPECT_THROW(bias_shift(weight, quantizer, 1, std::vector<float>{1, 2, 3}), InternalError);
}

TEST(CorrectsBias, HoldsForConvolutionsWithChannelsOnAxisOne) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.conv("plain", x);
  net.conv("grouped", x, OpKind::kGroupConvolution);
  net.depthwise("depthwise", x);
  net.conv("transposed", x, OpKind::kTransposedConvolution);
  net.matmul("fc", x);
  const ValueId unknown = net.input("unknown", ElementType::kF32, {});
  net.conv("unknown conv", unknown);
  const auto corrects = [&](const std::string& node) {
    Quantizer quantizer;
    quantizer.node = node;
    return corrects_bias(quantizer, net.graph);
  };
  EXPECT_TRUE(corrects("plain"));
  EXPECT_TRUE(corrects("grouped"));
  EXPECT_TRUE(corrects("depthwise"));
  EXPECT_FALSE(corrects("transposed"));
  EXPECT_FALSE(corrects("fc"));
  EXPECT_FALSE(corrects("unknown conv"));
  Quantizer quantizer;
  quantizer.node = "depthwise";
  const StatisticRequest request = bias_request(quantizer, net.graph);
  EXPECT_EQ(request.value, x);
  EXPECT_THAT(request.channel_axes, testing::ElementsAre(1));
  EXPECT_TRUE(request.mean);
}

}  // namespace
}  // namespace tightrope
