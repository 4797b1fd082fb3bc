// SPDX-License-Identifier: Apache-2.0
#include "placement/overflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"

namespace tightrope {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

OverflowNotice notice_of(std::optional<OverflowFix> fix, std::string_view dot_products, int halved = 1) {
  Plan plan;
  for (int i = 0; i < 3; ++i) {
    plan.quantizers.push_back(test::weight_quantizer("conv", {1}));
    plan.quantizers.back().half_range = i < halved;
  }
  QuantizeOptions options;
  options.overflow_fix = fix;
  return overflow_notice(plan, options, dot_products).value_or(OverflowNotice{LogLevel::kDebug, ""});
}

TEST(OverflowNotice, SaysWhatHalfOfTheLevelsAreForAndThatThisProcessorNeedsItNot) {
  const OverflowNotice notice = notice_of(std::nullopt, "AVX-512 VNNI");
  EXPECT_EQ(notice.level, LogLevel::kInfo);
  EXPECT_THAT(notice.text, AllOf(HasSubstr("1 weight uses half"), HasSubstr("overflow_fix=first_layer_only"),
                                 HasSubstr("(AVX-512 VNNI)"), HasSubstr("overflow_fix=disable")));
  EXPECT_THAT(notice_of(OverflowFix::kEnable, "dotprod", 3).text,
              AllOf(HasSubstr("3 weights use half"), HasSubstr("overflow_fix=enable")));
}

TEST(OverflowNotice, NamesTheStrongerFixOnAProcessorThatMayOverflow) {
  EXPECT_THAT(notice_of(std::nullopt, "").text,
              AllOf(HasSubstr("This is one"), HasSubstr("overflow_fix=enable covers all")));
  EXPECT_THAT(notice_of(OverflowFix::kEnable, "").text, AllOf(HasSubstr("This is one."), Not(HasSubstr("covers"))));
}

TEST(OverflowNotice, WarnsWhereSumsMayOverflowWithoutTheFix) {
  EXPECT_EQ(notice_of(OverflowFix::kDisable, "", 0).level, LogLevel::kWarning);
  EXPECT_EQ(notice_of(OverflowFix::kDisable, "AMX", 0).text, "");
}

TEST(OverflowNotice, IsSilentWhereNothingCanOverflow) {
  EXPECT_EQ(notice_of(std::nullopt, "", 0).text, "");
  QuantizeOptions options;
  options.weights.bits = 16;
  EXPECT_FALSE(overflow_notice({}, options, ""));
  options = {};
  options.mode = NumberFormat::kF8E4M3;
  EXPECT_FALSE(overflow_notice({}, options, ""));
}

}  // namespace
}  // namespace tightrope
