// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"
#include "support/plan_text.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::activations_of;
using test::all_of;
using test::GraphBuilder;
using test::ignoring;
using test::weights_of;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Place, QuantizesAChainOfConvolutions) {
  GraphBuilder net;
  net.result(net.conv("conv2", net.relu("relu", net.bias("bias", net.conv("conv1", net.input("x"))))));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output x:0 symmetric -> conv1
weight conv1:1 symmetric per channel [0] half range -> conv1
output relu:0 symmetric -> conv2
weight conv2:1 symmetric per channel [0] -> conv2
)");
}

TEST(Place, GivesWeightsANarrowSignedRangeAndActivationsAFullOne) {
  GraphBuilder net;
  net.result(net.conv("conv", net.input("x")));
  const Plan plan = place(net.graph);
  EXPECT_FALSE(plan.quantizers[0].config.narrow_range);
  EXPECT_FALSE(plan.quantizers[0].config.forced_sign.has_value());
  EXPECT_TRUE(plan.quantizers[1].config.narrow_range);
  EXPECT_EQ(plan.quantizers[1].config.forced_sign, true);
  EXPECT_TRUE(plan.quantizers[1].range.low.empty());
  EXPECT_TRUE(plan.bias_shifts.empty());
}

TEST(Place, SharesAQuantizerAmongBranchesThatAllWantOne) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv1", relu));
  net.result(net.matmul("fc", relu));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv1, fc\n");
}

TEST(Place, KeepsAQuantizerAtTheInputWhereAnotherBranchWantsNone) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", relu));
  net.result(net.other("softmax", "Softmax", relu));
  EXPECT_EQ(activations_of(net), "\ninput conv:0 symmetric -> conv\n");
}

TEST(Place, CountsAResultAsABranchThatWantsNone) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", relu));
  net.result(relu);
  EXPECT_EQ(activations_of(net), "\ninput conv:0 symmetric -> conv\n");
}

TEST(Place, PassesOperationsThatOnlyMoveData) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  const ValueId pool = net.move("pool", "MaxPool", relu);
  const ValueId flat = net.move("flat", "Reshape", pool, {net.constant("sizes", ElementType::kI64, {2})});
  net.result(net.matmul("fc", flat));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> fc\n");
}

TEST(Place, StopsBehindADataMoverWhoseOtherUseWantsNone) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", net.move("pool", "MaxPool", relu)));
  net.result(net.other("softmax", "Softmax", relu));
  EXPECT_EQ(activations_of(net), "\ninput pool:0 symmetric -> conv\n");
}

TEST(Place, GivesDepthwiseConvolutionsARangePerChannelWhereTheyAreAlone) {
  GraphBuilder net;
  net.result(net.depthwise("depthwise", net.relu("relu", net.input("x"))));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output relu:0 symmetric per channel [1] -> depthwise
weight depthwise:1 symmetric per channel [0,1] -> depthwise
)");
}

TEST(Place, GivesDepthwiseConvolutionsOneRangeWhereTheyShareIt) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", relu));
  net.result(net.depthwise("depthwise", relu));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv, depthwise\n");
}

TEST(Place, TakesNoRangePerChannelThroughADataMover) {
  GraphBuilder net;
  net.result(net.depthwise("depthwise", net.move("transpose", "Transpose", net.relu("relu", net.input("x")))));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> depthwise\n");
}

TEST(Place, TakesOneRangeWhereTheNumberOfChannelsIsOpen) {
  GraphBuilder net;
  net.result(net.depthwise("depthwise", net.input("x", ElementType::kF32, {1, -1, 8, 8})));
  EXPECT_EQ(activations_of(net), "\noutput x:0 symmetric -> depthwise\n");
}

TEST(Place, GivesAllInputsOfAConcatenationOneScale) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.conv("conv", net.concat("concat", {a, b})));
  EXPECT_EQ(activations_of(net), R"(
output a:0 symmetric scale 0 -> conv
output b:0 symmetric scale 0 -> conv
)");
}

