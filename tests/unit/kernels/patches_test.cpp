// SPDX-License-Identifier: Apache-2.0
#include "kernels/patches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace tightrope {
namespace {

using testing::ElementsAre;

std::vector<float> patch_of(const Shape& data, const Window& window, const std::vector<std::int64_t>& taps,
                            std::size_t position) {
  std::vector<float> values(element_count(data));
  std::iota(values.begin(), values.end(), 1.0F);
  std::vector<float> patch(static_cast<std::size_t>(data[1]) * element_count(taps), -1);
  copy_patch(values, data, window, taps, position, patch);
  return patch;
}

TEST(Patches, FollowTheOutputsPositions) {
  const Window window{{1, 2}, {1, 1}, {0, 0}, {0, 0}};
  const Shape data = {1, 1, 2, 5};  // 1 2 3 4 5 / 6 7 8 9 10
  EXPECT_EQ(position_count(data, window, std::vector<std::int64_t>{1, 2}), 4U);
  EXPECT_THAT(patch_of(data, window, {1, 2}, 0), ElementsAre(1, 2));
  EXPECT_THAT(patch_of(data, window, {1, 2}, 1), ElementsAre(3, 4));
  EXPECT_THAT(patch_of(data, window, {1, 2}, 2), ElementsAre(6, 7));
}

TEST(Patches, HaveZerosOutsideOfTheData) {
  const Window window{{1, 1}, {1, 1}, {1, 1}, {1, 1}};
  const Shape data = {1, 1, 2, 2};
  EXPECT_EQ(position_count(data, window, std::vector<std::int64_t>{3, 3}), 4U);
  EXPECT_THAT(patch_of(data, window, {3, 3}, 0), ElementsAre(0, 0, 0, 0, 1, 2, 0, 3, 4));
  EXPECT_THAT(patch_of(data, window, {3, 3}, 3), ElementsAre(1, 2, 0, 3, 4, 0, 0, 0, 0));
}

TEST(Patches, SkipWhatDilationsSkip) {
  const Window window{{1}, {2}, {0}, {1}};
  const Shape data = {1, 1, 4};
  EXPECT_EQ(position_count(data, window, std::vector<std::int64_t>{2}), 3U);
  EXPECT_THAT(patch_of(data, window, {2}, 1), ElementsAre(2, 4));
  EXPECT_THAT(patch_of(data, window, {2}, 2), ElementsAre(3, 0));
}

TEST(Patches, KeepChannelsAndSamplesApart) {
  const Window window{{1}, {1}, {0}, {0}};
  const Shape data = {2, 2, 2};  // (1 2 / 3 4), (5 6 / 7 8)
  EXPECT_THAT(patch_of(data, window, {2}, 1), ElementsAre(5, 6, 7, 8));
}

TEST(Patches, AreNoneOfAWindowLargerThanTheData) {
  const Window window{{1}, {1}, {0}, {0}};
  EXPECT_EQ(position_count({1, 1, 2}, window, std::vector<std::int64_t>{3}), 0U);
}

}  // namespace
}  // namespace tightrope
