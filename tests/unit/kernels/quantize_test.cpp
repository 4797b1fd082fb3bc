// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/channels.h"

namespace tightrope {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::size_t channel_of(std::size_t element, const Shape& shape, const std::vector<int>& axes) {
  std::size_t channel = 0;
  std::size_t stride = 1;
  for (auto axis = static_cast<int>(shape.size()); axis-- > 0;) {
    const auto extent = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
    if (std::ranges::count(axes, axis) > 0) {
      channel += element % extent * stride;
      stride *= extent;
    }
    element /= extent;
  }
  return channel;
}

std::vector<float> random_values(std::size_t count) {
  std::mt19937 random(3);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % 20001) / 10000.0F - 1.0F;
  return values;
}

std::vector<std::pair<Shape, std::vector<int>>> cases() {
  std::vector<std::pair<Shape, std::vector<int>>> result;
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}, Shape{5, 1, 3}, Shape{3, 2, 5, 7}}) {
    for (std::size_t bits = 0; bits < 1U << shape.size(); ++bits) {
      std::vector<int> axes;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if ((bits >> axis & 1U) != 0) axes.push_back(static_cast<int>(axis));
      }
      result.emplace_back(shape, axes);
    }
  }
  return result;
}

TEST(AdjustChannels, MultipliesAndAddsByChannel) {
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  adjust_channels(values, {2, 3}, std::vector{1}, std::vector<float>{1, 10, 100});
  EXPECT_THAT(values, testing::ElementsAre(1, 20, 300, 4, 50, 600));
  adjust_channels(values, {2, 3}, std::vector{0}, std::vector<float>{2, 1}, std::vector<float>{1, -4});
  EXPECT_THAT(values, testing::ElementsAre(3, 41, 601, 0, 46, 596));
}

TEST(ExtremesOf, AgreeWithAScalarLoopForEverySubsetOfAxes) {
  for (const auto& [shape, axes] : cases()) {
    const auto values = random_values(element_count(shape));
    std::vector<float> low(channel_count(shape, axes), kInfinity);
    std::vector<float> high(low.size(), -kInfinity);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t c = channel_of(i, shape, axes);
      low[c] = std::min(low[c], values[i]);
      high[c] = std::max(high[c], values[i]);
    }
    const Extremes found = extremes_of(values, shape, axes);
    EXPECT_EQ(found.low, low) << to_string(shape) << testing::PrintToString(axes);
    EXPECT_EQ(found.high, high) << to_string(shape) << testing::PrintToString(axes);
  }
}

TEST(ExtremesOf, ShowANanWhereverItStands) {
  for (std::size_t place = 0; place < 5; ++place) {
    std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    values[place] = kNan;
    const Extremes found = extremes_of(values, {2, 5}, std::vector{0});
    EXPECT_TRUE(std::isnan(found.low[0]) && std::isnan(found.high[0])) << place;
    EXPECT_EQ(found.low[1], 6);
    EXPECT_EQ(found.high[1], 10);
  }
}

TEST(ExtremesOf, KeepInfinities) {
  const std::vector<float> values = {1, kInfinity, 3, -kInfinity};
  const Extremes found = extremes_of(values, {2, 2}, std::vector{0});
  EXPECT_THAT(found.low, ElementsAre(1, -kInfinity));
  EXPECT_THAT(found.high, ElementsAre(kInfinity, 3));
}

TEST(ExtremesOf, AreReversedInfinitiesWithoutElements) {
  const Extremes found = extremes_of({}, {3, 0}, std::vector{0});
  EXPECT_THAT(found.low, ElementsAre(kInfinity, kInfinity, kInfinity));
  EXPECT_THAT(found.high, ElementsAre(-kInfinity, -kInfinity, -kInfinity));
  EXPECT_THAT(extremes_of({}, {0, 3}, std::vector{0}).low, IsEmpty());
}

TEST(QuantizeTensor, AgreesWithAScalarLoopForEverySubsetOfAxes) {
  for (const int levels : {3, 16, 255, 256, 1023, 65536}) {
    for (const auto& [shape, axes] : cases()) {
      const auto values = random_values(element_count(shape));
      Range range{{}, {}, levels};
      for (std::size_t c = 0; c < channel_count(shape, axes); ++c) {
        range.low.push_back(-0.5F - 0.01F * static_cast<float>(c));
        range.high.push_back(0.7F + 0.02F * static_cast<float>(c % 7));
      }
      const QuantizedTensor found = quantize_tensor(values, shape, axes, range);
      ASSERT_EQ(found.levels.size(), values.size());
      const int lowest = -(levels / 2);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t c = channel_of(i, shape, axes);
        const float scale = (range.high[c] - range.low[c]) / static_cast<float>(levels - 1);
        const float zero_point = static_cast<float>(lowest) - range.low[c] / scale;
        const float level = std::nearbyint(values[i] / scale + zero_point);
        EXPECT_EQ(found.levels[i],
                  std::clamp<float>(level, static_cast<float>(lowest), static_cast<float>(lowest + levels - 1)));
        EXPECT_EQ(found.scale[c], scale);
        EXPECT_NEAR(found.zero_point[c], zero_point, 1e-4F);
        const float back = scale * (static_cast<float>(found.levels[i]) - found.zero_point[c]);
        const float clipped = std::clamp(values[i], range.low[c], range.high[c]);
        EXPECT_NEAR(back, clipped, scale * 0.5001F + 1e-7F);
      }
    }
  }
}

