// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/plan_text.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::all_of;
using test::GraphBuilder;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

QuantizeOptions reference(std::vector<std::string> ignored = {}) {
  QuantizeOptions options = test::ignoring(std::move(ignored));
  options.placement = Placement::kReference;
  return options;
}

QuantizeOptions mixed() {
  QuantizeOptions options = reference();
  options.preset = Preset::kMixed;
  return options;
}

QuantizeOptions transformer(TargetDevice device = TargetDevice::kAny) {
  QuantizeOptions options = reference();
  options.model_type = ModelType::kTransformer;
  options.target_device = device;
  return options;
}

QuantizeOptions with_rule(PropagationRule rule) {
  QuantizeOptions options = reference();
  options.propagation_rule = rule;
  return options;
}

std::string activations(const GraphBuilder& net, const QuantizeOptions& options = reference()) {
  return test::activations_of(net, options);
}

std::string weights(const GraphBuilder& net, const QuantizeOptions& options = reference()) {
  return test::weights_of(net, options);
}

const Quantizer& quantizer_at(const Plan& plan, SiteKind kind, const std::string& node) {
  const auto found = std::ranges::find_if(
      plan.quantizers, [&](const Quantizer& quantizer) { return quantizer.kind == kind && quantizer.node == node; });
  EXPECT_NE(found, plan.quantizers.end()) << node;
  return *found;
}

// Fused operations.

TEST(ReferencePlacement, PutsNoQuantizerInsideFusedOperations) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.bias("bias", net.conv("conv1", net.input("x"))));
  net.result(net.conv("conv2", relu));
  EXPECT_EQ(all_of(place(net.graph, reference())), R"(
output x:0 symmetric -> conv1
weight conv1:1 symmetric per channel [0] half range -> conv1
output relu:0 symmetric -> conv2
weight conv2:1 symmetric per channel [0] -> conv2
)");
}

TEST(ReferencePlacement, QuantizesAResidualNetworkLikeTheReference) {
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.bias("bias", net.conv("conv", net.input("in"))));
  const ValueId sum = net.sum("sum", relu, net.depthwise("dw", relu));
  net.result(net.matmul("fc", net.other("gap", "ReduceMean", sum)));
  EXPECT_EQ(all_of(place(net.graph, reference())), R"(
output in:0 symmetric -> conv
weight conv:1 symmetric per channel [0] half range -> conv
output relu:0 symmetric -> dw, sum
weight dw:1 symmetric per channel [0,1] -> dw
output dw:0 symmetric -> sum
output sum:0 symmetric -> gap
output gap:0 symmetric -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
}

TEST(ReferencePlacement, FusesTheScalingOfAnInput) {
  GraphBuilder net;
  net.result(net.conv("conv", net.bias("mean", net.input("x"))));
  EXPECT_EQ(activations(net), "\noutput mean:0 symmetric -> conv\n");
}

TEST(ReferencePlacement, LooksOnlyForTheFirstOfFusedOperationsInTheIgnoredScope) {
  GraphBuilder net;
  net.result(net.conv("last", net.relu("relu", net.bias("bias", net.conv("conv", net.input("x"))))));
  EXPECT_EQ(all_of(place(net.graph, reference({"bias", "relu"}))), all_of(place(net.graph, reference())));
  EXPECT_EQ(all_of(place(net.graph, reference({"conv"}))), R"(
output relu:0 symmetric -> last
weight last:1 symmetric per channel [0] half range -> last
)");
}

// Elementwise operations.

TEST(ReferencePlacement, QuantizesBothOperandsOfAnAddition) {
  GraphBuilder net;
  const ValueId a = net.other("a", "Sigmoid", net.input("x"));
  net.result(net.sum("sum", a, net.other("b", "Tanh", net.input("y"))));
  EXPECT_EQ(activations(net), R"(
output a:0 symmetric -> sum
output b:0 symmetric -> sum
)");
}

TEST(ReferencePlacement, LeavesAnOperationWithAConstantBehindOneInFloatingPointAlone) {
  GraphBuilder net;
  const ValueId sum = net.bias("sum", net.other("softmax", "Softmax", net.conv("conv", net.input("x"))));
  net.result(net.other("exp", "Exp", sum));
  EXPECT_EQ(activations(net), "\noutput x:0 symmetric -> conv\n");
}

