// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <gmock/gmock.h>

namespace tightrope {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kNames = {"max_drop", "drop_type", "preset", "subset_size"};

TEST(Nearest, TheNameWithTheFewestChangesComesFirst) {
  EXPECT_THAT(nearest_names("max_dorp", kNames, 1), ElementsAre("max_drop"));
  EXPECT_THAT(nearest_names("subsetsize", kNames, 1), ElementsAre("subset_size"));
  EXPECT_THAT(nearest_names("presets", kNames, 1), ElementsAre("preset"));
}

TEST(Nearest, EquallyNearNamesComeInTheOrderOfTheAlphabet) {
  const std::vector<std::string> names = {"conv_3", "conv_1", "conv_2"};
  EXPECT_THAT(nearest_names("conv_9", names, 3), ElementsAre("conv_1", "conv_2", "conv_3"));
}

TEST(Nearest, NoMoreNamesComeThanAreKnownOrWanted) {
  EXPECT_EQ(nearest_names("x", kNames, 100).size(), kNames.size());
  EXPECT_EQ(nearest_names("x", kNames, 2).size(), 2u);
  EXPECT_THAT(nearest_names("x", kNames, 0), IsEmpty());
  EXPECT_THAT(nearest_names("x", {}, 3), IsEmpty());
}

TEST(Nearest, AnEmptyWishIsNearestToTheShortestName) {
  EXPECT_THAT(nearest_names("", kNames, 1), ElementsAre("preset"));
}

}  // namespace
}  // namespace tightrope
