// SPDX-License-Identifier: Apache-2.0
#include "kernels/channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tightrope {
namespace {

using testing::ElementsAre;

// The channel of each element, coordinate by coordinate.
std::vector<std::size_t> reference(const Shape& shape, const std::vector<int>& axes) {
  std::vector<std::size_t> channels;
  for (std::size_t element = 0; element < element_count(shape); ++element) {
    std::vector<std::size_t> at(shape.size());
    std::size_t rest = element;
    for (std::size_t axis = shape.size(); axis-- > 0; rest /= static_cast<std::size_t>(shape[axis])) {
      at[axis] = rest % static_cast<std::size_t>(shape[axis]);
    }
    std::size_t channel = 0;
    for (const int axis : axes)
      channel = channel * static_cast<std::size_t>(shape[axis]) + at[static_cast<std::size_t>(axis)];
    channels.push_back(channel);
  }
  return channels;
}

std::vector<int> subset(std::size_t bits) {
  std::vector<int> axes;
  for (int axis = 0; axis < 8; ++axis) {
    if ((bits >> axis & 1U) != 0) axes.push_back(axis);
  }
  return axes;
}

TEST(NumbersChannels, WantsAscendingAxesThatExistAndTheRightNumber) {
  EXPECT_TRUE(numbers_channels({2, 3, 4}, std::vector{0, 2}, 8));
  EXPECT_TRUE(numbers_channels({2, 3, 4}, std::vector<int>{}, 1));
  EXPECT_FALSE(numbers_channels({2, 3, 4}, std::vector{0, 2}, 6));
  EXPECT_FALSE(numbers_channels({2, 3, 4}, std::vector{2, 0}, 8));
  EXPECT_FALSE(numbers_channels({2, 3, 4}, std::vector{3}, 1));
  EXPECT_FALSE(numbers_channels({2, 3, 4}, std::vector{-1}, 4));
}

TEST(ForEachRun, CoversEveryElementOnceForEverySubsetOfAxes) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{1}, Shape{3, 7}, Shape{1, 5}, Shape{5, 1}, Shape{3, 1, 5},
                             Shape{2, 3, 5}, Shape{3, 2, 5, 7}, Shape{1, 3, 1, 2}, Shape{1, 1, 1, 1}}) {
    for (std::size_t bits = 0; bits < 1U << shape.size(); ++bits) {
      const std::vector<int> axes = subset(bits);
      std::vector<std::size_t> found;
      for_each_run(shape, axes, [&](std::size_t offset, std::size_t length, std::size_t channel, std::size_t step) {
        EXPECT_EQ(offset, found.size());
        for (std::size_t i = 0; i < length; ++i) found.push_back(channel + i * step);
      });
      EXPECT_EQ(found, reference(shape, axes)) << to_string(shape) << " axes " << testing::PrintToString(axes);
    }
  }
}

TEST(ForEachRun, CallsNothingForAnEmptyTensor) {
  for (const Shape& shape : {Shape{0}, Shape{3, 0}, Shape{0, 3}, Shape{2, 0, 5, 1}}) {
    for (std::size_t bits = 0; bits < 1U << shape.size(); ++bits) {
      for_each_run(shape, subset(bits), [](auto...) { ADD_FAILURE(); });
    }
  }
}

TEST(ForEachRun, TakesTrailingReducedAxesAsOneRun) {
  std::vector<std::size_t> lengths;
  for_each_run({3, 4, 5}, std::vector{0}, [&](std::size_t, std::size_t length, auto...) { lengths.push_back(length); });
  EXPECT_THAT(lengths, ElementsAre(20, 20, 20));
}

TEST(ChannelCount, IsTheProductOfTheAxes) {
  EXPECT_EQ(channel_count({2, 3, 5}, std::vector<int>{}), 1U);
  EXPECT_EQ(channel_count({2, 3, 5}, std::vector{1}), 3U);
  EXPECT_EQ(channel_count({2, 3, 5}, std::vector{0, 2}), 10U);
  EXPECT_EQ(channel_count({2, 0, 5}, std::vector{0, 1}), 0U);
}

TEST(KeptShape, ReducesTheOtherAxesToOne) {
  EXPECT_THAT(kept_shape({2, 3, 5}, std::vector{1}), ElementsAre(1, 3, 1));
  EXPECT_THAT(kept_shape({2, 3, 5}, std::vector{0, 2}), ElementsAre(2, 1, 5));
  EXPECT_THAT(kept_shape({}, std::vector<int>{}), ElementsAre());
}

}  // namespace
}  // namespace tightrope