TEST(ReferencePlacement, QuantizesAnOperationWithAConstantBehindOneThatMovesData) {
  GraphBuilder net;
  const ValueId x = net.move("transpose", "Transpose", net.other("softmax", "Softmax", net.input("x")));
  net.result(net.eltwise("scaled", "Multiply", x));
  EXPECT_EQ(activations(net), "\noutput softmax:0 symmetric -> scaled\n");
}

TEST(ReferencePlacement, LeavesASquareAlone) {
  GraphBuilder net;
  const ValueId x = net.other("sigmoid", "Sigmoid", net.input("x"));
  net.result(net.eltwise("square", "Multiply", x, x));
  EXPECT_EQ(activations(net), "\noutput sigmoid:0 symmetric -> square\n");
}

TEST(ReferencePlacement, GivesAProductOfATensorWithItselfOneQuantizer) {
  GraphBuilder net;
  const ValueId x = net.other("sigmoid", "Sigmoid", net.input("x"));
  net.result(net.matmul("product", x, x));
  EXPECT_EQ(activations(net), "\noutput sigmoid:0 symmetric -> product\n");
}

TEST(ReferencePlacement, QuantizesWhatNoTableLists) {
  GraphBuilder net;
  net.result(net.other("norm", "NormalizeL2", net.other("sigmoid", "Sigmoid", net.input("x"))));
  EXPECT_EQ(activations(net, mixed()), "\noutput sigmoid:0 asymmetric -> norm\n");
}

// Attention and products of activations.

GraphBuilder with_attention() {
  GraphBuilder net;
  const ValueId q = net.input("q");
  const ValueId k = net.input("k");
  net.result(net.attention("attention", q, k, net.input("v")));
  return net;
}

TEST(ReferencePlacement, QuantizesQueriesAndKeysOfAttentionSymmetrically) {
  for (const QuantizeOptions& options : {reference(), mixed()}) {
    EXPECT_EQ(activations(with_attention(), options), R"(
output q:0 symmetric -> attention
output k:0 symmetric -> attention
)");
  }
}

TEST(ReferencePlacement, QuantizesValuesOfAttentionTooAs8BitFloatingPoint) {
  QuantizeOptions options = reference();
  options.mode = NumberFormat::kF8E4M3;
  EXPECT_EQ(activations(with_attention(), options), R"(
output q:0 symmetric -> attention
output k:0 symmetric -> attention
output v:0 symmetric -> attention
)");
}

TEST(ReferencePlacement, LetsNoQuantizerPassATensorThatAttentionReadsAsItsValues) {
  GraphBuilder net;
  const ValueId x = net.other("sigmoid", "Sigmoid", net.input("x"));
  net.result(net.attention("attention", net.input("q"), x, x));
  EXPECT_EQ(activations(net), R"(
output q:0 symmetric -> attention
input attention:1 symmetric -> attention
)");
}

TEST(ReferencePlacement, MakesOperandsOfProductsSymmetricInTransformers) {
  GraphBuilder net;
  const ValueId a = net.other("a", "Sigmoid", net.input("x"));
  net.result(net.matmul("product", a, net.other("b", "Sigmoid", net.input("y"))));
  net.result(net.matmul("fc", a));
  net.result(net.matmul("fc2", net.other("c", "Sigmoid", net.input("z"))));
  EXPECT_EQ(activations(net, transformer()), R"(
output a:0 symmetric -> fc, product
output b:0 symmetric -> product
output c:0 asymmetric -> fc2
)");
  EXPECT_THAT(activations(net, mixed()), Not(HasSubstr(" symmetric")));
}

// Branches.

TEST(ReferencePlacement, StaysAtTheInputWhereAnotherConsumerReadsFloatingPoint) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId sigmoid = net.other("sigmoid", "Sigmoid", x);
  net.result(net.sum("add", x, sigmoid));
  EXPECT_EQ(activations(net), R"(
output sigmoid:0 symmetric -> add
input add:0 symmetric -> add
)");
}

TEST(ReferencePlacement, PassesPoolingUpToTheBranch) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", net.move("pool", "MaxPool", x)));
  net.result(net.other("softmax", "Softmax", x));
  EXPECT_EQ(activations(net), "\ninput pool:0 symmetric -> conv\n");
}

TEST(ReferencePlacement, KeepsARangePerChannelThroughADataMover) {
  GraphBuilder net;
  net.result(net.depthwise("dw", net.move("pool", "MaxPool", net.relu("relu", net.input("x")))));
  EXPECT_EQ(activations(net), "\noutput relu:0 symmetric per channel [1] -> dw\n");
}

