// SPDX-License-Identifier: Apache-2.0
#include "placement/exemptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "graph/data_flow.h"
#include "support/plan_text.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using test::ignoring;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr Exempt kByUser = Exempt::kByUser;
constexpr Exempt kByPattern = Exempt::kByPattern;
constexpr Exempt kInTransformer = Exempt::kInTransformer;
constexpr Exempt kPostProcessing = Exempt::kPostProcessing;

std::map<std::string, Exempt> exempt_in(const GraphBuilder& net, const QuantizeOptions& options = {}) {
  const auto entries = exemptions(net.graph, data_flow(net.graph), options);
  std::map<std::string, Exempt> reasons;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].why != Exempt::kNo) reasons[net.graph.nodes()[i].name] = entries[i].why;
  }
  return reasons;
}

Exemption exemption_of(const GraphBuilder& net, const std::string& name, const QuantizeOptions& options = {}) {
  return exemptions(net.graph, data_flow(net.graph), options)[static_cast<std::size_t>(net.graph.find(name))];
}

QuantizeOptions transformer(TargetDevice device = TargetDevice::kAny) {
  QuantizeOptions options;
  options.model_type = ModelType::kTransformer;
  options.target_device = device;
  return options;
}

TEST(Exemptions, AreNoneInAPlainNetwork) {
  GraphBuilder net;
  net.result(net.relu("relu", net.bias("bias", net.conv("conv", net.input("x")))));
  EXPECT_THAT(exempt_in(net), IsEmpty());
}

TEST(Exemptions, FollowTheUser) {
  GraphBuilder net;
  net.result(net.relu("relu", net.conv("conv", net.input("x"))));
  EXPECT_THAT(exempt_in(net, ignoring({"conv"})), ElementsAre(Pair("conv", kByUser)));
  EXPECT_THROW(exempt_in(net, ignoring({"none"})), InvalidArgument);
}

// x -> conv -> (mean -> down -> down/bias -> relu -> up -> up/bias -> gate) -> scale.
GraphBuilder with_squeeze_and_excite() {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId down = net.bias("down/bias", net.conv("down", net.other("mean", "ReduceMean", x)));
  const ValueId up = net.bias("up/bias", net.conv("up", net.relu("relu", down)));
  net.result(net.eltwise("scale", "Multiply", x, net.other("gate", "Sigmoid", up)));
  return net;
}

TEST(Exemptions, TakeOnlyTheInsideOfASqueezeAndExciteBlock) {
  const GraphBuilder net = with_squeeze_and_excite();
  EXPECT_THAT(exempt_in(net),
              UnorderedElementsAre(Pair("down", kByPattern), Pair("down/bias", kByPattern), Pair("relu", kByPattern),
                                   Pair("up", kByPattern), Pair("up/bias", kByPattern), Pair("gate", kByPattern)));
  EXPECT_EQ(exemption_of(net, "up").pattern, "se_block");
}

TEST(Exemptions, TakePairsThatLoseAccuracy) {
  GraphBuilder net;
  const ValueId conv = net.conv("conv", net.input("x"));
  const ValueId scaled = net.eltwise("scaled", "Multiply", net.move("unsqueeze", "Unsqueeze", conv));
  net.result(net.move("squeeze", "Squeeze", net.bias("shift", scaled)));
  net.result(net.other("not", "LogicalNot", net.eltwise("equal", "Equal", conv)));
  EXPECT_EQ(exemption_of(net, "shift").pattern, "fc_bn_hswish_activation");
  EXPECT_EQ(exemption_of(net, "not").pattern, "equal_logicalnot");
  EXPECT_EQ(exemption_of(net, "conv").why, Exempt::kNo);
}

// The rotary embedding of positions, of a "MatMul" of frequencies.
GraphBuilder with_rope() {
  GraphBuilder net;
  const ValueId frequencies = net.move("transpose", "Transpose", net.matmul("frequencies", net.input("x")));
  const ValueId twice = net.concat("twice", {frequencies, frequencies});
  net.result(net.other("cos", "Cos", twice));
  net.result(net.other("sin", "Sin", twice));
  return net;
}

TEST(Exemptions, KnowThePatternsOfTransformersOnlyInTransformers) {
  const GraphBuilder net = with_rope();
  EXPECT_THAT(exempt_in(net), IsEmpty());
  EXPECT_EQ(exemption_of(net, "frequencies", transformer()).pattern, "rope");
  EXPECT_EQ(exemption_of(net, "sin", transformer()).pattern, "rope");
}

TEST(Exemptions, TakeTheSecondProductOfAttentionInTransformers) {
  GraphBuilder net;
  const ValueId scores = net.matmul("scores", net.input("q"), net.input("k"));
  const ValueId values = net.move("values", "Transpose", net.input("v"));
  net.result(net.matmul("product", net.other("softmax", "Softmax", scores), values));
  EXPECT_THAT(exempt_in(net), IsEmpty());
  EXPECT_THAT(
      exempt_in(net, transformer()),
      UnorderedElementsAre(Pair("softmax", kByPattern), Pair("product", kByPattern), Pair("values", kByPattern)));
  EXPECT_THAT(exempt_in(net, transformer(TargetDevice::kCpuSpr)), IsEmpty());
}

