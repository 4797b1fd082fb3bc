// SPDX-License-Identifier: Apache-2.0
#include "base/packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tightrope {
namespace {

std::vector<std::int8_t> steps(std::size_t count) {
  std::vector<std::int8_t> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<std::int8_t>(i * i % 7) - 3);
  return list;
}

TEST(Packed, ComesBackAsItWas) {
  for (const std::size_t count : {0, 1, 2, 3, 4, 1000}) {
    EXPECT_EQ(unpacked(packed(steps(count))), steps(count)) << count;
  }
}

TEST(Packed, IsSmallWhereLittleHappens) { EXPECT_LT(packed(std::vector<std::int8_t>(100000, 0)).size(), 300U); }

TEST(Unpacked, RefusesWhatIsNoPackedList) {
  const std::string text = packed(steps(100));
  for (const std::string& bad :
       {std::string(), std::string("100"), text.substr(4), "101:" + text.substr(4), "99:" + text.substr(4),
        "-1:" + text.substr(4), text.substr(0, text.size() - 4), text + "AAAA", "999999999999:" + text.substr(4),
        std::string("4:!!!!"), std::string("4:A==="), std::string("4:AA=A")}) {
    EXPECT_EQ(unpacked(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace tightrope