TEST(Place, JoinsTheScalesOfConcatenationsThatShareAnInput) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  const ValueId c = net.relu("c", net.input("z"));
  const ValueId d = net.relu("d", net.input("u"));
  const ValueId e = net.relu("e", net.input("v"));
  net.result(net.conv("conv1", net.concat("first", {a, b})));
  net.result(net.conv("conv2", net.concat("second", {b, c})));
  net.result(net.conv("conv3", net.concat("third", {d, e})));
  EXPECT_EQ(activations_of(net), R"(
output a:0 symmetric scale 0 -> conv1
output b:0 symmetric scale 0 -> conv1, conv2
output c:0 symmetric scale 0 -> conv2
output d:0 symmetric scale 1 -> conv3
output e:0 symmetric scale 1 -> conv3
)");
}

TEST(Place, KeepsAConcatenationsQuantizerInPlaceWhereOneInputTakesNone) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId joined = net.concat("concat", {a, net.constant("c")});
  net.result(net.conv("conv", joined));
  EXPECT_EQ(activations_of(net), "\noutput concat:0 symmetric -> conv\n");
}

TEST(Place, SharesTheScaleWithAnInputThatAnotherBranchReads) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.other("softmax", "Softmax", b));
  net.result(net.depthwise("depthwise", net.concat("concat", {a, b})));
  EXPECT_EQ(activations_of(net), R"(
output a:0 symmetric scale 0 -> depthwise
input concat:1 symmetric scale 0 -> depthwise
)");
}

TEST(Place, QuantizesOnlyTheResidualOperandOfAnAddition) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId conv = net.conv("conv", x);
  const ValueId sum = net.sum("sum", conv, net.other("sigmoid", "Sigmoid", x));
  net.result(sum);
  EXPECT_EQ(activations_of(net), R"(
input conv:0 symmetric -> conv
output sigmoid:0 symmetric -> sum
)");
}

TEST(Place, TellsWhichConvolutionTakesAnAdditionIn) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId shortcut = net.conv("shortcut", x);
  const ValueId first = net.sum("first", shortcut, net.bias("bias", net.conv("conv", x)));
  net.result(net.sum("second", first, first));
  const Plan plan = place(net.graph);
  ASSERT_EQ(plan.followers.size(), 1U);
  EXPECT_EQ(plan.followers[0].operation, "first");
  EXPECT_EQ(plan.followers[0].convolution, "conv");
}

TEST(Place, LeavesAnAdditionAloneThatBroadcasts) {
  GraphBuilder net;
  const ValueId gate = net.other("gate", "Sigmoid", net.input("y", ElementType::kF32, {1, 4, 1, 1}));
  const ValueId small =
      net.add("small", "ReduceMean", OpKind::kOther, {gate}, Trait::kOpaque, ElementType::kF32, {1, 4, 1, 1});
  net.result(net.sum("sum", net.conv("conv", net.input("x")), small));
  EXPECT_EQ(activations_of(net), "\noutput x:0 symmetric -> conv\n");
}

TEST(Place, SharesAResidualBlocksInput) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.sum("sum", x, net.bias("bias", net.conv("conv", x))));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv, sum\n");
}

TEST(Place, FindsABiasOnEitherSideOfItsAddition) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId conv = net.conv("conv", x);
  const ValueId bias = net.sum("bias", net.constant("c"), conv);
  net.result(net.sum("sum", bias, x));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv, sum\n");
}

TEST(Place, LetsTheLaterOfTwoConvolutionsTakeTheOtherIn) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId shortcut = net.conv("shortcut", x);
  const ValueId conv = net.conv("conv", x);
  net.result(net.sum("sum", conv, shortcut));
  EXPECT_EQ(activations_of(net), R"(
output relu:0 symmetric -> conv, shortcut
output shortcut:0 symmetric -> sum
)");
}

TEST(Place, LeavesAnAdditionAloneThatFusesWithNothing) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId y = net.relu("relu2", x);
  net.result(net.conv("conv", net.sum("sum", x, y)));
  EXPECT_EQ(activations_of(net), "\noutput sum:0 symmetric -> conv\n");
}

TEST(Place, LeavesAnAdditionAloneWhoseConvolutionIsReadElsewhere) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId conv = net.conv("conv", x);
  net.result(net.sum("sum", conv, net.other("exp", "Exp", conv)));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv\n");
}

