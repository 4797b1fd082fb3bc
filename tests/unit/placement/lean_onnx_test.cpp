// SPDX-License-Identifier: Apache-2.0
// Lean placement where the results of convolutions must be quantized, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/plan_text.h"

namespace tightrope {
namespace {

using test::activations_of;
using test::all_of;

struct GraphBuilder : test::GraphBuilder {
  GraphBuilder() { graph.vocabulary = Vocabulary::kOnnx; }
};

TEST(LeanOnnxPlacement, QuantizesTheResultOfAConvolutionWhoeverReadsIt) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  net.result(net.matmul("fc", net.other("gate", "Softplus", x)));
  EXPECT_EQ(activations_of(net), R"(
output x:0 symmetric -> conv
output conv:0 symmetric -> conv
output gate:0 symmetric -> fc
)");
}

TEST(LeanOnnxPlacement, QuantizesBehindARelu) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.conv("conv", net.input("x")));
  net.result(net.matmul("fc", net.other("gate", "Softplus", x)));
  EXPECT_THAT(activations_of(net), testing::HasSubstr("\noutput relu:0 symmetric -> conv\n"));
}

TEST(LeanOnnxPlacement, QuantizesInFrontOfOtherActivations) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.other("elu", "Elu", net.conv("conv", net.input("x")))));
  EXPECT_THAT(activations_of(net), testing::HasSubstr("\noutput conv:0 symmetric -> conv\n"));
}

TEST(LeanOnnxPlacement, QuantizesTheGateOfAProductWithTheSigmoidOfAResult) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId gated = net.eltwise("gated", "Mul", x, net.other("gate", "Sigmoid", x));
  net.result(net.matmul("fc", gated));
  EXPECT_EQ(activations_of(net), R"(
output x:0 symmetric -> conv
output conv:0 symmetric -> conv
output gate:0 symmetric -> conv
output gated:0 symmetric -> fc
)");
}

TEST(LeanOnnxPlacement, LeavesASigmoidThatGatesSomethingElse) {
  GraphBuilder net;
  const ValueId x = net.other("before", "Softplus", net.input("x"));
  const ValueId gate = net.other("gate", "Sigmoid", net.conv("conv", x));
  net.result(net.matmul("fc", net.eltwise("gated", "Mul", x, gate)));
  EXPECT_THAT(activations_of(net), testing::Not(testing::HasSubstr("output gate:0")));
}

TEST(LeanOnnxPlacement, QuantizesBothOperandsOfAnAddition) {
  GraphBuilder net;
  const ValueId x = net.other("before", "Softplus", net.input("x"));
  const ValueId sum = net.sum("sum", net.conv("conv", x), x);
  net.result(net.matmul("fc", net.relu("after", sum)));
  EXPECT_EQ(activations_of(net), R"(
output before:0 symmetric -> conv, sum
output conv:0 symmetric -> conv
output after:0 symmetric -> fc
)");
}

TEST(LeanOnnxPlacement, LetsQuantizersPassWhatMovesData) {
  GraphBuilder net;
  const ValueId x = net.move("pool", "MaxPool", net.conv("conv", net.input("x")));
  net.result(net.matmul("fc", net.other("gate", "Softplus", x)));
  EXPECT_THAT(activations_of(net), testing::HasSubstr("\noutput conv:0 symmetric -> conv\n"));
}

TEST(LeanOnnxPlacement, LeavesWhatTheModelReturnsAsItIs) {
  for (const bool directly : {true, false}) {
    GraphBuilder net;
    const ValueId x = net.conv("conv", net.input("x"));
    net.result(directly ? x : net.move("flat", "Flatten", net.other("sigmoid", "Sigmoid", x)));
    EXPECT_EQ(activations_of(net), "\noutput x:0 symmetric -> conv\n");
  }
}

TEST(LeanOnnxPlacement, LeavesReadersInFloatingPointThatTheUserWantsSo) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  net.result(net.matmul("fc", net.other("gate", "Softplus", x)));
  EXPECT_EQ(activations_of(net, test::ignoring({"gate"})), R"(
output x:0 symmetric -> conv
output gate:0 symmetric -> fc
)");
}

TEST(LeanOnnxPlacement, AsksForNoResultsOfTransposedConvolutions) {
  GraphBuilder net;
  const ValueId x = net.conv("up", net.input("x"), OpKind::kTransposedConvolution);
  net.result(net.matmul("fc", net.other("gate", "Softplus", x)));
  EXPECT_EQ(activations_of(net), R"(
output x:0 symmetric -> up
output gate:0 symmetric -> fc
)");
}

TEST(LeanOnnxPlacement, GivesActivationsOneScalePerTensor) {
  GraphBuilder net;
  const ValueId x = net.depthwise("second", net.conv("first", net.input("x")));
  net.result(net.matmul("fc", net.other("mean", "GlobalAveragePool", x)));
  EXPECT_THAT(activations_of(net), testing::Not(testing::HasSubstr("per channel")));
}

TEST(LeanOnnxPlacement, LeavesTablesOfEmbeddingsAsTheyAre) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.embedding("rows", net.input("ids", ElementType::kI64))));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output rows:0 symmetric -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
}

}  // namespace
}  // namespace tightrope
