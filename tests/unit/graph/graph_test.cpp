// SPDX-License-Identifier: Apache-2.0
#include "tightrope/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Graph, FindsNodesByName) {
  GraphBuilder net;
  net.relu("relu", net.input("x"));
  EXPECT_EQ(net.graph.find("x"), 0);
  EXPECT_EQ(net.graph.find("relu"), 1);
  EXPECT_EQ(net.graph.find("rel"), kNone);
  EXPECT_EQ(net.graph.find(""), kNone);
  EXPECT_EQ(Graph().find("x"), kNone);
}

TEST(Graph, RefusesASecondNodeOfOneName) {
  GraphBuilder net;
  net.input("x");
  EXPECT_THAT([&] { net.input("x"); }, ThrowsMessage<InternalError>(HasSubstr("'x'")));
}

TEST(Graph, LeavesInputsThatNobodyConnectsEmpty) {
  Graph graph;
  Node node;
  node.name = "x";
  graph.add_node(node);
  Value value;
  value.producer = 0;
  value.port = 2;
  const ValueId third = graph.add_value(value);
  node.name = "reader";
  graph.add_node(node);
  graph.connect(third, 1, 1);
  EXPECT_THAT(graph.node(0).outputs, ElementsAre(kNone, kNone, third));
  EXPECT_THAT(graph.node(1).inputs, ElementsAre(kNone, third));
  ASSERT_EQ(graph.value(third).uses.size(), 1U);
  EXPECT_EQ(graph.value(third).uses[0].node, 1);
  EXPECT_EQ(graph.value(third).uses[0].port, 1);
}

TEST(ConstantValues, AreThoseThatNoInputReaches) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  const ValueId c = net.constant("c");
  const ValueId folded = net.relu("folded", net.sum("both", c, net.constant("d")));
  const ValueId mixed = net.sum("mixed", folded, x);
  const ValueId behind = net.relu("behind", mixed);
  const ValueId random = net.add("random", "RandomUniform", OpKind::kOther, {});
  const ValueId state = net.relu("state", random);
  const auto constant = net.graph.constant_values();
  ASSERT_EQ(constant.size(), net.graph.values().size());
  for (const ValueId value : {c, folded}) EXPECT_TRUE(constant[static_cast<std::size_t>(value)]);
  for (const ValueId value : {x, mixed, behind, random, state}) EXPECT_FALSE(constant[static_cast<std::size_t>(value)]);
}

TEST(ConstantValues, CountEveryOutputOfAnOperation) {
  GraphBuilder net;
  const ValueId split = net.move("split", "Split", net.input("x"), {}, 3);
  const auto constant = net.graph.constant_values();
  for (int port = 0; port < 3; ++port) EXPECT_FALSE(constant[static_cast<std::size_t>(split + port)]);
}

}  // namespace
}  // namespace tightrope
