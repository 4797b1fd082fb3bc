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

TEST(Graph, NamesTheThreeNearestNodesWhereOneIsMissing) {
  GraphBuilder net;
  for (const char* name : {"conv1", "conv2", "conv10", "pool"}) net.input(name);
  EXPECT_EQ(net.graph.find_or_throw("pool"), 3);
  EXPECT_THAT([&] { net.graph.find_or_throw("conv"); },
              ThrowsMessage<InvalidArgument>(HasSubstr("no node 'conv'; the nearest are 'conv1', 'conv2', 'conv10'")));
}

}  // namespace
}  // namespace tightrope
