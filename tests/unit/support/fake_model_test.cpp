// SPDX-License-Identifier: Apache-2.0
#include "support/fake_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::NetBuilder;
using test::output_quantizer;
using test::sample_of;
using test::weight_quantizer;
using testing::ElementsAre;

TEST(FakeModel, ComputesWhatItsOperationsSay) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const ValueId product = net.add("bias", net.matmul("product", x, {1, 2, 3, -1, 0, 1}, 2, 3), {0.5F, 0, -1});
  const ValueId joined = net.concat("joined", {net.relu("relu", product), product}, 1);
  const auto model =
      net.build({net.add("sum", joined, joined), net.reshape("flat", joined, {-1}), net.argmax("class", joined)});
  const auto outputs = model->compile()->run(sample_of({1, 2, 0, 1}, {2, 2}, "x"));
  ASSERT_EQ(outputs.size(), 3U);
  // products: [-1, 2, 5] and [-1, 0, 1], with the bias [-0.5, 2, 4] and [-0.5, 0, 0]
  EXPECT_EQ(outputs[0].shape(), (Shape{2, 6}));
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(0, 4, 8, -1, 4, 8, 0, 0, 0, -1, 0, 0));
  EXPECT_EQ(outputs[1].shape(), (Shape{12}));
  EXPECT_EQ(outputs[2].type(), ElementType::kI64);
  EXPECT_THAT(outputs[2].to_floats(), ElementsAre(2, 0));
}

TEST(FakeModel, QuantizesOutputsInputsAndWeightsAndShiftsBiases) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const auto model = net.build({net.matmul("product", x, {0.9F, -3, 0.2F, 1}, 2, 2), x});
  Plan plan;
  plan.quantizers = {output_quantizer("x", {"product"}, 0, 3, 4), weight_quantizer("product", {1, 2}, 3)};
  plan.bias_shifts = {{"product", {10, 20}}};
  // x becomes [1, 3]; the weight becomes [1, -2; 0, 2], where half a step was rounded to the even level
  const auto outputs = model->apply(plan)->compile()->run(sample_of({1.4F, 9}, {1, 2}));
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(11, 24));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(1, 3));
  EXPECT_THAT(model->apply({})->compile()->run(sample_of({1, 0}, {1, 2}))[0].to_floats(), ElementsAre(0.9F, -3));

  plan.quantizers[0].kind = SiteKind::kInput;
  plan.quantizers[0].node = "product";
  const auto inside = model->apply(plan)->compile()->run(sample_of({1.4F, 9}, {1, 2}));
  EXPECT_THAT(inside[0].to_floats(), ElementsAre(11, 24));
  EXPECT_THAT(inside[1].to_floats(), ElementsAre(1.4F, 9));
}

TEST(FakeModel, AnswersProbes) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const auto model = net.build({x});
  const std::vector<Probe> probes = {{x, Probe::Reduction::kWhole, {}},
                                     {x, Probe::Reduction::kMin, {1}},
                                     {x, Probe::Reduction::kMax, {}},
                                     {x, Probe::Reduction::kMean, {0}}};
  const auto outputs = model->compile({}, probes)->run(sample_of({1, -2, 3, 4}, {2, 2}));
  ASSERT_EQ(outputs.size(), 4U);
  EXPECT_EQ(outputs[0].shape(), (Shape{2, 2}));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(1, -2));
  EXPECT_THAT(outputs[2].to_floats(), ElementsAre(4));
  EXPECT_THAT(outputs[3].to_floats(), ElementsAre(-0.5F, 3.5F));
}

TEST(FakeModel, RefusesPlansAndSamplesThatDoNotFit) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const auto model = net.build({net.matmul("product", x, {1, 0, 0, 1}, 2, 2)});
  Plan plan;
  plan.quantizers = {output_quantizer("y", {}, 0, 1)};
  EXPECT_THROW(model->apply(plan), InvalidArgument);
  plan.quantizers = {weight_quantizer("product", {1, 2, 3})};
  EXPECT_THROW(model->apply(plan)->compile()->run(sample_of({1, 2}, {1, 2})), InvalidArgument);
  EXPECT_THROW(model->compile()->run(sample_of({1, 2}, {1, 2}, "z")), InvalidArgument);
  EXPECT_THROW(model->compile()->run(Sample{}), InvalidArgument);
  EXPECT_THROW(model->constant(x), InvalidArgument);
}

}  // namespace
}  // namespace tightrope