TEST(QuantizeTensor, RoundsTiesToEven) {
  const std::vector<float> values = {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 0.49F, 126.5F, -126.5F};
  const QuantizedTensor found = quantize_tensor(values, {9}, {}, {{-127}, {127}, 255});
  EXPECT_THAT(found.levels, ElementsAre(0, 2, 2, 0, -2, -2, 0, 126, -126));
  EXPECT_THAT(found.scale, ElementsAre(1));
  EXPECT_THAT(found.zero_point, IsEmpty());
}

TEST(QuantizeTensor, ClipsToTheEnds) {
  const std::vector<float> values = {-1000, 1000, kInfinity, -kInfinity};
  EXPECT_THAT(quantize_tensor(values, {4}, {}, {{-1}, {1}, 255}).levels, ElementsAre(-127, 127, 127, -127));
  EXPECT_THAT(quantize_tensor(values, {4}, {}, {{-1.28F}, {1.27F}, 256}).levels, ElementsAre(-128, 127, 127, -128));
}

TEST(QuantizeTensor, LeavesOutAZeroPointThatIsZeroForEveryChannel) {
  const std::vector<float> values = {1, 2, 3, 4};
  EXPECT_THAT(quantize_tensor(values, {2, 2}, std::vector{0}, {{-0.3F, -7e-5F}, {0.3F, 7e-5F}, 255}).zero_point,
              IsEmpty());
  EXPECT_THAT(quantize_tensor(values, {2, 2}, std::vector{0}, {{-128.0F / 127, -1.28F}, {1, 1.27F}, 256}).zero_point,
              IsEmpty());
  const auto mixed = quantize_tensor(values, {2, 2}, std::vector{0}, {{-1, 0}, {1, 1}, 255}).zero_point;
  EXPECT_THAT(mixed, ElementsAre(0, -127));
}

TEST(QuantizeTensor, CountsLevelsFromZeroWhereTheRangeBeginsThere) {
  const std::vector<float> values = {0, 1, 255, 100};
  const QuantizedTensor found = quantize_tensor(values, {4}, {}, {{0}, {255}, 256});
  EXPECT_EQ(found.lowest, 0);
  EXPECT_THAT(found.levels, ElementsAre(0, 1, 255, 100));
  EXPECT_THAT(found.zero_point, IsEmpty());
  EXPECT_EQ(quantize_tensor(values, {4}, {}, {{-1}, {255}, 256}).lowest, -128);
}

TEST(QuantizeTensor, KeepsSixteenBits) {
  const std::vector<float> values = {-32768, 0, 32767, 40000};
  EXPECT_THAT(quantize_tensor(values, {4}, {}, {{-32768}, {32767}, 65536}).levels,
              ElementsAre(-32768, 0, 32767, 32767));
  const QuantizedTensor positive = quantize_tensor(values, {4}, {}, {{0}, {65535}, 65536});
  EXPECT_THAT(positive.levels, ElementsAre(-32768, -32768, -1, 7232));
  EXPECT_THAT(positive.zero_point, ElementsAre(-32768));
}

TEST(QuantizeTensor, TakesTheNoiseOutOfZeroPoints) {
  const std::vector<float> values = {0, 1};
  const float step = 0.013F;
  EXPECT_THAT(quantize_tensor(values, {2}, {}, {{-100 * step}, {155 * step}, 256}).zero_point, ElementsAre(-28));
  EXPECT_NE(quantize_tensor(values, {2}, {}, {{-100.01F * step}, {154.99F * step}, 256}).zero_point[0], -28);
}

TEST(QuantizeTensor, MapsZeroToZeroInASymmetricRangeOfAnyWidth) {
  const std::vector<float> values(3, 0.0F);
  for (const float high : {1e-20F, 8e-5F, 0.1F, 3.0F, 1e10F}) {
    const QuantizedTensor found = quantize_tensor(values, {3}, {}, {{-high}, {high}, 255});
    EXPECT_THAT(found.levels, Each(0)) << high;
    EXPECT_THAT(found.zero_point, IsEmpty()) << high;
    EXPECT_GT(found.scale[0], 0) << high;
  }
}

TEST(QuantizeTensor, SurvivesARangeWithoutWidth) {
  const std::vector<float> values = {0, 0};
  const QuantizedTensor found = quantize_tensor(values, {2}, {}, {{0}, {0}, 255});
  EXPECT_THAT(found.scale, ElementsAre(1));
}

TEST(QuantizeTensor, TakesOneRangeForAllChannels) {
  const std::vector<float> values = {1, -1, 0.5F, 0};
  const QuantizedTensor found = quantize_tensor(values, {2, 2}, std::vector{0}, {{-1}, {1}, 255});
  EXPECT_THAT(found.levels, ElementsAre(127, -127, 64, 0));
  EXPECT_EQ(found.scale.size(), 1U);
}

TEST(QuantizeTensor, TakesAnEmptyTensor) {
  const QuantizedTensor found = quantize_tensor({}, {0, 2}, {}, {{-1}, {1}, 255});
  EXPECT_THAT(found.levels, IsEmpty());
}

}  // namespace
}  // namespace tightrope
