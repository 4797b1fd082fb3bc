// SPDX-License-Identifier: Apache-2.0
#include "correction/channel_alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"
#include "support/fake_model.h"
#include "support/graph_builder.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using test::NetBuilder;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

std::vector<std::string> alignable(const Graph& graph) {
  std::vector<std::string> names;
  for (const AlignedTensor& tensor : alignable_tensors(graph)) names.push_back(graph.value(tensor.value).name);
  return names;
}

TEST(AlignableTensors, LieBetweenLayersAndConvolutions) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.bias("bias", net.conv("conv", net.input("x"))));
  const ValueId b = net.move("b", "MaxPool", net.conv("second", a));
  net.result(net.conv("third", b));
  EXPECT_THAT(alignable(net.graph), ElementsAre("a", "b"));
}

TEST(AlignableTensors, AreNotReadByAnythingElse) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.conv("conv", net.input("x")));
  net.result(net.sum("sum", net.conv("second", a), a));
  EXPECT_THAT(alignable(net.graph), ElementsAre());
}

TEST(AlignableTensors, AreNotThoseThatANormalizationScalesItself) {
  GraphBuilder net;
  net.result(net.conv("conv", net.eltwise("scale", "Multiply", net.input("x"))));
  EXPECT_THAT(alignable(net.graph), ElementsAre());
}

// x [1,1,2] -> front (2 channels) -> [relu] -> behind (1 channel).
struct Pair {
  std::unique_ptr<test::FakeModel> model;

  explicit Pair(bool with_relu) {
    NetBuilder net;
    const ValueId x = net.input("x", {1, 1, 2});
    ValueId y = net.convolution("front", x, {100, 1}, 1, 2);
    if (with_relu) y = net.relu("relu", y);
    model = net.build({net.convolution("behind", y, {0.01F, 1}, 2, 1)});
  }

  std::vector<float> run(const Model& any) const {
    return any.compile()->run(test::sample_of({1.5F, -0.5F}, {1, 1, 2}))[0].to_floats();
  }

  Plan plan(const Observed& seen) const {
    Plan plan;
    plan.rescalings = {aligned(*model, alignable_tensors(model->graph()).at(0), seen)};
    return plan;
  }
};

TEST(Aligned, GivesChannelsTheSameRangeAndKeepsTheFunction) {
  const Pair pair(true);
  const Plan plan = pair.plan({{0, 0}, {300, 3}, {300, 3}, {}});
  const auto model = pair.model->apply(plan);
  EXPECT_THAT(pair.run(*model), Pointwise(FloatNear(1e-6F), pair.run(*pair.model)));
  const Tensor front = model->constant(model->graph().node(model->graph().find("front")).inputs[1]);
  EXPECT_THAT(front.to_floats(), ElementsAre(100, 100)) << "ranges of 300 and 3 became 300 both";
}

TEST(Aligned, LeavesChannelsWithoutARange) {
  const Pair pair(true);
  const Plan plan = pair.plan({{0, 0}, {0, 3}, {0, 3}, {}});
  EXPECT_THAT(plan.rescalings[0].constants[0].factors, ElementsAre(1, 1));
}

TEST(Aligned, LimitsTheFactors) {
  const Pair pair(true);
  const Plan plan = pair.plan({{0, 0}, {1e2F, 3e-3F}, {1e2F, 3e-3F}, {}});
  EXPECT_THAT(plan.rescalings[0].constants[1].factors, ElementsAre(1, 0.01F));
}

}  // namespace
}  // namespace tightrope
