// SPDX-License-Identifier: Apache-2.0
#include "correction/rescaling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::ElementsAre;
using testing::Optional;

// The operands that make the channels, as "node port axes"; empty where nothing can scale them.
std::vector<std::string> makers(const Graph& graph, ValueId value, int axis = 1) {
  std::vector<std::string> names;
  const auto found = makers_of(graph, value, axis);
  if (!found) return names;
  for (const auto& [node, port, axes] : found->operands) {
    std::string name = graph.node(node).name + " " + std::to_string(port);
    for (const int operand_axis : axes) name += " " + std::to_string(operand_axis);
    names.push_back(name);
  }
  return names;
}

// Images [1,4,8,8], and tokens [1,5,4].
struct Net : GraphBuilder {
  ValueId x = input("x");
  ValueId tokens = input("tokens", ElementType::kF32, {1, 5, 4});

  ValueId on_tokens(const std::string& name, const std::string& type, const std::vector<ValueId>& inputs,
                    OpKind kind = OpKind::kOther) {
    return add(name, type, kind, inputs, Trait::kOpaque, ElementType::kF32, {1, 5, 4});
  }
  ValueId vector(const std::string& name, std::int64_t extent = 4) {
    return constant(name, ElementType::kF32, {extent});
  }
};

TEST(MakersOf, AreTheWeightOfALayerAndTheBiasBehindIt) {
  Net net;
  const ValueId y = net.relu("relu", net.bias("bias", net.conv("conv", net.x)));
  EXPECT_THAT(makers(net.graph, y), ElementsAre("bias 1 1", "conv 1 0"));
  EXPECT_FALSE(makers_of(net.graph, y, 1)->passes_shifts);
  EXPECT_TRUE(makers_of(net.graph, net.graph.node(net.graph.find("relu")).inputs[0], 1)->passes_shifts);
}

TEST(MakersOf, AreTheScaleOfANormalizationAndItsShift) {
  Net net;
  const ValueId scaled = net.on_tokens("scale", "Multiply", {net.vector("gamma"), net.tokens});
  const ValueId y = net.on_tokens("shift", "Add", {scaled, net.vector("beta")}, OpKind::kAdd);
  EXPECT_THAT(makers(net.graph, y, 2), ElementsAre("shift 1 0", "scale 0 0"));
}

TEST(MakersOf, AreTheOperandsOfAFusedNormalization) {
  Net net;
  const ValueId y = net.on_tokens("norm", "LayerNormalization", {net.tokens, net.vector("gamma"), net.vector("beta")});
  EXPECT_THAT(makers(net.graph, y, 2), ElementsAre("norm 1 0", "norm 2 0"));
  EXPECT_THAT(makers(net.graph, y, 1), ElementsAre()) << "its constants lie along the last axis";
}

TEST(MakersOf, AreThoseOfTheOneFactorThatHasSome) {
  Net net;
  const ValueId gate = net.on_tokens("gate", "Sigmoid", {net.tokens});
  const ValueId up = net.on_tokens("up", "Multiply", {net.tokens, net.vector("gamma")});
  EXPECT_THAT(makers(net.graph, net.on_tokens("gated", "Multiply", {gate, up}), 2), ElementsAre("up 1 0"));
}

TEST(MakersOf, AreNoneBehindOperationsThatSeeTheFactor) {
  Net net;
  EXPECT_THAT(makers(net.graph, net.other("sigmoid", "Sigmoid", net.conv("conv", net.x))), ElementsAre());
  EXPECT_THAT(makers(net.graph, net.sum("sum", net.conv("a", net.x), net.conv("b", net.x))), ElementsAre());
  EXPECT_THAT(makers(net.graph, net.x), ElementsAre());
}

TEST(MakersOf, AreNoneWhereAnotherOperationReadsInBetween) {
  Net net;
  const ValueId inside = net.bias("bias", net.conv("conv", net.x));
  const ValueId y = net.relu("relu", inside);
  net.shape_of("shape", inside);
  EXPECT_THAT(makers(net.graph, y), ElementsAre("bias 1 1", "conv 1 0")) << "shapes stay what they are";
  net.other("softplus", "Softplus", inside);
  EXPECT_THAT(makers(net.graph, y), ElementsAre());
}

TEST(MakersOf, AreNoneWhereAConstantHasOneElementForAllChannels) {
  Net net;
  const ValueId scaled = net.on_tokens("scale", "Multiply", {net.tokens, net.vector("gamma")});
  const ValueId y = net.on_tokens("shift", "Add", {scaled, net.vector("beta", 1)}, OpKind::kAdd);
  EXPECT_THAT(makers(net.graph, y, 2), ElementsAre());
}

TEST(ReadingWeight, NumbersTheChannelsOfTheData) {
  Net net;
  const ValueId a = net.other("a", "Softplus", net.x);
  net.result(net.conv("conv", a));
  net.result(net.conv("group", a, OpKind::kGroupConvolution));
  const auto weight = reading_weight(net.graph, {net.graph.find("conv"), 0}, 1);
  ASSERT_TRUE(weight);
  EXPECT_THAT(weight->axes, ElementsAre(1));
  EXPECT_FALSE(reading_weight(net.graph, {net.graph.find("conv"), 1}, 1));
  EXPECT_FALSE(reading_weight(net.graph, {net.graph.find("conv"), 0}, 2));
  EXPECT_FALSE(reading_weight(net.graph, {net.graph.find("group"), 0}, 1));
  EXPECT_FALSE(reading_weight(net.graph, {net.graph.find("a"), 0}, 1));
}

TEST(RescalingOf, DividesInFrontAndMultipliesBehind) {
  Net net;
  const NodeId conv = net.graph.value(net.conv("conv", net.x)).producer;
  const std::vector<Operand> front = {{conv, 1, {0}}};
  const std::vector<Operand> behind = {{conv, 1, {1}}};
  const Rescaling rescaling = rescaling_of(net.graph, front, behind, std::vector<float>{2, 0.5F});
  const std::vector<AdjustedConstant> expected = {{"conv", 1, {0}, {0.5F, 2}, {}}, {"conv", 1, {1}, {2, 0.5F}, {}}};
  EXPECT_EQ(rescaling.constants, expected);
}

}  // namespace
}  // namespace tightrope