TEST(Place, QuantizesBothOperandsOfAProductOfActivations) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.matmul("product", a, b));
  EXPECT_EQ(all_of(place(net.graph)), R"(
output a:0 symmetric -> product
output b:0 symmetric -> product
)");
}

TEST(Place, JoinsTwoUsesByOneOperation) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  net.result(net.matmul("square", a, a));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.conv("conv", net.concat("twice", {b, b})));
  EXPECT_EQ(activations_of(net), R"(
output a:0 symmetric -> square
output b:0 symmetric -> conv
)");
}

TEST(Place, IsNotBlockedByAShapeOf) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", relu));
  net.result(net.shape_of("shape", relu));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv\n");
}

TEST(Place, LeavesIgnoredOperationsInFloatingPoint) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  const ValueId pool = net.move("pool", "MaxPool", relu);
  net.result(net.conv("conv1", pool));
  net.result(net.conv("conv2", pool));
  EXPECT_EQ(all_of(place(net.graph, ignoring({"conv1"}))), R"(
input conv2:0 symmetric -> conv2
weight conv2:1 symmetric per channel [0] half range -> conv2
)");
  EXPECT_EQ(activations_of(net, ignoring({"pool"})), "\noutput pool:0 symmetric -> conv1, conv2\n");
}

TEST(Place, LeavesAnIgnoredAdditionAlone) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.sum("sum", net.conv("conv", x), net.relu("side", x)));
  EXPECT_EQ(activations_of(net, ignoring({"sum"})), "\ninput conv:0 symmetric -> conv\n");
}

TEST(Place, LeavesIntegersAlone) {
  GraphBuilder net;
  const ValueId ids = net.input("ids", ElementType::kI64);
  const ValueId image =
      net.other("convert", "Convert", net.move("flat", "Reshape", net.input("bytes", ElementType::kU8)));
  net.result(net.matmul("product", ids, ids));
  net.result(net.conv("conv", image));
  EXPECT_EQ(activations_of(net), "\noutput convert:0 symmetric -> conv\n");
}

TEST(Place, LeavesConstantDataAlone) {
  GraphBuilder net;
  const ValueId c = net.constant("c");
  const ValueId folded = net.relu("folded", c);
  const ValueId conv = net.conv("conv", folded);
  net.result(net.matmul("fc", net.sum("sum", conv, net.input("x"))));
  EXPECT_EQ(activations_of(net), "\noutput sum:0 symmetric -> fc\n");
  EXPECT_EQ(weights_of(net), "\nweight fc:1 symmetric per channel [1] -> fc\n");
}

TEST(Place, LeavesAConvolutionWithComputedWeightsAlone) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  const ValueId dynamic = net.add("dynamic", "Convolution", OpKind::kConvolution, {x, net.input("w")});
  net.result(net.conv("conv", net.relu("relu", dynamic)));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv\n");
}

TEST(Place, HalvesTheRangeOfTheFirstConvolutionOnEachPath) {
  GraphBuilder net;
  const ValueId x = net.depthwise("depthwise", net.input("x"));
  const ValueId a = net.conv("a", net.relu("relu", x));
  const ValueId b = net.conv("b", net.input("y"));
  const ValueId joined = net.concat("concat", {a, b});
  net.result(net.conv("c", joined));
  net.result(net.matmul("fc", joined));
  const auto weights = [&](std::optional<OverflowFix> fix) {
    QuantizeOptions options;
    options.overflow_fix = fix;
    return weights_of(net, options);
  };
  const std::string first = R"(
weight depthwise:1 symmetric per channel [0,1] -> depthwise
weight a:1 symmetric per channel [0] half range -> a
weight b:1 symmetric per channel [0] half range -> b
weight c:1 symmetric per channel [0] -> c
weight fc:1 symmetric per channel [1] -> fc
)";
  EXPECT_EQ(weights(std::nullopt), first);
  EXPECT_EQ(weights(OverflowFix::kFirstLayerOnly), first);
  EXPECT_EQ(weights(OverflowFix::kEnable), R"(
weight depthwise:1 symmetric per channel [0,1] -> depthwise
weight a:1 symmetric per channel [0] half range -> a
weight b:1 symmetric per channel [0] half range -> b
weight c:1 symmetric per channel [0] half range -> c
weight fc:1 symmetric per channel [1] half range -> fc
)");
  EXPECT_THAT(weights(OverflowFix::kDisable), testing::Not(HasSubstr("half range")));
}