TEST(ReferencePlacement, GivesShapeOfNothing) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(net.shape_of("shape", x));
  EXPECT_EQ(activations(net), "\noutput relu:0 symmetric -> conv\n");
}

// Rules of propagation.

GraphBuilder with_branches() {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(net.depthwise("dw", x));
  return net;
}

TEST(PropagationRule, MergesWhatBranchesHaveInCommonByDefault) {
  EXPECT_EQ(activations(with_branches(), with_rule(PropagationRule::kMergeAllInOne)),
            "\noutput relu:0 symmetric -> conv, dw\n");
}

TEST(PropagationRule, KeepsBranchesApartUnderDoNotMerge) {
  EXPECT_EQ(activations(with_branches(), with_rule(PropagationRule::kDoNotMergeBranches)), R"(
input conv:0 symmetric -> conv
input dw:0 symmetric per channel [1] -> dw
)");
}

TEST(PropagationRule, KeepsBranchesThatDifferApartUnderMergeIfAllSame) {
  EXPECT_EQ(activations(with_branches(), with_rule(PropagationRule::kMergeIfAllBranchesSame)), R"(
input conv:0 symmetric -> conv
input dw:0 symmetric per channel [1] -> dw
)");
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("a", x));
  net.result(net.matmul("b", x));
  EXPECT_EQ(activations(net, with_rule(PropagationRule::kMergeIfAllBranchesSame)),
            "\noutput relu:0 symmetric -> a, b\n");
}

TEST(PropagationRule, LeavesOutWhatRequantizesWithTheSameConfiguration) {
  EXPECT_EQ(activations(with_branches(), with_rule(PropagationRule::kMergeWithPotentialRequantization)),
            "\noutput relu:0 symmetric -> conv, dw\n");
}

TEST(PropagationRule, QuantizesABranchAgainThatWantsAnotherConfiguration) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(net.attention("attention", x, x, net.input("v")));
  QuantizeOptions options = with_rule(PropagationRule::kMergeWithPotentialRequantization);
  options.activations.mode = Mode::kAsymmetric;
  options.activations.bits = 8;
  EXPECT_EQ(activations(net, options), R"(
output relu:0 asymmetric -> conv
input attention:0 symmetric -> attention
input attention:1 symmetric -> attention
)");
}

// Concatenations.

TEST(ReferencePlacement, GivesInputsOfAConcatenationOneScaleInFrontOfAConvolution) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  const ValueId joined = net.concat("concat", {a, b});
  net.result(net.conv("conv", net.move("pool", "MaxPool", joined)));
  EXPECT_EQ(activations(net), R"(
output a:0 symmetric scale 0 -> conv
output b:0 symmetric scale 0 -> conv
)");
}

TEST(ReferencePlacement, GivesInputsOfAConcatenationScalesOfTheirOwnInFrontOfAnythingElse) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.other("mean", "ReduceMean", net.concat("concat", {a, b})));
  EXPECT_EQ(activations(net), R"(
output a:0 symmetric -> mean
output b:0 symmetric -> mean
)");
}

TEST(ReferencePlacement, GivesInputsOfAConcatenationRangesPerChannelInFrontOfADepthwiseConvolution) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  net.result(net.depthwise("dw", net.concat("concat", {a, b})));
  EXPECT_EQ(activations(net), R"(
output a:0 symmetric per channel [1] -> dw
output b:0 symmetric per channel [1] -> dw
)");
}

TEST(ReferencePlacement, LetsMembersPerChannelLeaveASharedScale) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId joined = net.concat("concat", {a, net.relu("b", net.input("y"))});
  net.result(net.conv("conv", joined));
  for (const char* name : {"dw1", "dw2", "dw3", "dw4"}) net.result(net.depthwise(name, joined));  // outvote conv
  QuantizeOptions options = with_rule(PropagationRule::kMergeWithPotentialRequantization);
  options.activations.bits = 8;
  EXPECT_EQ(activations(net, options), R"(
output a:0 symmetric per channel [1] -> dw1, dw2, dw3, dw4
output b:0 symmetric per channel [1] -> dw1, dw2, dw3, dw4
input conv:0 symmetric -> conv
)");
}

TEST(ReferencePlacement, KeepsConcatenationsApartThatLieInDifferentBranches) {
  GraphBuilder net;
  const ValueId a = net.relu("a", net.input("x"));
  const ValueId b = net.relu("b", net.input("y"));
  const ValueId c = net.relu("c", net.input("z"));
  net.result(net.conv("conv1", net.concat("first", {a, b})));
  net.result(net.conv("conv2", net.concat("second", {c, net.relu("d", net.input("u"))})));
  EXPECT_EQ(activations(net), R"(
output a:0 symmetric scale 0 -> conv1
output b:0 symmetric scale 0 -> conv1
output c:0 symmetric scale 1 -> conv2
output d:0 symmetric scale 1 -> conv2
)");
}