TEST(Exemptions, TakeFragileOperationsInTransformers) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId sum = net.sum("sum", net.eltwise("product", "Multiply", x, x), x);
  net.result(net.other("norm", "MVN", net.eltwise("smaller", "Minimum", net.relu("relu", sum))));
  EXPECT_THAT(exempt_in(net), IsEmpty());
  EXPECT_THAT(
      exempt_in(net, transformer()),
      UnorderedElementsAre(Pair("sum", kInTransformer), Pair("product", kInTransformer), Pair("norm", kInTransformer)));
}

TEST(Exemptions, LeaveMultiplicationsToCpusWithMatrixExtensions) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  net.result(net.sum("sum", net.eltwise("product", "Multiply", x, x), x));
  EXPECT_THAT(exempt_in(net, transformer(TargetDevice::kCpuSpr)), ElementsAre(Pair("sum", kInTransformer)));
}

TEST(Exemptions, TakePostProcessingOnEitherSideOfASelection) {
  GraphBuilder net;
  const ValueId scores = net.other("scores", "Sigmoid", net.bias("bias", net.conv("conv", net.input("x"))));
  const ValueId best = net.other("best", "TopK", net.eltwise("scaled", "Multiply", scores));
  net.result(net.eltwise("shifted", "Add", best));
  EXPECT_THAT(exempt_in(net), UnorderedElementsAre(Pair("bias", kPostProcessing), Pair("scores", kPostProcessing),
                                                   Pair("scaled", kPostProcessing), Pair("best", kPostProcessing),
                                                   Pair("shifted", kPostProcessing)));
  EXPECT_EQ(exemption_of(net, "bias").other, net.graph.find("best"));
  EXPECT_EQ(exemption_of(net, "shifted").other, net.graph.find("best"));
}

TEST(Exemptions, EndPostProcessingAtWeightsAndInputs) {
  GraphBuilder net;
  const ValueId before = net.relu("before", net.conv("conv1", net.input("x")));
  const ValueId boxes = net.relu("boxes", net.input("y"));
  const ValueId best = net.other("best", "NonMaxSuppression", net.sum("all", net.conv("conv2", before), boxes));
  net.result(net.relu("after", net.conv("conv3", best)));
  net.result(net.relu("chosen", best));
  EXPECT_THAT(exempt_in(net), UnorderedElementsAre(Pair("boxes", kPostProcessing), Pair("all", kPostProcessing),
                                                   Pair("best", kPostProcessing), Pair("chosen", kPostProcessing)));
}

TEST(Exemptions, TakeNoSelectionWhoseResultGoesThroughWeights) {
  GraphBuilder net;
  const ValueId best = net.other("best", "TopK", net.relu("relu", net.conv("conv", net.input("x"))));
  net.result(net.conv("last", best));
  EXPECT_THAT(exempt_in(net), IsEmpty());
}

TEST(Exemptions, TakePostProcessingOnlyOnThePathsToAnOutputThatSelects) {
  GraphBuilder net;
  const ValueId shared = net.relu("shared", net.conv("conv", net.input("x")));
  net.result(net.other("mask", "Sigmoid", shared));
  net.result(net.other("best", "TopK", net.other("scores", "Softmax", shared)));
  EXPECT_THAT(exempt_in(net), UnorderedElementsAre(Pair("shared", kPostProcessing), Pair("scores", kPostProcessing),
                                                   Pair("best", kPostProcessing)));
}

TEST(Exemptions, FollowPostProcessingThroughAnyOutputOfAnOperation) {
  GraphBuilder net;
  const ValueId parts = net.move("split", "Split", net.conv("conv", net.input("x")), {}, 2);
  net.result(net.relu("left", net.outputs_of(parts)[0]));
  net.result(net.other("best", "TopK", net.outputs_of(parts)[1]));
  EXPECT_THAT(exempt_in(net), UnorderedElementsAre(Pair("split", kPostProcessing), Pair("best", kPostProcessing)));
}

TEST(Exemptions, TakeALadderOfJoinsInOnePass) {
  GraphBuilder net;
  ValueId value = net.conv("conv", net.input("x"));
  for (int rung = 0; rung < 60; ++rung) {  // 2^60 paths
    const std::string name = std::to_string(rung);
    value = net.sum("sum" + name, net.relu("left" + name, value), net.relu("right" + name, value));
  }
  net.result(net.other("best", "TopK", value));
  const auto flow = data_flow(net.graph);
  const auto start = std::chrono::steady_clock::now();
  const auto entries = exemptions(net.graph, flow, {});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  EXPECT_EQ(std::ranges::count(entries, kPostProcessing, &Exemption::why), 3 * 60 + 1);
}

TEST(Exemptions, GiveTheFirstOfSeveralReasons) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId equal = net.other("not", "LogicalNot", net.eltwise("equal", "Equal", net.sum("sum", x, x)));
  net.result(net.other("best", "TopK", equal));
  QuantizeOptions options = transformer();
  options.ignored_scope.names = {"not"};
  EXPECT_THAT(exempt_in(net, options),
              UnorderedElementsAre(Pair("not", kByUser), Pair("equal", kByPattern), Pair("sum", kInTransformer),
                                   Pair("best", kPostProcessing)));
}

}  // namespace
}  // namespace tightrope
