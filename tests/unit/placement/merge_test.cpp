// SPDX-License-Identifier: Apache-2.0
#include "placement/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Configs = std::vector<QuantizerConfig>;

constexpr QuantizerConfig kSym{8, Mode::kSymmetric, false, false, {}};
constexpr QuantizerConfig kSymPerChannel{8, Mode::kSymmetric, true, false, {}};
constexpr QuantizerConfig kAsym{8, Mode::kAsymmetric, false, false, {}};
constexpr QuantizerConfig kSym16{16, Mode::kSymmetric, false, false, {}};

Configs merged(const std::vector<Configs>& branches, PropagationRule rule) {
  const std::vector<std::span<const QuantizerConfig>> lists(branches.begin(), branches.end());
  return merge_configs(lists, rule);
}

TEST(MergeConfigs, MergesNothingUnderTheFirstRule) {
  EXPECT_THAT(merged({{kSym}, {kSym}}, PropagationRule::kDoNotMergeBranches), IsEmpty());
}

TEST(MergeConfigs, MergesBranchesThatAreTheSameInAnyOrderUnderTheSecond) {
  constexpr auto kRule = PropagationRule::kMergeIfAllBranchesSame;
  EXPECT_THAT(merged({{kSym, kAsym}, {kSym, kAsym}}, kRule), ElementsAre(kSym, kAsym));
  EXPECT_THAT(merged({{kAsym, kSym}, {kSym, kAsym}}, kRule), ElementsAre(kSym, kAsym));
  EXPECT_THAT(merged({{kSym, kAsym}, {kSym}}, kRule), IsEmpty());
  EXPECT_THAT(merged({{kSym}, {kAsym}}, kRule), IsEmpty());
}

TEST(MergeConfigs, KeepsWhatIsInEveryBranchUnderTheLast) {
  constexpr auto kRule = PropagationRule::kMergeAllInOne;
  EXPECT_THAT(merged({{kSymPerChannel, kSym, kSym16}, {kSym, kSym16}, {kSym16, kSym}}, kRule),
              ElementsAre(kSym, kSym16));
  EXPECT_THAT(merged({{kSym}, {kAsym}}, kRule), IsEmpty());
  EXPECT_THAT(merged({{kSym16, kSym}}, kRule), ElementsAre(kSym16, kSym));
}

TEST(MergeConfigs, KeepsWhatOtherBranchesCanBeRequantizedFromUnderTheThird) {
  constexpr auto kRule = PropagationRule::kMergeWithPotentialRequantization;
  EXPECT_THAT(merged({{kAsym}, {kSym}}, kRule), ElementsAre(kAsym));
  EXPECT_THAT(merged({{kSym16}, {kSym}}, kRule), ElementsAre(kSym16));
  EXPECT_THAT(merged({{kSym}, {kSym16, kSym}}, kRule), ElementsAre(kSym, kSym16));
  constexpr QuantizerConfig kNarrow{8, Mode::kSymmetric, false, true, {}};
  EXPECT_THAT(merged({{kSym}, {kNarrow}}, kRule), IsEmpty());
}

TEST(MergeConfigs, PutsFirstWhatStandsFirstInMostBranches) {
  EXPECT_THAT(merged({{kAsym, kSym}, {kAsym, kSym}, {kSym, kAsym}}, PropagationRule::kMergeAllInOne),
              ElementsAre(kAsym, kSym));
}

TEST(MergeConfigs, CountsAnAbsentConfigurationBehindTheLongestList) {
  constexpr auto kRule = PropagationRule::kMergeWithPotentialRequantization;
  constexpr QuantizerConfig kAsym16{16, Mode::kAsymmetric, false, false, {}};
  constexpr QuantizerConfig kAsymPerChannel{8, Mode::kAsymmetric, true, false, {}};
  EXPECT_THAT(merged({{kAsym16, kSym}, {kAsymPerChannel, kAsym, kSym}}, kRule), ElementsAre(kSym, kAsym16));
}

TEST(MergeConfigs, BreaksTiesByBitsThenGranularityThenMode) {
  constexpr auto kRule = PropagationRule::kMergeAllInOne;
  constexpr QuantizerConfig kAsymPerChannel{8, Mode::kAsymmetric, true, false, {}};
  EXPECT_THAT(merged({{kSym, kSym16}, {kSym16, kSym}}, kRule), ElementsAre(kSym16, kSym));
  EXPECT_THAT(merged({{kSymPerChannel, kAsym}, {kAsym, kSymPerChannel}}, kRule), ElementsAre(kAsym, kSymPerChannel));
  EXPECT_THAT(merged({{kAsymPerChannel, kSymPerChannel}, {kSymPerChannel, kAsymPerChannel}}, kRule),
              ElementsAre(kSymPerChannel, kAsymPerChannel));
}

TEST(Requantizes, TakesNoMoreBits) {
  EXPECT_TRUE(requantizes(kSym, kSym));
  EXPECT_TRUE(requantizes(kSym, kSym16));
  EXPECT_FALSE(requantizes(kSym16, kSym));
}

TEST(Requantizes, TakesAsymmetricToSymmetricOnly) {
  EXPECT_TRUE(requantizes(kAsym, kAsym));
  EXPECT_TRUE(requantizes(kSym, kAsym));
  EXPECT_FALSE(requantizes(kAsym, kSym));
}

TEST(Requantizes, TakesTheSameWidthOfRangeAndAnyGranularity) {
  constexpr QuantizerConfig kNarrow{8, Mode::kSymmetric, false, true, {}};
  EXPECT_FALSE(requantizes(kNarrow, kSym));
  EXPECT_FALSE(requantizes(kSym, kNarrow));
  EXPECT_TRUE(requantizes(kSym, kSymPerChannel));
  EXPECT_TRUE(requantizes(kSymPerChannel, kSym));
}

TEST(Requantizes, TakesSignsThatLoseNothing) {
  const auto sign = [](std::optional<bool> forced) {
    return QuantizerConfig{8, Mode::kSymmetric, false, false, forced};
  };
  constexpr std::optional<bool> kAny;
  EXPECT_TRUE(requantizes(sign(true), sign(kAny)));
  EXPECT_TRUE(requantizes(sign(false), sign(kAny)));
  EXPECT_TRUE(requantizes(sign(true), sign(true)));
  EXPECT_TRUE(requantizes(sign(false), sign(false)));
  EXPECT_TRUE(requantizes(sign(false), sign(true)));
  EXPECT_FALSE(requantizes(sign(true), sign(false)));
  EXPECT_FALSE(requantizes(sign(kAny), sign(true)));
  EXPECT_FALSE(requantizes(sign(kAny), sign(false)));
}

}  // namespace
}  // namespace tightrope