// Embeddings.

TEST(ReferencePlacement, QuantizesTheTableInPlaceOfTheOutputOfAnEmbedding) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.embedding("rows", net.input("ids", ElementType::kI64))));
  const Plan plan = place(net.graph, reference());
  EXPECT_EQ(all_of(plan), R"(
weight rows:0 symmetric -> fc, rows
weight fc:1 symmetric per channel [1] -> fc
)");
  const QuantizerConfig whole{8, Mode::kSymmetric, false, false, true};
  EXPECT_EQ(quantizer_at(plan, SiteKind::kWeight, "rows").config, whole);
}

TEST(ReferencePlacement, GivesATableThatTakesOverOneScale) {
  GraphBuilder net;
  net.result(net.depthwise("dw", net.embedding("rows", net.input("ids", ElementType::kI64))));
  EXPECT_THAT(weights(net), HasSubstr("weight rows:0 symmetric -> dw, rows\n"));
}

TEST(ReferencePlacement, LeavesATableAsymmetricThatServesAProductInTransformers) {
  GraphBuilder net;
  const ValueId rows = net.embedding("rows", net.input("ids", ElementType::kI64));
  net.result(net.matmul("product", rows, net.other("sigmoid", "Sigmoid", net.input("x"))));
  QuantizeOptions options = transformer();
  options.weights.mode = Mode::kAsymmetric;
  EXPECT_EQ(all_of(place(net.graph, options)), R"(
weight rows:0 asymmetric -> product, rows
output sigmoid:0 symmetric -> product
)");
}

TEST(ReferencePlacement, QuantizesTableAndOutputOfAnEmbeddingInTheMixedPreset) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.embedding("rows", net.input("ids", ElementType::kI64))));
  const Plan plan = place(net.graph, mixed());
  EXPECT_EQ(all_of(plan), R"(
weight rows:0 symmetric per channel [0] -> rows
output rows:0 asymmetric -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
  EXPECT_TRUE(quantizer_at(plan, SiteKind::kWeight, "rows").config.narrow_range);
}

TEST(ReferencePlacement, SharesTheScaleOfAConcatenationWithTheTableOfAnEmbedding) {
  GraphBuilder net;
  const ValueId rows = net.embedding("rows", net.input("ids", ElementType::kI64));
  net.result(net.matmul("fc", net.concat("concat", {rows, net.relu("relu", net.input("x"))})));
  const Plan plan = place(net.graph, reference());
  EXPECT_EQ(all_of(plan), R"(
weight rows:0 symmetric scale 0 -> fc, rows
output relu:0 symmetric scale 0 -> fc
weight fc:1 symmetric per channel [1] -> fc
)");
  EXPECT_EQ(quantizer_at(plan, SiteKind::kOutput, "relu").config.forced_sign, true);
}

// Outputs.

TEST(ReferencePlacement, QuantizesOutputsWhereThatIsAskedFor) {
  GraphBuilder net;
  net.result(net.conv("conv", net.input("x")));
  QuantizeOptions options = reference();
  EXPECT_EQ(activations(net, options), "\noutput x:0 symmetric -> conv\n");
  options.quantize_outputs = true;
  EXPECT_EQ(activations(net, options), R"(
output x:0 symmetric -> conv
output conv:0 symmetric -> conv/result
)");
}

TEST(ReferencePlacement, CountsAnOutputAsAConsumerInFloatingPoint) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(x);
  EXPECT_EQ(activations(net), "\ninput conv:0 symmetric -> conv\n");
}

// Several outputs.

TEST(ReferencePlacement, PutsAQuantizerOnEachEdgeBehindASplitThatItCannotPass) {
  GraphBuilder net;
  const ValueId split = net.move("split", "Split", net.relu("relu", net.input("x")), {}, 2);
  net.result(net.conv("conv1", net.outputs_of(split)[0]));
  const ValueId pool = net.move("pool", "MaxPool", net.outputs_of(split)[1]);
  net.result(net.conv("conv2", pool));
  net.result(net.conv("conv3", pool));
  EXPECT_EQ(activations(net), "\noutput relu:0 symmetric -> conv1, conv2, conv3\n");
  EXPECT_EQ(activations(net, reference({"split"})), R"(
input conv1:0 symmetric -> conv1
input pool:0 symmetric -> conv2, conv3
)");
}

