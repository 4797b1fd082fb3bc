// SPDX-License-Identifier: Apache-2.0
#include "accuracy/groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"

namespace tightrope {
namespace {

using test::output_quantizer;
using test::weight_quantizer;
using testing::ElementsAre;
using testing::IsEmpty;

Quantizer activation(const std::string& node, std::vector<std::string> operations, int shared_scale = -1) {
  Quantizer quantizer = output_quantizer(node, std::move(operations), 0, 1);
  quantizer.shared_scale = shared_scale;
  return quantizer;
}

// x -> conv1 -> conv2; conv1 and side read x; a sum of both convolutions.
Plan branched_plan() {
  Plan plan;
  plan.quantizers = {activation("x", {"conv1", "side"}), weight_quantizer("conv1", {1}), activation("conv1", {"conv2"}),
                     weight_quantizer("conv2", {1}), weight_quantizer("side", {1})};
  plan.bias_shifts = {{"conv1", {0.5F}}, {"conv2", {0.25F}}};
  return plan;
}

TEST(FormGroups, JoinsTheActivationAndTheWeightOfAnOperation) {
  Plan plan;
  plan.quantizers = {activation("x", {"conv"}), weight_quantizer("conv", {1})};
  const auto groups = form_groups(plan);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_THAT(groups[0].operations, ElementsAre("conv"));
  EXPECT_THAT(groups[0].quantizers, ElementsAre(0U, 1U));
}

TEST(FormGroups, JoinsOperationsThatShareAQuantizer) {
  const auto groups = form_groups(branched_plan());
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_THAT(groups[0].operations, ElementsAre("conv1", "side"));
  EXPECT_THAT(groups[0].quantizers, ElementsAre(0U, 1U, 4U));
  EXPECT_THAT(groups[1].operations, ElementsAre("conv2"));
  EXPECT_THAT(groups[1].quantizers, ElementsAre(2U, 3U));
}

TEST(FormGroups, JoinsBothInputsOfAnOperation) {
  Plan plan;
  plan.quantizers = {activation("a", {"left"}), activation("b", {"right"}), activation("l", {"sum"}),
                     activation("r", {"right", "sum"})};
  const auto groups = form_groups(plan);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_THAT(groups[1].operations, ElementsAre("right", "sum"));
  EXPECT_THAT(groups[1].quantizers, ElementsAre(1U, 2U, 3U));
}

TEST(FormGroups, KeepsApartWhatSharesAScaleOnly) {
  Plan plan;
  plan.quantizers = {activation("a", {"zeta"}, 7), activation("b", {"alpha"}, 7), activation("c", {"joined"}, 8),
                     activation("d", {"joined"}, 8)};
  const auto groups = form_groups(plan);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_THAT(groups[0].operations, ElementsAre("zeta"));
  EXPECT_THAT(groups[1].operations, ElementsAre("alpha"));
  EXPECT_THAT(groups[2].quantizers, ElementsAre(2U, 3U));
}

TEST(FormGroups, KeepsQuantizersWithoutOperationsApart) {
  Plan plan;
  plan.quantizers = {activation("a", {}), activation("b", {}), activation("c", {"conv"})};
  const auto groups = form_groups(plan);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_THAT(groups[0].operations, IsEmpty());
  EXPECT_EQ(price(groups[0]), 0.25);
  EXPECT_EQ(price(groups[2]), 1);
}

TEST(FormGroups, FindsNoneInAnEmptyPlan) { EXPECT_THAT(form_groups(Plan{}), IsEmpty()); }

TEST(Without, LeavesOutQuantizersAndBiasShiftsOfRevertedGroups) {
  const Plan plan = branched_plan();
  const auto groups = form_groups(plan);
  const Plan rest = without(plan, groups, {true, false}, RestoreMode::kActivationsAndWeights);
  EXPECT_THAT(rest.quantizers, ElementsAre(plan.quantizers[2], plan.quantizers[3]));
  EXPECT_THAT(rest.bias_shifts, ElementsAre(plan.bias_shifts[1]));
}

TEST(Without, GivesTheEmptyPlanWhereEverythingIsReverted) {
  const Plan plan = branched_plan();
  const auto groups = form_groups(plan);
  EXPECT_TRUE(without(plan, groups, {true, true}, RestoreMode::kActivationsAndWeights).empty());
  EXPECT_EQ(without(plan, groups, {false, false}, RestoreMode::kActivationsAndWeights), plan);
  Plan kept_in_float = plan;
  kept_in_float.compress_weights = false;
  EXPECT_FALSE(without(kept_in_float, groups, {true, false}, RestoreMode::kActivationsAndWeights).compress_weights);
}

TEST(Without, KeepsARescalingAsLongAsOneOfItsOperationsIsQuantized) {
  Plan plan = branched_plan();
  plan.rescalings = {{{{"conv1", 1, {0}, {2}, {}}, {"conv2", 1, {1}, {0.5F}, {}}}}};
  const auto groups = form_groups(plan);
  const auto rest = [&](bool first, bool second) {
    return without(plan, groups, {first, second}, RestoreMode::kActivationsAndWeights).rescalings;
  };
  EXPECT_EQ(rest(true, false), plan.rescalings);
  EXPECT_EQ(rest(false, true), plan.rescalings);
  EXPECT_THAT(rest(true, true), IsEmpty());
}

TEST(Without, KeepsWeightsAndTheirBiasShiftsWhereOnlyActivationsAreReverted) {
  const Plan plan = branched_plan();
  const auto groups = form_groups(plan);
  const Plan rest = without(plan, groups, {true, false}, RestoreMode::kActivationsOnly);
  EXPECT_THAT(rest.quantizers,
              ElementsAre(plan.quantizers[1], plan.quantizers[2], plan.quantizers[3], plan.quantizers[4]));
  EXPECT_EQ(rest.bias_shifts, plan.bias_shifts);
  EXPECT_THAT(quantized_operations(rest), ElementsAre("conv2"));
}

TEST(Without, KeepsOnlyTheShiftsOfWeightsWhereTheirDataAreReverted) {
  Plan plan = branched_plan();
  plan.bias_shifts = {{"conv1", {0.5F}, {{0.25F}}}, {"side", {1}, std::vector<float>()}, {"conv2", {3}, {{2}}}};
  const Plan rest = without(plan, form_groups(plan), {true, false}, RestoreMode::kActivationsOnly);
  EXPECT_THAT(rest.bias_shifts, ElementsAre(BiasShift{"conv1", {0.25F}}, plan.bias_shifts[2]));
}

TEST(Without, KeepsNoShiftOfASmoothedWeightThatGoesWithItsData) {
  Plan plan = branched_plan();
  plan.quantizers[1].smoothing = {2};
  const Plan rest = without(plan, form_groups(plan), {true, false}, RestoreMode::kActivationsOnly);
  EXPECT_THAT(rest.bias_shifts, ElementsAre(plan.bias_shifts[1]));
}

}  // namespace
}  // namespace tightrope