TEST(Place, GoesOnBehindAFirstConvolutionThatIsIgnored) {
  GraphBuilder net;
  net.result(net.conv("conv2", net.relu("relu", net.conv("conv1", net.input("x")))));
  EXPECT_EQ(weights_of(net, ignoring({"conv1"})), "\nweight conv2:1 symmetric per channel [0] half range -> conv2\n");
}

TEST(Place, TakesAsymmetricActivationsInTheMixedPreset) {
  GraphBuilder net;
  net.result(net.depthwise("depthwise", net.relu("relu", net.conv("conv", net.input("x")))));
  QuantizeOptions options;
  options.preset = Preset::kMixed;
  EXPECT_EQ(all_of(place(net.graph, options)), R"(
output x:0 asymmetric -> conv
weight conv:1 symmetric per channel [0] half range -> conv
output relu:0 asymmetric per channel [1] -> depthwise
weight depthwise:1 symmetric per channel [0,1] -> depthwise
)");
}

TEST(Place, SaysWhereNothingCanBeQuantized) {
  GraphBuilder net;
  net.result(net.relu("relu", net.conv("conv", net.input("x"))));
  EXPECT_THAT([&] { place(net.graph, ignoring({"conv"})); }, ThrowsMessage<QuantizationError>(HasSubstr("nothing")));
  EXPECT_THROW(place(Graph{}), QuantizationError);
}

TEST(Place, PassesASplitWithAnUnusedOutput) {
  GraphBuilder net;
  const ValueId split =
      net.move("split", "Split", net.relu("relu", net.input("x")), {net.constant("axis", ElementType::kI64, {})}, 3);
  const auto outputs = net.outputs_of(split);
  net.result(net.conv("conv1", outputs[0]));
  net.result(net.conv("conv2", outputs[2]));
  EXPECT_EQ(activations_of(net), "\noutput relu:0 symmetric -> conv1, conv2\n");
}

TEST(Place, StaysBehindASplitWithAnOutputThatWantsNone) {
  GraphBuilder net;
  const ValueId split = net.move("split", "Split", net.relu("relu", net.input("x")), {}, 3);
  const auto outputs = net.outputs_of(split);
  net.result(net.conv("conv1", outputs[0]));
  net.result(net.conv("conv2", outputs[2]));
  net.result(net.other("softmax", "Softmax", outputs[1]));
  EXPECT_EQ(activations_of(net), R"(
output split:0 symmetric -> conv1
output split:2 symmetric -> conv2
)");
}

TEST(Place, IgnoresTheOrderInWhichBranchesWereBuilt) {
  const auto build = [](bool swapped) {
    GraphBuilder net;
    const ValueId relu = net.relu("relu", net.input("x"));
    for (const char* name : swapped ? std::array{"b", "a"} : std::array{"a", "b"}) net.result(net.conv(name, relu));
    return activations_of(net);
  };
  EXPECT_EQ(build(false), build(true));
}

TEST(Place, QuantizesWhatAnAverageReadsOfAConvolutionPerChannel) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.bias("bias", net.conv("conv", net.input("x"))));
  net.result(net.other("pool", "AvgPool", relu));
  EXPECT_EQ(activations_of(net), R"(
output x:0 symmetric -> conv
output relu:0 symmetric per channel [1] -> pool
)");
  const Plan plan = place(net.graph);
  ASSERT_EQ(plan.followers.size(), 1U);
  EXPECT_EQ(plan.followers[0].operation, "pool");
  EXPECT_EQ(plan.followers[0].convolution, "conv");
}

TEST(Place, LeavesAveragesOfOtherTensorsAlone) {
  GraphBuilder net;
  const ValueId shared = net.relu("shared", net.conv("conv", net.input("x")));
  net.result(net.other("of shared", "ReduceMean", shared));
  net.result(shared);
  net.result(net.other("of product", "ReduceMean", net.matmul("product", net.input("y"))));
  net.result(net.other("of input", "AvgPool", net.input("z")));
  EXPECT_EQ(activations_of(net), R"(
output x:0 symmetric -> conv
output y:0 symmetric -> product
)");
}

}  // namespace
}  // namespace tightrope
