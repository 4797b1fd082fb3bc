// SPDX-License-Identifier: Apache-2.0
#include "correction/smoothing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/graph_builder.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;
using testing::SizeIs;

// A product of tokens [1,5,4] with a matrix [4,3].
struct Tokens : GraphBuilder {
  ValueId tokens(const std::string& name, ValueId x) {
    return add(name, "Softplus", OpKind::kOther, {x}, Trait::kOpaque, ElementType::kF32, {1, 5, 4});
  }
  ValueId product(const std::string& name, ValueId x, std::vector<int> kept = {1}) {
    Node node = test::node_of(name, "MatMul", OpKind::kMatMul);
    node.weights = {{1, std::move(kept)}};
    node.sums_last_axis = true;
    const NodeId id = graph.add_node(std::move(node));
    const ValueId weight = constant(name + "/matrix", ElementType::kF32, {4, 3});
    graph.connect(x, id, 0);
    graph.connect(weight, id, 1);
    Value value;
    value.name = name;
    value.type = ElementType::kF32;
    value.shape = {1, 5, 3};
    value.producer = id;
    return graph.add_value(std::move(value));
  }
};

std::vector<std::string> smoothed(const Graph& graph, const QuantizeOptions& options = {}) {
  std::vector<std::string> names;
  for (const Quantizer& quantizer : mark_smoothed(place(graph, options), graph, options).quantizers) {
    if (quantizer.smoothing.empty()) continue;
    EXPECT_THAT(quantizer.smoothing, SizeIs(4));
    EXPECT_THAT(quantizer.smoothing, Each(1.0F));
    names.push_back((quantizer.kind == SiteKind::kWeight ? "weight of " : "data at ") + quantizer.node);
  }
  return names;
}

TEST(MarkSmoothed, TakesDataThatOnlyProductsReadAndTheirWeights) {
  Tokens net;
  const ValueId x = net.tokens("x", net.input("in"));
  net.result(net.product("q", x));
  net.result(net.product("k", x));
  EXPECT_THAT(smoothed(net.graph), ElementsAre("data at x", "weight of q", "weight of k"));
}

TEST(MarkSmoothed, TakesInputsOfProductsWhereOthersReadTheTensorInFloatingPoint) {
  Tokens net;
  const ValueId x = net.tokens("x", net.input("in"));
  net.result(net.product("q", x));
  net.result(net.other("residual", "Softplus", x));
  EXPECT_THAT(smoothed(net.graph), ElementsAre("data at q", "weight of q"));
}

TEST(MarkSmoothed, LeavesTensorsThatAConvolutionReadsInTheSameLevels) {
  Tokens net;
  const ValueId x = net.tokens("x", net.input("in"));
  net.result(net.product("q", x));
  net.result(net.conv("conv", x));
  EXPECT_THAT(smoothed(net.graph), ElementsAre());
}

// The nodes of quantizers that are smoothed where convolutions are, each with its axis.
std::vector<std::string> smoothed_around_convolutions(const Graph& graph) {
  QuantizeOptions options;
  options.smooth_quant_alpha_convolution = 0.5;
  std::vector<std::string> names;
  for (const Quantizer& quantizer : mark_smoothed(place(graph, options), graph, options).quantizers) {
    if (!quantizer.smoothing.empty()) names.push_back(quantizer.node + " " + std::to_string(quantizer.smoothing_axis));
  }
  return names;
}

TEST(MarkSmoothed, TakesConvolutionsWithoutGroupsWhereTheyHaveAnAlpha) {
  GraphBuilder net;
  const ValueId x = net.other("x", "Softplus", net.input("in"));
  net.result(net.conv("a", x));
  net.result(net.conv("b", x));
  EXPECT_THAT(smoothed_around_convolutions(net.graph), ElementsAre("x 1", "a 1", "b 1"));
  EXPECT_THAT(smoothed(net.graph), ElementsAre()) << "not by default";
}

TEST(MarkSmoothed, LeavesWhatAGroupConvolutionReads) {
  GraphBuilder net;
  const ValueId x = net.other("x", "Softplus", net.input("in"));
  net.result(net.conv("conv", x));
  net.result(net.conv("group", x, OpKind::kGroupConvolution));
  EXPECT_THAT(smoothed_around_convolutions(net.graph), ElementsAre());
}

TEST(DivisorOf, IsFoundOnTheWeightOrInTheRescalingThatHoldsIt) {
  Quantizer weight;
  weight.node = "conv";
  weight.port = 1;
  weight.smoothing_axis = 1;
  Plan plan;
  EXPECT_THAT(divisor_of(weight, plan), ElementsAre());
  plan.rescalings = {{{{"conv", 1, {0}, {7}, {}}, {"conv", 1, {1}, {2, 3}, {}}}}};
  EXPECT_THAT(divisor_of(weight, plan), ElementsAre(2, 3));
  plan.rescalings.clear();
  weight.smoothing = {4, 5};
  EXPECT_THAT(divisor_of(weight, plan), ElementsAre(4, 5));
}

TEST(MarkSmoothed, LeavesWeightsWithOneScale) {
  Tokens net;
  net.result(net.product("q", net.tokens("x", net.input("in")), {}));
  EXPECT_THAT(smoothed(net.graph), ElementsAre());
}

TEST(MarkSmoothed, IsTurnedOffByANegativeAlpha) {
  Tokens net;
  net.result(net.product("q", net.tokens("x", net.input("in"))));
  QuantizeOptions options;
  options.smooth_quant_alpha = -1;
  EXPECT_THAT(smoothed(net.graph, options), ElementsAre());
}

TEST(MarkSmoothed, TakesDataOfTwoAxesInTransformersOnly) {
  Tokens net;
  const ValueId x =
      net.add("x", "Softplus", OpKind::kOther, {net.input("in")}, Trait::kOpaque, ElementType::kF32, {5, 4});
  net.result(net.product("q", x));
  EXPECT_THAT(smoothed(net.graph), ElementsAre());
  QuantizeOptions options;
  options.model_type = ModelType::kTransformer;
  EXPECT_THAT(smoothed(net.graph, options), ElementsAre("data at x", "weight of q"));
}

TEST(SmoothingOf, DividesWhatIsLargeAndLeavesChannelsOfZeros) {
  const std::vector<float> data = {100, 4, 0, 3};
  const std::vector<float> weights = {1, 0.25F, 1, 0};
  EXPECT_THAT(smoothing_of(data, weights, 0.5), ElementsAre(FloatEq(10), FloatEq(4), 1, 1));
  EXPECT_THAT(smoothing_of(data, weights, 1), ElementsAre(FloatEq(100), FloatEq(4), 1, 1));
}

TEST(Divided, GivesTheExtremesOfTheWholeTensor) {
  const Observed whole = divided({{-10, -1}, {20, 3}, {20, 3}, {}}, std::vector<float>{10, 1});
  EXPECT_THAT(whole.low, ElementsAre(-1));
  EXPECT_THAT(whole.high, ElementsAre(3));
  EXPECT_THAT(whole.magnitude, ElementsAre(3));
}

}  // namespace
}  // namespace tightrope
