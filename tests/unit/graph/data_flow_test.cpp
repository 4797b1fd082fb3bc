// SPDX-License-Identifier: Apache-2.0
#include "graph/data_flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::ElementsAre;

std::vector<std::string> in_flow(const GraphBuilder& net) {
  const std::vector<bool> flow = data_flow(net.graph);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < flow.size(); ++i) {
    if (flow[i]) names.push_back(net.graph.nodes()[i].name);
  }
  return names;
}

ValueId integers(GraphBuilder& net, const std::string& name, const std::string& type,
                 const std::vector<ValueId>& inputs) {
  return net.add(name, type, OpKind::kOther, inputs, Trait::kOpaque, ElementType::kI64, {4});
}

TEST(DataFlow, IsWhatInputsReach) {
  GraphBuilder net;
  const ValueId folded = net.relu("folded", net.sum("both", net.constant("c"), net.constant("d")));
  net.relu("behind", net.sum("mixed", folded, net.input("x")));
  net.relu("noise", net.add("random", "RandomUniform", OpKind::kOther, {}));
  EXPECT_THAT(in_flow(net), ElementsAre("x", "mixed", "behind"));
}

TEST(DataFlow, StartsAtStatesAndEmbeddingsToo) {
  GraphBuilder net;
  net.relu("after state", net.add("state", "ReadValue", OpKind::kState, {}));
  net.relu("after table",
           net.add("table", "Gather", OpKind::kEmbedding, {net.constant("rows"), net.constant("which")}));
  EXPECT_THAT(in_flow(net), ElementsAre("state", "after state", "table", "after table"));
}

TEST(DataFlow, LeavesOutWhatComputesShapes) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  const ValueId extent = integers(net, "extent", "Gather", {net.shape_of("shape", x), net.constant("index")});
  net.move("reshape", "Reshape", x, {integers(net, "target", "Concat", {extent, net.constant("rest")})});
  EXPECT_THAT(in_flow(net), ElementsAre("x", "reshape"));
}

TEST(DataFlow, FollowsDataPastAShape) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.relu("relu", net.sum("scaled", x, net.other("as float", "Convert", net.shape_of("shape", x))));
  EXPECT_THAT(in_flow(net), ElementsAre("x", "scaled", "relu"));
}

TEST(DataFlow, KeepsDataMadeFromShapesForLstmCells) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  const ValueId state = net.move("zeros", "Broadcast", net.constant("zero"), {net.shape_of("shape", x)});
  net.add("cell", "LSTMSequence", OpKind::kLstm, {x, state});
  EXPECT_THAT(in_flow(net), ElementsAre("x", "zero", "zeros", "cell"));
}

}  // namespace
}  // namespace tightrope