TEST(ReferencePlacement, StaysAtEveryInputWhereOneOutputOfASplitIsReadInFloatingPoint) {
  GraphBuilder net;
  const ValueId split = net.move("split", "Split", net.relu("relu", net.input("x")), {}, 2);
  net.result(net.conv("conv", net.outputs_of(split)[0]));
  net.result(net.other("softmax", "Softmax", net.outputs_of(split)[1]));
  EXPECT_EQ(activations(net), "\ninput conv:0 symmetric -> conv\n");
}

TEST(ReferencePlacement, StaysAtTheInputWhereAnOutputOfIntegersIsUsed) {
  GraphBuilder net;
  const ValueId best = net.other("best", "TopK", net.relu("relu", net.input("x")));
  net.result(net.another_output(best, ElementType::kI64));
  net.result(net.conv("conv", best));
  EXPECT_EQ(activations(net), "\ninput conv:0 symmetric -> conv\n");
}

// Recurrent cells.

TEST(ReferencePlacement, QuantizesTheWeightsOfARecurrentCellAndItsConstantState) {
  GraphBuilder net;
  net.result(net.lstm("lstm", net.other("sigmoid", "Sigmoid", net.input("x"))));
  EXPECT_EQ(all_of(place(net.graph, reference())), R"(
output sigmoid:0 symmetric -> lstm
weight lstm:1 symmetric per channel [1] -> lstm
weight lstm:2 symmetric per channel [1] -> lstm
weight lstm:4 symmetric per channel [1] -> lstm
weight lstm:5 symmetric per channel [1] -> lstm
)");
}

TEST(ReferencePlacement, QuantizesAComputedStateOfARecurrentCellAsAnActivation) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.result(net.lstm("lstm", x, net.input("h")));
  EXPECT_EQ(activations(net), R"(
output x:0 symmetric -> lstm
output h:0 symmetric -> lstm
)");
  EXPECT_THAT(weights(net), Not(HasSubstr("lstm:1")));
}

// Patterns and types that stay in floating point.

TEST(ReferencePlacement, LeavesTheInsideOfASqueezeAndExciteBlockInFloatingPoint) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId down = net.bias("down/bias", net.conv("down", net.other("mean", "ReduceMean", x)));
  const ValueId up = net.bias("up/bias", net.conv("up", net.relu("middle", down)));
  net.result(net.eltwise("scale", "Multiply", x, net.other("gate", "Sigmoid", up)));
  EXPECT_EQ(all_of(place(net.graph, reference())), R"(
output relu:0 symmetric -> mean, scale
output gate:0 symmetric -> scale
)");
}

TEST(ReferencePlacement, StopsAtASqueezeInTransformers) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.move("squeeze", "Squeeze", net.other("sigmoid", "Sigmoid", net.input("x")))));
  EXPECT_EQ(activations(net), "\noutput sigmoid:0 symmetric -> fc\n");
  EXPECT_EQ(activations(net, transformer()), "\noutput squeeze:0 asymmetric -> fc\n");
}

// Devices.

TEST(ReferencePlacement, KeepsTheSharedOperandOfAdditionsOnCpusWithMatrixExtensions) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  const ValueId first = net.sum("first", x, net.conv("a", x));
  net.result(net.sum("second", net.conv("b", first), first));
  QuantizeOptions options = reference();
  EXPECT_THAT(activations(net, options), AllOf(HasSubstr("output a:0"), HasSubstr("output b:0")));
  options.target_device = TargetDevice::kCpuSpr;
  EXPECT_EQ(activations(net, options), R"(
output relu:0 symmetric -> a, first
output first:0 symmetric -> b, second
)");
}

TEST(ReferencePlacement, KeepsTheOperandOfTheSmallerConvolutionOnCpusWithMatrixExtensions) {
  GraphBuilder net;
  const ValueId large = net.relu("large", net.conv("a", net.input("x")));
  const ValueId conv = net.add("b", "Convolution", OpKind::kConvolution, {net.input("y"), net.constant("w")},
                               Trait::kOpaque, ElementType::kF32, {1, 1, 8, 8});
  const ValueId small =
      net.add("small", "Relu", OpKind::kOther, {conv}, Trait::kOpaque, ElementType::kF32, {1, 1, 8, 8});
  net.result(net.sum("sum", large, small));
  QuantizeOptions options = reference();
  options.target_device = TargetDevice::kCpuSpr;
  EXPECT_EQ(activations(net, options), R"(
output x:0 symmetric -> a
output y:0 symmetric -> b
output small:0 symmetric -> sum
)");
}

