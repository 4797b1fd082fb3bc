// SPDX-License-Identifier: Apache-2.0
#include "pipeline/default_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::ElementsAre;
using testing::IsEmpty;

const Observed kLopsided{{-0.375F}, {5}, {5}, {}};  // as a hard swish gives it
const Observed kEven{{-4}, {5}, {5}, {}};
const Observed kPositive{{0}, {5}, {5}, {}};

Observed within_limits(const GraphBuilder& net, const Observed& observed) {
  return up_to_limits(observed, place(net.graph).quantizers.at(0), net.graph);
}

TEST(UpToLimits, GoesToOneBehindASigmoidThatCameHalfWay) {
  for (const std::string type : {"Sigmoid", "HSigmoid", "HardSigmoid", "Softmax"}) {
    GraphBuilder net;
    net.result(net.conv("conv", net.other("gate", type, net.input("x"))));
    const Observed found = within_limits(net, {{0.1F}, {0.6F}, {0.6F}, {}});
    EXPECT_THAT(found.low, ElementsAre(0.1F)) << type;
    EXPECT_THAT(found.high, ElementsAre(1)) << type;
    EXPECT_THAT(found.magnitude, ElementsAre(1)) << type;
  }
}

TEST(UpToLimits, KeepsWhatWasObservedOfASigmoidThatStaysFarBelowOne) {
  GraphBuilder net;
  net.result(net.conv("conv", net.other("gate", "Softmax", net.input("x"))));
  EXPECT_THAT(within_limits(net, {{0}, {0.4F}, {0.4F}, {}}).high, ElementsAre(0.4F));
}

TEST(UpToLimits, GoesToEachEndOfATangentThatCameNear) {
  GraphBuilder net;
  net.result(net.conv("conv", net.other("tanh", "Tanh", net.input("x"))));
  const Observed both = within_limits(net, {{-0.9F}, {0.8F}, {0.9F}, {}});
  EXPECT_THAT(both.low, ElementsAre(-1));
  EXPECT_THAT(both.high, ElementsAre(1));
  const Observed upper = within_limits(net, {{-0.2F}, {0.8F}, {0.8F}, {}});
  EXPECT_THAT(upper.low, ElementsAre(-0.2F));
  EXPECT_THAT(upper.high, ElementsAre(1));
}

TEST(UpToLimits, LooksPastWhatMovesDataOnly) {
  GraphBuilder net;
  net.result(net.conv("conv", net.move("reshape", "Reshape", net.other("gate", "Sigmoid", net.input("x")))));
  EXPECT_THAT(within_limits(net, {{0}, {0.6F}, {0.6F}, {}}).high, ElementsAre(1));
  GraphBuilder changed;
  changed.result(changed.conv("conv", changed.relu("relu", changed.other("gate", "Sigmoid", changed.input("x")))));
  EXPECT_THAT(within_limits(changed, {{0}, {0.6F}, {0.6F}, {}}).high, ElementsAre(0.6F));
}

TEST(UpToLimits, TakesEachChannelByItself) {
  GraphBuilder net;
  net.result(net.depthwise("conv", net.other("gate", "Sigmoid", net.input("x"))));
  EXPECT_THAT(within_limits(net, {{0, 0}, {0.2F, 0.6F}, {0.2F, 0.6F}, {}}).high, ElementsAre(0.2F, 1));
}

// Nodes at which the plan has an asymmetric quantizer, where each of its quantizers has to hold `observed`.
std::vector<std::string> asymmetric(const Graph& graph, const Observed& observed, const QuantizeOptions& options = {}) {
  Plan plan = place(graph, options);
  const std::vector<Observed> all(plan.quantizers.size(), observed);
  std::vector<std::string> found;
  for (const Quantizer& quantizer : choose_modes(std::move(plan), all, graph, options).quantizers) {
    if (quantizer.config.mode == Mode::kAsymmetric) found.push_back(quantizer.node);
  }
  return found;
}

Graph one_convolution(Vocabulary vocabulary = Vocabulary::kOpenVino, OpKind kind = OpKind::kConvolution) {
  GraphBuilder net;
  net.graph.vocabulary = vocabulary;
  net.result(net.relu("end", net.conv("conv", net.other("swish", "Softplus", net.input("x")), kind)));
  return net.graph;
}

