// SPDX-License-Identifier: Apache-2.0
#include "statistics/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"
#include "support/fake_model.h"

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::Le;

// Four activations of one shape, and observers of them: of quantiles, or of extremes.
class Passes : public testing::Test {
 protected:
  void build(const Shape& shape) {
    test::NetBuilder net;
    values = {net.input("x", shape)};
    for (const char* name : {"a", "b", "c"}) values.push_back(net.relu(name, values.back()));
    model = net.build({values.back()});
  }

  std::vector<Pass> plan(const std::vector<bool>& of_quantiles, int parallel = 0, const Sample& sample = {}) const {
    std::vector<Observer> observers;
    for (std::size_t i = 0; i < of_quantiles.size(); ++i) {
      StatisticRequest request{values[i], {}};
      if (of_quantiles[i]) request.high = {Statistic::kQuantile, Aggregator::kMean, 1e-4};
      observers.emplace_back(request, model->graph().value(values[i]));
    }
    return plan_passes(*model, observers, sample, parallel);
  }

  std::vector<ValueId> values;
  std::unique_ptr<test::FakeModel> model;
};

TEST_F(Passes, OneServesReductionsInTheGraphHoweverLargeTheyAre) {
  build({1, 64, 1760, 1760});
  const auto passes = plan({false, false, false, false}, 3);
  ASSERT_EQ(passes.size(), 1U);
  EXPECT_THAT(passes[0].observers, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(passes[0].parallel, 3);
}

TEST_F(Passes, OneServesWholeValuesThatAreSmall) {
  build({1, 16, 20, 20});
  const auto passes = plan({true, true, false, true});
  ASSERT_EQ(passes.size(), 1U);
  EXPECT_EQ(passes[0].parallel, 0) << "the device chooses";
}

TEST_F(Passes, LargeValuesShareAPassAsFarAsTheyFit) {
  build({1, 8, 1760, 1760});  // 99 MB each
  const auto passes = plan({true, true, false, true});
  ASSERT_EQ(passes.size(), 2U);
  EXPECT_THAT(passes[0].observers, ElementsAre(0, 1, 2)) << "with the reduction in the graph";
  EXPECT_THAT(passes[1].observers, ElementsAre(3));
  EXPECT_THAT(passes[0].parallel, 1);
  EXPECT_THAT(passes[1].parallel, Le(2));
}

TEST_F(Passes, AValueThatIsTooLargeHasAPassForItself) {
  build({1, 64, 1760, 1760});
  const auto passes = plan({true, true});
  ASSERT_EQ(passes.size(), 2U);
  EXPECT_EQ(passes[0].parallel, 1);
}

TEST_F(Passes, OpenExtentsAreThoseOfASample) {
  build({-1, -1});
  EXPECT_EQ(plan({true}, 0, test::sample_of(std::vector<float>(6), {2, 3})).size(), 1U);
  EXPECT_EQ(model->usage().run, 1);
}

TEST_F(Passes, AnObserverOfTheSameValueIsInTheSamePass) {
  build({1, 64, 1760, 1760});
  values[1] = values[0];
  EXPECT_EQ(plan({true, true}).size(), 1U);
}

}  // namespace
}  // namespace tightrope
