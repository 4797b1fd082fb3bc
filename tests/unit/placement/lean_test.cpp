// SPDX-License-Identifier: Apache-2.0
// Lean placement where operations are no convolutions; those are in place_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/plan_text.h"

namespace tightrope {
namespace {

using test::activations_of;
using test::all_of;
using test::GraphBuilder;

QuantizeOptions transformer() {
  QuantizeOptions options;
  options.model_type = ModelType::kTransformer;
  return options;
}

TEST(LeanPlacement, QuantizesQueriesAndKeysOfAttention) {
  GraphBuilder net;
  const ValueId q = net.relu("q", net.input("x"));
  const ValueId k = net.relu("k", net.input("y"));
  net.result(net.attention("attention", q, k, net.input("v")));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output q:0 symmetric -> attention
output k:0 symmetric -> attention
)");
}

TEST(LeanPlacement, LeavesAttentionWithKeysOfIntegersAlone) {
  GraphBuilder net;
  const ValueId q = net.relu("q", net.input("x"));
  const ValueId k = net.input("k", ElementType::kI64);
  net.result(net.matmul("fc", net.attention("attention", q, k, net.input("v"))));
  EXPECT_EQ(activations_of(net), "\noutput attention:0 symmetric -> fc\n");
}

TEST(LeanPlacement, QuantizesTheTableOfAnEmbeddingAndItsOutputApart) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.embedding("rows", net.input("ids", ElementType::kI64))));
  EXPECT_EQ(all_of(place(net.graph)), R"(
weight rows:0 symmetric per channel [0] -> rows
output rows:0 symmetric -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
}

TEST(LeanPlacement, GivesRecurrentCellsNothing) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.lstm("lstm", net.matmul("before", net.input("x")))));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output x:0 symmetric -> before
weight before:1 symmetric per channel [1] -> before
output lstm:0 symmetric -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
}

TEST(LeanPlacement, LeavesSqueezeAndExciteBlocksInFloatingPoint) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId down = net.bias("down/bias", net.conv("down", net.other("mean", "ReduceMean", x)));
  const ValueId up = net.bias("up/bias", net.conv("up", net.relu("relu", down)));
  net.result(net.eltwise("scale", "Multiply", x, net.other("gate", "Sigmoid", up)));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output x:0 symmetric -> conv
weight conv:1 symmetric per channel [0] half range -> conv
)");
}

TEST(LeanPlacement, LeavesPostProcessingInFloatingPoint) {
  GraphBuilder net;
  const ValueId scores = net.relu("scores", net.conv("conv", net.input("x")));
  net.result(net.other("best", "TopK", net.matmul("product", scores, scores)));
  EXPECT_EQ(activations_of(net), "\noutput x:0 symmetric -> conv\n");
}

TEST(LeanPlacement, QuantizesOutputsWhereThatIsAskedFor) {
  GraphBuilder net;
  net.result(net.relu("relu", net.conv("conv", net.input("x"))));
  QuantizeOptions options;
  options.quantize_outputs = true;
  EXPECT_EQ(activations_of(net, options), R"(
output x:0 symmetric -> conv
output relu:0 symmetric -> relu/result
)");
}

TEST(LeanPlacement, LetsAnOutputShareAQuantizerWhereOutputsAreQuantized) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(x);
  QuantizeOptions options;
  options.quantize_outputs = true;
  EXPECT_EQ(activations_of(net, options), R"(
output relu:0 symmetric -> conv, relu/result
output conv:0 symmetric -> conv/result
)");
}

TEST(LeanPlacement, TakesAsymmetricActivationsInTransformersButForProducts) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId product = net.matmul("product", a, net.relu("b", net.input("y")));
  net.result(net.matmul("fc", net.relu("c", product)));
  EXPECT_EQ(activations_of(net, transformer()), R"(
output a:0 symmetric -> product
output b:0 symmetric -> product
output c:0 asymmetric -> fc
)");
}

TEST(LeanPlacement, QuantizesNoResidualInTransformers) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.sum("sum", net.conv("conv", x), net.relu("side", x)));
  EXPECT_EQ(activations_of(net), "\noutput side:0 symmetric -> sum\ninput conv:0 symmetric -> conv\n");
  EXPECT_EQ(activations_of(net, transformer()), "\ninput conv:0 asymmetric -> conv\n");
}

TEST(LeanPlacement, StopsAtASqueezeInTransformers) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.move("squeeze", "Squeeze", net.relu("relu", net.input("x")))));
  EXPECT_EQ(activations_of(net, transformer()), "\noutput squeeze:0 asymmetric -> fc\n");
}

}  // namespace
}  // namespace tightrope