TEST(ReferencePlacement, GivesAllOperandsOfAnAdditionOneScaleOnTheNpuWithFewerBits) {
  GraphBuilder net;
  const ValueId a = net.other("a", "Sigmoid", net.input("x"));
  const ValueId b = net.other("b", "Tanh", net.input("y"));
  net.result(net.sum("sum", a, net.concat("concat", {b, net.other("c", "Exp", net.input("z"))})));
  QuantizeOptions options = reference();
  options.target_device = TargetDevice::kNpu;
  EXPECT_THAT(activations(net, options), Not(HasSubstr("scale")));
  options.activations.bits = 4;
  EXPECT_EQ(activations(net, options), R"(
output a:0 symmetric 4 bits scale 0 -> sum
output b:0 symmetric 4 bits scale 0 -> sum
output c:0 symmetric 4 bits scale 0 -> sum
)");
}

TEST(ReferencePlacement, JoinsTheScalesOfAdditionsThatShareAnOperandOnTheNpuWithFewerBits) {
  GraphBuilder net;
  const ValueId a = net.other("a", "Sigmoid", net.input("x"));
  const ValueId b = net.other("b", "Sigmoid", net.input("y"));
  const ValueId c = net.other("c", "Sigmoid", net.input("z"));
  net.result(net.sum("ab", a, b));
  net.result(net.sum("bc", b, c));
  QuantizeOptions options = reference();
  options.target_device = TargetDevice::kNpu;
  options.activations.bits = 4;
  EXPECT_EQ(activations(net, options), R"(
output a:0 symmetric 4 bits scale 0 -> ab
output b:0 symmetric 4 bits scale 0 -> ab, bc
output c:0 symmetric 4 bits scale 0 -> bc
)");
}

// Half the range of weights.

// x -> dw -> a -> fc; y -> b -> c.
GraphBuilder with_paths() {
  GraphBuilder net;
  net.result(net.matmul("fc", net.relu("r1", net.conv("a", net.depthwise("dw", net.input("x"))))));
  net.result(net.conv("c", net.relu("r2", net.conv("b", net.relu("r3", net.matmul("fc2", net.input("y")))))));
  return net;
}

std::string halved(QuantizeOptions options) {
  std::string names;
  for (const Quantizer& quantizer : place(with_paths().graph, options).quantizers) {
    if (quantizer.half_range) names += (names.empty() ? "" : ", ") + quantizer.node;
  }
  return names;
}

TEST(OverflowFix, HalvesTheFirstConvolutionsBehindWhateverComesBefore) {
  QuantizeOptions options = reference();
  EXPECT_EQ(halved(options), "a, b");
  options.overflow_fix = OverflowFix::kFirstLayerOnly;
  EXPECT_EQ(halved(options), "a, b");
}

TEST(OverflowFix, HalvesAllButDepthwiseConvolutionsWhereItIsEnabled) {
  QuantizeOptions options = reference();
  options.overflow_fix = OverflowFix::kEnable;
  EXPECT_EQ(halved(options), "a, fc, fc2, b, c");
}

TEST(OverflowFix, HalvesNothingWhereItIsDisabledOrBitsAreNotEight) {
  QuantizeOptions options = reference();
  options.overflow_fix = OverflowFix::kDisable;
  EXPECT_EQ(halved(options), "");
  options.overflow_fix.reset();
  options.activations.bits = 16;
  EXPECT_EQ(halved(options), "");
}

TEST(OverflowFix, RefusesAsymmetricWeights) {
  QuantizeOptions options = reference();
  options.weights.mode = Mode::kAsymmetric;
  EXPECT_THAT([&] { halved(options); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("node 'a' (Convolution)"), HasSubstr("asymmetric"))));
  options.overflow_fix = OverflowFix::kDisable;
  EXPECT_THAT(weights(with_paths(), options), HasSubstr("weight a:1 asymmetric per channel [0] -> a"));
}

TEST(ReferencePlacement, GivesAWeightOfOneDimensionOneScale) {
  GraphBuilder net;
  net.result(net.dot("dot", net.input("x")));
  EXPECT_TRUE(quantizer_at(place(net.graph, reference()), SiteKind::kWeight, "dot").channel_axes.empty());
}

}  // namespace
}  // namespace tightrope