TEST(WithoutIdleEnd, EndsWhereAProductWithTheOwnSigmoidVanishes) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  net.result(net.eltwise("gated", "Mul", x, net.other("gate", "Sigmoid", x)));
  Quantizer quantizer;
  quantizer.node = "conv";
  const Observed found = without_idle_end({{-76}, {42}, {76}, {}}, quantizer, net.graph);
  EXPECT_THAT(found.low, ElementsAre(-8));
  EXPECT_THAT(found.high, ElementsAre(42));
  EXPECT_THAT(found.magnitude, ElementsAre(42));
  EXPECT_THAT(without_idle_end({{-6}, {4}, {6}, {}}, quantizer, net.graph).magnitude, ElementsAre(6));
}

TEST(WithoutIdleEnd, KeepsWhatAnybodyElseReads) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  const ValueId gated = net.eltwise("gated", "Mul", x, net.other("gate", "Sigmoid", x));
  net.result(net.sum("sum", gated, x));
  Quantizer quantizer;
  quantizer.node = "conv";
  EXPECT_THAT(without_idle_end({{-76}, {42}, {76}, {}}, quantizer, net.graph).low, ElementsAre(-76));
}

TEST(ChooseModes, MakesLopsidedDataOfConvolutionsAndProductsAsymmetric) {
  EXPECT_THAT(asymmetric(one_convolution(), kLopsided), ElementsAre("swish"));
  GraphBuilder net;
  net.result(net.matmul("product", net.other("gelu", "Softplus", net.input("x"))));
  EXPECT_THAT(asymmetric(net.graph, kLopsided), ElementsAre("gelu"));
}

TEST(ChooseModes, KeepsWhatGainsLittle) {
  EXPECT_THAT(asymmetric(one_convolution(), kEven), IsEmpty());
  EXPECT_THAT(asymmetric(one_convolution(), kPositive), IsEmpty());
}

TEST(ChooseModes, KeepsDataOfDepthwiseConvolutionsWhereThatIsSlower) {
  EXPECT_THAT(asymmetric(one_convolution(Vocabulary::kOpenVino, OpKind::kGroupConvolution), kLopsided), IsEmpty());
  const Graph onnx = one_convolution(Vocabulary::kOnnx, OpKind::kGroupConvolution);
  EXPECT_THAT(asymmetric(onnx, kLopsided), testing::Contains("swish"));
}

TEST(ChooseModes, KeepsProductsOfTwoActivationsAndResidualOperands) {
  GraphBuilder net;
  const ValueId a = net.other("a", "Softplus", net.input("x"));
  const ValueId b = net.other("b", "Softplus", net.input("y"));
  net.result(net.matmul("product", a, b));
  const ValueId c = net.other("c", "Softplus", net.input("z"));
  net.result(net.relu("end", net.sum("sum", net.conv("conv", net.relu("d", net.input("w"))), c)));
  EXPECT_THAT(asymmetric(net.graph, kLopsided), ElementsAre("d"));
}

TEST(ChooseModes, TreatsThoseThatShareAScaleAlike) {
  const auto joined = [](bool with_product) {
    GraphBuilder net;
    const ValueId a = net.other("a", "Softplus", net.input("x"));
    const ValueId b = net.other("b", "Softplus", net.input("y"));
    if (with_product) net.result(net.matmul("product", b, net.other("c", "Softplus", net.input("z"))));
    net.result(net.relu("end", net.conv("conv", net.concat("concat", {a, b}))));
    return net.graph;
  };
  EXPECT_THAT(asymmetric(joined(false), kLopsided), ElementsAre("a", "b"));
  EXPECT_THAT(asymmetric(joined(true), kLopsided), IsEmpty());
}

TEST(ChooseModes, DoesWhatTheUserAsksFor) {
  QuantizeOptions options;
  options.preset = Preset::kPerformance;
  EXPECT_THAT(asymmetric(one_convolution(), kLopsided, options), IsEmpty());
  options = {};
  options.activations.mode = Mode::kSymmetric;
  EXPECT_THAT(asymmetric(one_convolution(), kLopsided, options), IsEmpty());
  options = {};
  options.activation_range.max.aggregator = Aggregator::kMax;
  EXPECT_THAT(asymmetric(one_convolution(), kLopsided, options), IsEmpty());
  options = {};
  options.target_device = TargetDevice::kNpu;
  EXPECT_THAT(asymmetric(one_convolution(), kLopsided, options), IsEmpty());
}

}  // namespace
}  // namespace tightrope
