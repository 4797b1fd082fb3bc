// SPDX-License-Identifier: Apache-2.0
#include "correction/layer_outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using testing::ElementsAre;

// x [rows, 2] times (1, 0.5): 2 and 3 on either sample.
struct Product {
  std::unique_ptr<test::FakeModel> model;
  Plan plan;
  std::vector<Sample> samples{2, test::sample_of({1, 2, 3, 0}, {2, 2})};

  Product() {
    test::NetBuilder net;
    model = net.build({net.matmul("product", net.input("x", {-1, 2}), {1, 0.5F}, 2, 1)});
    plan.quantizers = {test::output_quantizer("x", {"product"}, 0, 3, 2), test::weight_quantizer("product", {1}, 3)};
  }

  LayerOutputs outputs() const {
    const std::vector<Layer> layers = layers_of(plan, model->graph());
    const auto rows = sample_rows(*model, plan, layers, samples, std::vector<std::size_t>{10});
    return {*model, plan.quantizers[1], layers[0], rows[0]};
  }
};

TEST(LayerOutputs, TellTheErrorOfOtherRanges) {
  const Product product;
  const LayerOutputs outputs = product.outputs();
  Quantizer data = product.plan.quantizers[0];
  // With the levels 0 and 3, (1, 2) becomes (0, 3), and 2 becomes 1.5; outputs lie 0.5 from their mean.
  EXPECT_NEAR(outputs.error({&data, nullptr, {}}, Half::kJudging), 0.25 / 0.5, 1e-6);
  EXPECT_THAT(outputs.mean_error({&data, nullptr, {}}, Half::kFitting), ElementsAre(0.25F));
  const std::vector<float> shift = {0.25F};
  EXPECT_NEAR(outputs.error({&data, nullptr, shift}, Half::kFitting), 0.125 / 0.5, 1e-6);
  data.range.levels = 4;  // 0, 1, 2, 3
  EXPECT_EQ(outputs.error({&data, nullptr, {}}, Half::kJudging), 0);
}

TEST(LayerOutputs, TellTheErrorOfOtherWeights) {
  const Product product;
  const LayerOutputs outputs = product.outputs();
  Quantizer weight = product.plan.quantizers[1];
  // Of the levels -1, 0 and 1 the weight 0.5 becomes 0 (a tie goes to the even one): 2 becomes 1.
  EXPECT_THAT(outputs.errors({nullptr, &weight, {}}, Half::kJudging), ElementsAre(1 / 0.5));
  weight.rounding = {0, 1};  // one: 2 becomes 3
  EXPECT_THAT(outputs.mean_error({nullptr, &weight, {}}, Half::kJudging), ElementsAre(-0.5F));
}

TEST(LayerOutputs, KnowNothingWithoutRowsInBothHalves) {
  Product product;
  EXPECT_TRUE(product.outputs().is_known());
  product.samples.pop_back();
  EXPECT_FALSE(product.outputs().is_known());
}

TEST(LayerOutputs, ShowWhatTheDataAre) {
  const Product product;
  const LayerOutputs outputs = product.outputs();
  const auto [low, high] = outputs.extremes(product.plan.quantizers[0]);
  EXPECT_THAT(low, ElementsAre(0));
  EXPECT_THAT(high, ElementsAre(3));
  EXPECT_THAT(outputs.quantiles(std::vector<double>{0, 0.34, 1}), ElementsAre(0, 1, 3));
}

TEST(QuantizeInPlace, TakesEachChannelsRange) {
  std::vector<float> values = {-1, 0.4F, 0.6F, 2, -1, 0.4F, 0.6F, 9};
  quantize_in_place(values, {{0, -4}, {1, 8}, 4});
  EXPECT_THAT(values, ElementsAre(0, testing::FloatEq(1.0F / 3), testing::FloatEq(2.0F / 3), 1, 0, 0, 0, 8));
}

}  // namespace
}  // namespace tightrope
