// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/plan.h"

namespace tightrope {
namespace {

using test::output_quantizer;
using test::weight_quantizer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Plan example() {
  Plan plan;
  plan.quantizers = {output_quantizer("input \"ö\"", {"conv", "side"}, -1.5F, 0.1F),
                     weight_quantizer("conv", {0.25F, 1e-7F, 3})};
  plan.quantizers[0].config = {8, Mode::kAsymmetric, false, false, true};
  plan.quantizers[0].shared_scale = 4;
  plan.quantizers[1].half_range = true;
  plan.quantizers.emplace_back();
  plan.quantizers[2].kind = SiteKind::kInput;
  plan.quantizers[2].node = "add";
  plan.quantizers[2].port = 1;
  plan.quantizers[2].smoothing = {2, 0.1F};
  plan.quantizers[2].smoothing_axis = 1;
  plan.bias_shifts = {
      {"conv", {0.1F, -0.2F, 1e-30F}}, {"fc", {1, 2}, {{0.5F, 0}}}, {"last", {3}, std::vector<float>()}};
  plan.rescalings = {{{{"norm", 1, {0}, {0.5F, 3}, {}}, {"conv", 2, {0, 1}, {2, 1}, {0, -0.1F}}}}};
  return plan;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_refusal(const std::string& json, const std::vector<std::string>& parts) {
  try {
    plan_from_json(json);
    ADD_FAILURE() << "accepted:\n" << json;
  } catch (const InvalidArgument& error) {
    for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(PlanJson, KeepsConfigurationsOfOtherThanEightBits) {
  Plan plan;
  plan.quantizers = {output_quantizer("x", {"conv"}, -1.5F, 0.1F, 65536), weight_quantizer("conv", {0.25F}, 3)};
  plan.quantizers[0].config = {16, Mode::kAsymmetric, true, false, false};
  plan.quantizers[1].config = {2, Mode::kSymmetric, false, true, true};
  EXPECT_EQ(plan_from_json(to_json(plan)), plan);
}

TEST(PlanJson, KeepsTheFormatOfLevelsAndWhetherWeightsAreStoredIn8Bits) {
  Plan plan = example();
  plan.quantizers[0].config.format = NumberFormat::kF8E5M2;
  plan.quantizers[1].config.format = NumberFormat::kF8E4M3;
  plan.compress_weights = false;
  const std::string json = to_json(plan);
  EXPECT_EQ(plan_from_json(json), plan);
  expect_refusal(replaced(json, "f8e5m2", "f8e3m4"), {"quantizers[0].config.format", "f8e3m4", "f8e5m2"});
}

TEST(PlanJson, SurvivesTheRoundTrip) {
  EXPECT_EQ(plan_from_json(to_json(example())), example());
  EXPECT_EQ(plan_from_json(to_json(Plan{})), Plan{});
}

TEST(PlanJson, KeepsEveryFloatExactly) {
  std::mt19937 random(1);
  Plan plan;
  plan.bias_shifts = {{"edges",
                       {0.0F, -0.0F, std::numeric_limits<float>::min(), std::numeric_limits<float>::denorm_min(),
                        std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(), 16777217.0F, 0.1F}},
                      {"random", {}}};
  while (plan.bias_shifts[1].shift.size() < 20000) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) plan.bias_shifts[1].shift.push_back(value);
  }
  const Plan read = plan_from_json(to_json(plan));
  for (std::size_t s = 0; s < 2; ++s) {
    ASSERT_EQ(read.bias_shifts[s].shift.size(), plan.bias_shifts[s].shift.size());
    for (std::size_t i = 0; i < plan.bias_shifts[s].shift.size(); ++i) {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(read.bias_shifts[s].shift[i]),
                std::bit_cast<std::uint32_t>(plan.bias_shifts[s].shift[i]));
    }
  }
}

TEST(PlanJson, ReadsAsAPersonWouldWriteIt) {
  Plan plan;
  plan.quantizers = {output_quantizer("relu", {"conv"}, 0, 0.1F)};
  plan.bias_shifts = {{"conv", std::vector<float>(30, 0.125F)}};
  const std::string json = to_json(plan);
  EXPECT_THAT(json, HasSubstr("{\n \"format\": \"tightrope plan\",\n \"version\": 3,\n \"quantizers\": [\n"));
  EXPECT_THAT(json, HasSubstr("   \"range\": {\"low\": [0.0], \"high\": [0.1], \"levels\": 256}\n"));
  EXPECT_THAT(json, HasSubstr("   \"operations\": [\"conv\"],\n"));
  std::string shift = "\"shift\": [0.125";
  for (int i = 1; i < 30; ++i) shift += ", 0.125";
  EXPECT_THAT(json, HasSubstr(shift + "]\n")) << "numbers stay on one line";
}

TEST(PlanJson, NamesTheKeyOfAWrongType) {
  const std::string json = to_json(example());
  expect_refusal(replaced(json, "\"port\": 0", "\"port\": \"0\""), {"[plan] quantizers[0].port", "string", "integer"});
  expect_refusal(replaced(json, "\"port\": 0", "\"port\": 0.5"), {"quantizers[0].port", "integer"});
  expect_refusal(replaced(json, "\"port\": 0", "\"port\": 3000000000"), {"quantizers[0].port", "3000000000"});
  expect_refusal(replaced(json, "\"half_range\": false", "\"half_range\": 0"),
                 {"quantizers[0].half_range", "true or false"});
  expect_refusal(replaced(json, "\"low\": [-1.5]", "\"low\": [null]"), {"quantizers[0].range.low", "null"});
  expect_refusal(replaced(json, "\"low\": [-1.5]", "\"low\": [-1e39]"), {"quantizers[0].range.low", "too large"});
  expect_refusal(replaced(json, "[\"conv\", \"side\"]", "\"conv\""), {"quantizers[0].operations", "array"});
  expect_refusal(replaced(json, "[\"conv\", \"side\"]", "[1]"), {"quantizers[0].operations", "strings"});
}

TEST(PlanJson, NamesAMissingAndAnUnknownKey) {
  const std::string json = to_json(example());
  expect_refusal(replaced(json, "\"bits\": 8, ", ""), {"[plan] quantizers[0].config.bits", "missing"});
  expect_refusal(replaced(json, "\"bits\": 8", "\"bit\": 8, \"bits\": 8"), {"quantizers[0].config.bit:", "not known"});
  expect_refusal(R"({"format": "tightrope plan", "version": 3, "quantizers": []})", {"bias_shifts", "missing"});
}

TEST(PlanJson, RefusesValuesThatMakeNoPlan) {
  const std::string json = to_json(example());
  expect_refusal(replaced(json, "\"kind\": \"output\"", "\"kind\": \"outputs\""),
                 {"kind", "outputs", "output, input, weight"});
  expect_refusal(replaced(json, "\"mode\": \"asymmetric\"", "\"mode\": \"odd\""), {"mode", "symmetric, asymmetric"});
  expect_refusal(replaced(json, "\"low\": [-1.5]", "\"low\": [-1.5, 1]"), {"range.high", "as many"});
  expect_refusal(replaced(json, "\"levels\": 256", "\"levels\": 1"), {"range.levels", "at least 2"});
}

TEST(PlanJson, WantsAnAddendForEachFactor) {
  expect_refusal(replaced(to_json(example()), "\"addends\": [0.0, -0.1]", "\"addends\": [0.0]"),
                 {"rescalings[0].constants[1].addends", "found 1 numbers", "2, are needed"});
}

TEST(PlanJson, KeepsTheRoundingOfAWeight) {
  Plan plan;
  plan.quantizers = {weight_quantizer("product", {1})};
  plan.quantizers[0].rounding = {0, 1, -1, 0};
  const std::string json = to_json(plan);
  EXPECT_EQ(plan_from_json(json), plan);
  expect_refusal(replaced(json, "\"rounding\": \"4:", "\"rounding\": \"5:"), {"quantizers[0].rounding", "packed"});
}

TEST(PlanJson, RefusesOtherDocumentsAndVersions) {
  const std::string json = to_json(example());
  expect_refusal(replaced(json, "\"version\": 3", "\"version\": 2"), {"version", "found 2", "reads 3"});
  expect_refusal(replaced(json, "tightrope plan", "tightrope report"), {"format", "tightrope report"});
  expect_refusal("{}", {"format", "missing"});
  expect_refusal("[]", {"[plan]", "array"});
  expect_refusal("{", {"[plan]", "not JSON"});
  expect_refusal("", {"not JSON"});
}

TEST(PlanJson, RefusesToWriteWhatIsNotFinite) {
  Plan plan;
  plan.bias_shifts = {{"conv", {std::numeric_limits<float>::infinity()}}};
  EXPECT_THROW(to_json(plan), InvalidArgument);
  plan.bias_shifts = {{"conv", {std::numeric_limits<float>::quiet_NaN()}}};
  EXPECT_THROW(to_json(plan), InvalidArgument);
}

TEST(QuantizedOperations, AreSortedAndNamedOnce) {
  Plan plan;
  plan.quantizers = {output_quantizer("x", {"side", "conv"}, 0, 1), output_quantizer("y", {"add", "conv"}, 0, 1)};
  EXPECT_THAT(quantized_operations(plan), ElementsAre("add", "conv", "side"));
}

TEST(QuantizedOperations, LeaveOutWhatHasOnlyItsWeightInEightBits) {
  Plan plan;
  plan.quantizers = {weight_quantizer("conv", {1})};
  EXPECT_THAT(quantized_operations(plan), ElementsAre());
}

}  // namespace
}  // namespace tightrope
