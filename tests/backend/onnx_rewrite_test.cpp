// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "backend/onnx_networks.h"
#include "backend/onnx_runtime_test.h"
#include "backend/onnx_simulation.h"
#include "onnx/messages.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/onnx.h"

namespace tightrope {
namespace {

namespace proto = onnx::proto;

using onnx::Network;
using test::constant_floats;
using test::OnnxBuilder;
using test::output_quantizer;
using test::set;
using test::simulated;
using test::sines;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pointwise;
using testing::StartsWith;
using testing::ThrowsMessage;

Quantizer input_quantizer(const std::string& node, int port, float low, float high, int levels = 256) {
  Quantizer quantizer = output_quantizer(node, {node}, low, high, levels);
  quantizer.kind = SiteKind::kInput;
  quantizer.port = port;
  return quantizer;
}

Quantizer weight_quantizer(const std::string& node, int port, std::vector<float> low, std::vector<float> high,
                           std::vector<int> axes, int levels = 255) {
  Quantizer quantizer = test::weight_quantizer(node, {1}, levels);
  quantizer.port = port;
  quantizer.config.per_channel = !axes.empty();
  quantizer.channel_axes = std::move(axes);
  quantizer.range = {std::move(low), std::move(high), levels};
  return quantizer;
}

Quantizer symmetric_weight(const std::string& node, float high, int port = 1) {
  return weight_quantizer(node, port, {-high}, {high}, {});
}

Plan plan_of(std::vector<Quantizer> quantizers, std::vector<BiasShift> shifts = {}) {
  Plan plan;
  plan.quantizers = std::move(quantizers);
  plan.bias_shifts = std::move(shifts);
  return plan;
}

std::unique_ptr<Model> model_of(const OnnxBuilder& net) { return from_onnx(net.model.SerializeAsString()); }

std::string written_bytes(const OnnxBuilder& net, const Plan& plan) { return to_onnx(*model_of(net)->apply(plan)); }

Network written(const OnnxBuilder& net, const Plan& plan) { return onnx::parse_network(written_bytes(net, plan)); }

const proto::NodeProto& node_called(const Network& network, const std::string& name) {
  for (const auto& node : network.model.graph().node()) {
    if (node.name() == name) return node;
  }
  throw std::out_of_range("no node " + name);
}

// What gives an input of a node.
const proto::NodeProto& source_of(const Network& network, const proto::NodeProto& node, int port) {
  for (const auto& giver : network.model.graph().node()) {
    if (std::ranges::find(giver.output(), node.input(port)) != giver.output().end()) return giver;
  }
  throw std::out_of_range(fmt::format("no node gives {} to {}", node.input(port), node.name()));
}

const proto::NodeProto& source_of(const Network& network, const std::string& node, int port) {
  return source_of(network, node_called(network, node), port);
}

int count_of(const Network& network, const std::string& type) {
  return static_cast<int>(std::ranges::count(network.model.graph().node(), type, &proto::NodeProto::op_type));
}

// A pair in front of an input: what it rounds with.
struct Pair {
  std::string value;  // that is quantized; empty for a constant that is stored in 8 bits
  ElementType type;   // of the integers
  std::vector<float> scale;
  std::vector<float> zero;
  std::int64_t axis;  // -1: none

  bool operator==(const Pair&) const = default;
};

void PrintTo(const Pair& pair, std::ostream* out) {
  *out << fmt::format("{} {} scale {} zero {} axis {}", pair.value, name_of(pair.type),
                      testing::PrintToString(pair.scale), testing::PrintToString(pair.zero), pair.axis);
}

Pair pair_at(const Network& network, const std::string& node, int port) {
  const auto& dequantize = source_of(network, node, port);
  EXPECT_EQ(dequantize.op_type(), "DequantizeLinear");
  Pair pair;
  pair.scale = constant_floats(network, dequantize.input(1));
  pair.zero = constant_floats(network, dequantize.input(2));
  pair.axis = onnx::int_attribute(dequantize, "axis", -1);
  pair.type = network.constants.at(dequantize.input(2)).type();
  if (network.constants.contains(dequantize.input(0))) {
    EXPECT_EQ(network.constants.at(dequantize.input(0)).type(), pair.type);
    return pair;
  }
  const auto& quantize = source_of(network, dequantize, 0);
  EXPECT_EQ(quantize.op_type(), "QuantizeLinear");
  for (const int parameter : {1, 2}) EXPECT_EQ(quantize.input(parameter), dequantize.input(parameter));
  EXPECT_EQ(onnx::int_attribute(quantize, "axis", -1), pair.axis);
  pair.value = quantize.input(0);
  return pair;
}

// The int8 levels of a weight.
std::vector<float> levels_at(const Network& network, const std::string& node, int port) {
  const auto& dequantize = source_of(network, node, port);
  EXPECT_EQ(network.constants.at(dequantize.input(0)).type(), ElementType::kI8);
  return constant_floats(network, dequantize.input(0));
}

// x [1,3,6,6] -> conv1 -> relu1 -> conv2 -> sum (with relu1) -> pool -> flat -> fc; also the shape of relu1.
OnnxBuilder small_net(std::int64_t opset = 17, ElementType type = ElementType::kF32) {
  OnnxBuilder net(opset);
  const auto weight = [&](const std::string& name, const Shape& shape, float phase) {
    net.constant(name, Tensor::copy_of(sines(element_count(shape), phase), shape).cast(type));
  };
  net.input("x", {1, 3, 6, 6}, onnx::to_data_type(type));
  weight("w1", {4, 3, 3, 3}, 0);
  weight("b1", {4}, 1);
  weight("w2", {4, 4, 1, 1}, 2);
  weight("w3", {5, 4}, 3);
  weight("b3", {5}, 4);
  net.node("Conv", {"x", "w1", "b1"}, {"conv1"});
  net.node("Relu", {"conv1"}, {"relu1"});
  net.node("Conv", {"relu1", "w2"}, {"conv2"});
  net.node("Add", {"conv2", "relu1"}, {"sum"});
  net.node("GlobalAveragePool", {"sum"}, {"pool"});
  set(net.node("Flatten", {"pool"}, {"flat"}), "axis", std::int64_t{1});
  set(net.node("Gemm", {"flat", "w3", "b3"}, {"fc"}), "transB", std::int64_t{1});
  net.node("Shape", {"relu1"}, {"shape"});
  return net.output("fc").output("shape");
}

Plan whole_plan() {
  return plan_of({output_quantizer("x", {}, -1.28F, 1.27F), output_quantizer("relu1", {}, 0, 5.1F),
                  input_quantizer("fc", 0, -0.5F, 2),
                  weight_quantizer("conv1", 1, {-1, -0.9F, -0.8F, -0.7F}, {1, 0.9F, 0.8F, 0.7F}, {0}),
                  symmetric_weight("conv2", 1), weight_quantizer("fc", 1, {-1, -1, -1, -1, -1}, {1, 1, 1, 1, 1}, {0})});
}

// Runs in ONNX Runtime with all its optimizations, and gives what arithmetic in floating point gives.
class OnnxRewrite : public test::OnnxRuntimeTest {
 protected:
  static void expect_as_simulated(const OnnxBuilder& net, const Plan& plan, float tolerance = 0.02F) {
    const auto model = model_of(net);
    const auto expected =
        test::session_of(simulated(net.base(), model->graph(), plan))->run(test::sines_for(net.model));
    const auto found = model->apply(plan)->compile()->run(test::sines_for(net.model));
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].type(), expected[i].type());
      EXPECT_EQ(found[i].shape(), expected[i].shape());
      const auto wanted = expected[i].to_floats();
      float widest = 1e-3F;
      for (const float value : wanted) widest = std::max(widest, std::abs(value));
      EXPECT_THAT(found[i].to_floats(), Pointwise(FloatNear(tolerance * widest), wanted)) << "output " << i;
    }
  }
};

TEST_F(OnnxRewrite, ComputesWhatTheSimulationComputes) { expect_as_simulated(small_net(), whole_plan()); }

// Activations

TEST_F(OnnxRewrite, TakesTheZeroPointFromTheRange) {
  const auto pair = [](float low, float high, int levels = 256) {
    return pair_at(written(small_net(), plan_of({input_quantizer("conv2", 0, low, high, levels)})), "conv2", 0);
  };
  EXPECT_EQ(pair(0, 2.55F), (Pair{"relu1", ElementType::kU8, {2.55F / 255}, {0}, -1})) << "unsigned";
  EXPECT_EQ(pair(-1.28F, 1.27F), (Pair{"relu1", ElementType::kI8, {(1.27F + 1.28F) / 255}, {0}, -1})) << "symmetric";
  EXPECT_EQ(pair(-1.27F, 1.27F, 255), (Pair{"relu1", ElementType::kI8, {2.54F / 254}, {0}, -1})) << "narrow";
  EXPECT_EQ(pair(0, 2.54F, 255), (Pair{"relu1", ElementType::kU8, {2.54F / 254}, {0}, -1})) << "narrow, unsigned";
  EXPECT_EQ(pair(-0.5F, 2.05F), (Pair{"relu1", ElementType::kI8, {2.55F / 255}, {-78}, -1})) << "-128 + 50";
  EXPECT_EQ(pair(-2.55F, 0), (Pair{"relu1", ElementType::kI8, {2.55F / 255}, {127}, -1})) << "no positive values";
  EXPECT_EQ(pair(0, 0).zero, std::vector<float>{0}) << "nothing but zeros";
  EXPECT_EQ(pair(0, 0).type, ElementType::kU8);
}

// ONNX Runtime puts copies of the pair behind operations that move data.
TEST_F(OnnxRewrite, TakesUnsignedIntegersWhereOperatorsSayTheirType) {
  const auto pooled = [](std::int64_t opset) {
    OnnxBuilder net(opset);
    net.input("x", {1, 3, 8, 8}).output("y").weight("w", {4, 3, 3, 3}, sines(108));
    set(net.node("MaxPool", {"x"}, {"pool"}), "kernel_shape", std::vector<std::int64_t>{2, 2});
    net.node("Conv", {"pool", "w"}, {"y"});
    return net;
  };
  const Plan plan = plan_of({output_quantizer("x", {}, -1.28F, 1.27F), symmetric_weight("y", 1)});
  for (const auto& [opset, type, zero] : {std::tuple(20, ElementType::kI8, 0), std::tuple(21, ElementType::kU8, 128)}) {
    const Pair pair = pair_at(written(pooled(opset), plan), "pool", 0);
    EXPECT_EQ(pair.type, type);
    EXPECT_EQ(pair.zero, std::vector<float>(1, static_cast<float>(zero)));
    expect_as_simulated(pooled(opset), plan);
  }
  const Plan narrow = plan_of({output_quantizer("x", {}, -1.1F, 1.1F, 255), symmetric_weight("y", 1)});
  EXPECT_THAT(pair_at(written(pooled(21), narrow), "pool", 0).zero, ElementsAre(128));
  expect_as_simulated(pooled(21), narrow);
}

TEST_F(OnnxRewrite, RoundsActivationsOfEveryRange) {
  for (const auto& [low, high, levels] :
       {std::tuple(0.0F, 0.9F, 256), std::tuple(-0.6F, 0.594F, 256), std::tuple(-1.1F, 1.1F, 255),
        std::tuple(-0.2F, 0.82F, 256), std::tuple(-0.9F, 0.0F, 256), std::tuple(0.0F, 1e-7F, 256)}) {
    OnnxBuilder net;
    net.input("x", {7, 11}).output("y").node("Neg", {"x"}, {"y"});
    SCOPED_TRACE(fmt::format("{} {}", low, high));
    expect_as_simulated(net, plan_of({output_quantizer("x", {}, low, high, levels)}), 1e-5F);
  }
}

TEST_F(OnnxRewrite, GivesEachChannelOfAnActivationItsScale) {
  for (const int axis : {0, 1, 2}) {
    OnnxBuilder net;
    net.input("x", {2, 3, 4}).output("y").node("Neg", {"x"}, {"y"});
    Quantizer quantizer = input_quantizer("y", 0, 0, 0);
    quantizer.channel_axes = {axis};
    quantizer.range = {{-1.28F, -0.5F, 0, -0.3F}, {1.27F, 2.05F, 2.55F, 0}, 256};
    const auto channels = std::array{2U, 3U, 4U}[static_cast<std::size_t>(axis)];
    quantizer.range.low.resize(channels);
    quantizer.range.high.resize(channels);
    const Pair pair = pair_at(written(net, plan_of({quantizer})), "y", 0);
    EXPECT_EQ(pair.axis, axis);
    EXPECT_EQ(pair.type, ElementType::kI8) << "one type for all";
    std::vector<float> zeros = {0, -78, -128, 127};
    zeros.resize(channels);
    EXPECT_EQ(pair.zero, zeros);
    expect_as_simulated(net, plan_of({quantizer}), 1e-5F);
  }
}

TEST_F(OnnxRewrite, QuantizesAnOutputForAllItsConsumersButShapes) {
  const Network network = written(small_net(), plan_of({output_quantizer("relu1", {}, 0, 2.5F)}));
  EXPECT_EQ(count_of(network, "QuantizeLinear"), 1);
  EXPECT_EQ(node_called(network, "conv2").input(0), node_called(network, "sum").input(1));
  EXPECT_EQ(source_of(network, "conv2", 0).op_type(), "DequantizeLinear");
  EXPECT_EQ(node_called(network, "shape").input(0), "relu1") << "a shape needs no elements";
}

TEST_F(OnnxRewrite, QuantizesOneInputAlone) {
  const Network network = written(small_net(), plan_of({input_quantizer("conv2", 0, 0, 2.5F)}));
  EXPECT_EQ(source_of(network, "conv2", 0).op_type(), "DequantizeLinear");
  EXPECT_EQ(node_called(network, "sum").input(1), "relu1");
}

TEST_F(OnnxRewrite, MakesEqualInputQuantizersOfATensorOnePair) {
  const Plan equal = plan_of({input_quantizer("conv2", 0, 0, 2), input_quantizer("sum", 1, 0, 2)});
  EXPECT_EQ(count_of(written(small_net(), equal), "QuantizeLinear"), 1);
  const Plan different = plan_of({input_quantizer("conv2", 0, 0, 2), input_quantizer("sum", 1, 0, 3)});
  EXPECT_EQ(count_of(written(small_net(), different), "QuantizeLinear"), 2);
  expect_as_simulated(small_net(), different);
}

TEST_F(OnnxRewrite, PutsAnInputQuantizerBelowTheOneOfTheOutput) {
  const Plan plan = plan_of({input_quantizer("conv2", 0, 0, 0.5F), output_quantizer("relu1", {}, 0, 2.5F)});
  const Network network = written(small_net(), plan);
  EXPECT_EQ(count_of(network, "QuantizeLinear"), 2);
  EXPECT_EQ(pair_at(network, "conv2", 0).value, node_called(network, "sum").input(1));
  EXPECT_EQ(pair_at(network, "sum", 1).value, "relu1");
  expect_as_simulated(small_net(), plan);
}

TEST_F(OnnxRewrite, QuantizesBothInputsThatReadOneTensor) {
  OnnxBuilder net;
  net.input("x", {3, 3}).output("y").node("MatMul", {"x", "x"}, {"y"});
  const Plan equal = plan_of({input_quantizer("y", 0, -1, 1), input_quantizer("y", 1, -1, 1)});
  EXPECT_EQ(count_of(written(net, equal), "QuantizeLinear"), 1);
  expect_as_simulated(net, equal);
  const Plan different = plan_of({input_quantizer("y", 0, -1, 1), input_quantizer("y", 1, -0.5F, 0.5F)});
  EXPECT_EQ(count_of(written(net, different), "QuantizeLinear"), 2);
  expect_as_simulated(net, different);
  const Plan one = plan_of({input_quantizer("y", 1, -0.5F, 0.5F)});
  EXPECT_EQ(node_called(written(net, one), "y").input(0), "x");
  expect_as_simulated(net, one);
  expect_as_simulated(net, plan_of({output_quantizer("x", {}, -0.7F, 0.7F), input_quantizer("y", 1, -0.5F, 0.5F)}));
}

// x -> relu -> If (whose branches read relu themselves) -> y; also neg of relu.
OnnxBuilder net_with_if() {
  OnnxBuilder net;
  net.input("x", {2, 3}).input("c", {}, proto::TensorProto::BOOL).output("y").output("n");
  net.node("Relu", {"x"}, {"relu"});
  auto& branch = net.node("If", {"c"}, {"y"});
  for (const char* name : {"then", "else"}) {
    auto& attribute = *branch.add_attribute();
    attribute.set_name(std::string(name) + "_branch");
    attribute.set_type(proto::AttributeProto::GRAPH);
    auto& body = *attribute.mutable_g();
    body.set_name(name);
    auto& node = *body.add_node();
    node.set_op_type(name == std::string("then") ? "Exp" : "Neg");
    node.add_input("relu");
    node.add_output(std::string(name) + "/y");
    OnnxBuilder::describe(*body.add_output(), std::string(name) + "/y", {2, 3}, proto::TensorProto::FLOAT);
  }
  net.node("Neg", {"relu"}, {"n"});
  return net;
}

TEST_F(OnnxRewrite, LetsBodiesReadTheTensorItself) {
  const Network network = written(net_with_if(), plan_of({output_quantizer("relu", {}, 0, 0.5F)}));
  EXPECT_EQ(pair_at(network, "n", 0).value, "relu");
  EXPECT_EQ(node_called(network, "y").attribute(0).g().node(0).input(0), "relu");
  expect_as_simulated(net_with_if(), plan_of({output_quantizer("relu", {}, 0, 0.5F)}), 1e-5F);
}

// Outputs of the model

TEST_F(OnnxRewrite, QuantizesAnOutputOfTheModelUnderItsName) {
  OnnxBuilder net = small_net();
  OnnxBuilder::describe(*net.graph().mutable_output(0), "fc", {1, 5}, proto::TensorProto::FLOAT);
  for (const Plan& plan :
       {plan_of({input_quantizer("fc/result", 0, -1, 1)}), plan_of({output_quantizer("fc", {}, -1, 1)})}) {
    const Network network = written(net, plan);
    const auto& output = network.model.graph().output(0);
    EXPECT_EQ(output.SerializeAsString(), net.graph().output(0).SerializeAsString()) << "name, type and shape";
    EXPECT_EQ(count_of(network, "QuantizeLinear"), 1);
    EXPECT_EQ(node_called(network, "fc").output(0), "fc/float");
    EXPECT_EQ(node_called(network, "QuantizeLinear_fc_1").input(0), "fc/float");
    EXPECT_EQ(node_called(network, "DequantizeLinear_fc_1").output(0), "fc");
    expect_as_simulated(net, plan);
  }
}

TEST_F(OnnxRewrite, QuantizesAnOutputThatOperationsReadToo) {
  const OnnxBuilder net = small_net().output("relu1");
  const Plan alone = plan_of({input_quantizer("relu1/result", 0, 0, 0.5F)});
  const Network network = written(net, alone);
  EXPECT_EQ(node_called(network, "conv2").input(0), "relu1/float");
  EXPECT_EQ(node_called(network, "shape").input(0), "relu1/float");
  expect_as_simulated(net, alone);
  const Plan all = plan_of({output_quantizer("relu1", {}, 0, 0.5F)});
  EXPECT_EQ(node_called(written(net, all), "conv2").input(0), "relu1");
  expect_as_simulated(net, all);
  expect_as_simulated(net, plan_of({output_quantizer("relu1", {}, 0, 2), input_quantizer("relu1/result", 0, 0, 0.5F)}));
  expect_as_simulated(net, plan_of({output_quantizer("relu1", {}, 0, 2), input_quantizer("conv2", 0, 0, 0.5F)}));
}

TEST_F(OnnxRewrite, KeepsInputsThatAreOutputs) {
  OnnxBuilder net;
  net.input("x", {2, 3}).output("y").output("x").node("Neg", {"x"}, {"y"});
  const Plan plan = plan_of({output_quantizer("x", {}, -0.5F, 0.5F), input_quantizer("x/result", 0, -0.5F, 0.5F)});
  const auto outputs = model_of(net)->apply(plan)->compile()->run(test::sines_for(net.model));
  EXPECT_EQ(outputs[1].to_floats(), test::sines_for(net.model).inputs[0].tensor.to_floats());
  EXPECT_EQ(pair_at(written(net, plan), "y", 0).value, "x");
}

TEST_F(OnnxRewrite, KeepsOutputsThatBodiesRead) {
  const OnnxBuilder net = net_with_if().output("relu");
  const Plan plan = plan_of({output_quantizer("relu", {}, 0, 0.5F), input_quantizer("relu/result", 0, 0, 0.5F)});
  const Network network = written(net, plan);
  EXPECT_EQ(node_called(network, "relu").output(0), "relu");
  EXPECT_EQ(pair_at(network, "n", 0).value, "relu");
  EXPECT_NO_THROW(model_of(net)->apply(plan)->compile()->run(test::sines_for(net.model)));
}

TEST_F(OnnxRewrite, FindsNamesThatAreFree) {
  OnnxBuilder net;
  net.input("x", {2, 3}).output("y");
  const std::vector<std::string> taken = {"QuantizeLinear_x_1", "dq_output_x_2", "scale_x_3", "y/float",
                                          "zero_point_x_5"};
  std::string last = "x";
  for (const std::string& name : taken) {
    net.node("Neg", {last}, {name});
    last = name;
  }
  net.node("Neg", {last}, {"y"});
  const Plan plan = plan_of({output_quantizer("x", {}, -1, 1), output_quantizer("y", {}, -1, 1)});
  const Network network = written(net, plan);
  EXPECT_EQ(source_of(network, "QuantizeLinear_x_1", 0).name(), "DequantizeLinear_x_4");
  EXPECT_EQ(node_called(network, "y").output(0), "y/float_1");
  expect_as_simulated(net, plan);
}

// Weights

// What becomes of an operation "y" of "x" and a weight "w".
struct Weighted {
  OnnxBuilder net;
  Weighted(const std::string& type, const Shape& x, const Shape& w, bool weight_first = false) {
    net.input("x", x).weight("w", w, sines(element_count(w), 0.5F)).output("y");
    net.node(type, weight_first ? std::vector<std::string>{"w", "x"} : std::vector<std::string>{"x", "w"}, {"y"});
  }
  proto::NodeProto& node() { return *net.graph().mutable_node(0); }
};

TEST_F(OnnxRewrite, StoresWeightsOfEveryOperationInEightBits) {
  const auto check = [](const OnnxBuilder& net, int port, int axis, std::size_t channels) {
    std::vector<float> high;
    for (std::size_t i = 0; i < channels; ++i) high.push_back(0.6F + 0.1F * static_cast<float>(i));
    std::vector<float> low;
    for (const float value : high) low.push_back(-value);
    const Plan per_channel =
        plan_of({weight_quantizer("y", port, low, high, {axis}), input_quantizer("y", 1 - port, -1, 1)});
    const Pair pair = pair_at(written(net, per_channel), "y", port);
    EXPECT_EQ(pair.type, ElementType::kI8);
    EXPECT_EQ(pair.axis, axis);
    EXPECT_EQ(pair.zero, std::vector<float>(channels, 0));
    EXPECT_FLOAT_EQ(pair.scale[1], 2 * high[1] / 254);
    EXPECT_EQ(written(net, per_channel).constants.count("w"), 0U);
    expect_as_simulated(net, per_channel, 0.005F);
    const Plan per_tensor = plan_of({symmetric_weight("y", 0.9F, port), input_quantizer("y", 1 - port, -1, 1)});
    EXPECT_EQ(pair_at(written(net, per_tensor), "y", port).axis, -1);
    expect_as_simulated(net, per_tensor, 0.005F);
  };
  check(Weighted("Conv", {1, 3, 6, 6}, {4, 3, 3, 3}).net, 1, 0, 4);
  check(Weighted("Conv", {1, 3, 9}, {4, 3, 3}).net, 1, 0, 4);
  Weighted group("Conv", {1, 4, 6, 6}, {6, 2, 3, 3});
  set(group.node(), "group", std::int64_t{2});
  check(group.net, 1, 0, 6);
  Weighted depthwise("Conv", {1, 4, 6, 6}, {4, 1, 3, 3});
  set(depthwise.node(), "group", std::int64_t{4});
  check(depthwise.net, 1, 0, 4);
  check(Weighted("ConvTranspose", {1, 3, 4, 4}, {3, 4, 2, 2}).net, 1, 1, 4);
  check(Weighted("Gemm", {2, 3}, {3, 4}).net, 1, 1, 4);
  Weighted transposed("Gemm", {2, 3}, {4, 3});
  set(transposed.node(), "transB", std::int64_t{1});
  check(transposed.net, 1, 0, 4);
  check(Weighted("MatMul", {2, 5, 3}, {3, 4}).net, 1, 1, 4);
  check(Weighted("MatMul", {3, 5}, {4, 3}, true).net, 0, 0, 4);
}

TEST_F(OnnxRewrite, StoresAStackOfMatricesWithOneScale) {
  const Weighted weighted("MatMul", {2, 5, 3}, {2, 3, 4});
  const auto model = model_of(weighted.net);
  const Node& product = model->graph().node(model->graph().find("y"));
  ASSERT_EQ(product.weights.size(), 1U);
  EXPECT_THAT(product.weights[0].channel_axes, IsEmpty()) << "ONNX Runtime doesn't run it with more";
  expect_as_simulated(weighted.net, plan_of({symmetric_weight("y", 0.9F), input_quantizer("y", 0, -1, 1)}), 0.005F);
}

TEST_F(OnnxRewrite, RoundsWeightsToTheNearestLevel) {
  OnnxBuilder net;
  net.input("x", {1, 2})
      .output("y")
      .weight("w", {2, 4}, {0.5F, -1, 0.126F, 7, 0, -0.01F, -7, 1})
      .node("MatMul", {"x", "w"}, {"y"});
  const Network network = written(
      net, plan_of({weight_quantizer("y", 1, {-1.27F, -1.27F, -2.54F, -2.54F}, {1.27F, 1.27F, 2.54F, 2.54F}, {1})}));
  EXPECT_THAT(levels_at(network, "y", 1), ElementsAre(50, -100, 6, 127, 0, -1, -127, 50));
  const Network narrow = written(net, plan_of({weight_quantizer("y", 1, {-0.64F}, {0.63F}, {}, 128)}));
  EXPECT_THAT(levels_at(narrow, "y", 1), ElementsAre(50, -64, 13, 63, 0, -1, -64, 63)) << "half range";
}

TEST_F(OnnxRewrite, MovesAsymmetricWeightsSoThatZeroIsALevel) {
  for (const Shape& w : {Shape{4, 3, 3, 3}, Shape{4, 3, 3}}) {
    Weighted weighted("Conv", w.size() == 4 ? Shape{1, 3, 6, 6} : Shape{1, 3, 6}, w);
    // 255 steps of 2 / 255: zero lies at level 140.25 of the range as it is.
    const Plan plan = plan_of({weight_quantizer("y", 1, {-1.1F}, {0.9F}, {}, 256), input_quantizer("y", 0, -1, 1)});
    const Pair pair = pair_at(written(weighted.net, plan), "y", 1);
    EXPECT_EQ(pair.type, ElementType::kI8);
    EXPECT_FLOAT_EQ(pair.scale[0], 2.0F / 255);
    EXPECT_THAT(pair.zero, ElementsAre(-128 + 140));
    expect_as_simulated(weighted.net, plan, 0.01F);
  }
}

TEST_F(OnnxRewrite, StoresEveryKindOfWeightRange) {
  for (const int levels : {256, 255, 128, 127, 16, 2}) {
    for (const auto& [low, high] :
         {std::pair(-1.0F, 1.0F), std::pair(0.0F, 0.8F), std::pair(-0.8F, 0.0F), std::pair(-0.3F, 0.9F)}) {
      const Weighted weighted("MatMul", {2, 5, 3}, {3, 4});
      SCOPED_TRACE(fmt::format("{} levels from {} to {}", levels, low, high));
      expect_as_simulated(
          weighted.net, plan_of({weight_quantizer("y", 1, {low}, {high}, {}, levels), input_quantizer("y", 0, -1, 1)}),
          0.01F);
      expect_as_simulated(weighted.net, plan_of({weight_quantizer("y", 1, {low}, {high}, {}, levels)}), 0.01F);
    }
  }
}

TEST_F(OnnxRewrite, KeepsWeightsInFloatingPointWhereThePlanSaysSo) {
  Plan plan = whole_plan();
  plan.compress_weights = false;
  for (const ElementType type : {ElementType::kF32, ElementType::kF16}) {
    const OnnxBuilder net = small_net(17, type);
    const Network network = written(net, plan);
    EXPECT_EQ(count_of(network, "QuantizeLinear"), 6);
    if (type == ElementType::kF32) {
      EXPECT_EQ(pair_at(network, "fc", 1).axis, 0);
    }
    expect_as_simulated(net, plan);
  }
  EXPECT_EQ(pair_at(written(small_net(), plan), "conv1", 1).value, "w1");
}

TEST_F(OnnxRewrite, MovesWeightsByTheirRounding) {
  OnnxBuilder net;
  net.input("x", {1, 2}).output("y").weight("w", {2, 2}, {0.5F, -1, 0.126F, 1.27F}).node("MatMul", {"x", "w"}, {"y"});
  Plan plan = plan_of({weight_quantizer("y", 1, {-1.27F}, {1.27F}, {})});
  plan.quantizers[0].rounding = {1, 0, -2, 3};
  EXPECT_THAT(levels_at(written(net, plan), "y", 1), ElementsAre(51, -100, 11, 127)) << "never beyond the range";
  plan.compress_weights = false;
  EXPECT_EQ(count_of(written(net, plan), "QuantizeLinear"), 1);
  expect_as_simulated(net, plan);
  plan.quantizers[0].rounding.pop_back();
  EXPECT_THAT([&] { written(net, plan); }, ThrowsMessage<InvalidArgument>(HasSubstr("a rounding of 3 elements")));
}

TEST_F(OnnxRewrite, RefusesLevelsOf8BitFloatingPoint) {
  Plan plan = whole_plan();
  plan.quantizers[0].config.format = NumberFormat::kF8E4M3;
  EXPECT_THAT([&] { model_of(small_net())->apply(plan); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'x'"), HasSubstr("OpenVINO"))));
}

TEST_F(OnnxRewrite, TakesAsymmetricWeightsPerChannel) {
  const std::vector<float> low = {-1, -0.5F, 0, -0.8F};
  const std::vector<float> high = {0.7F, 1, 0.9F, 0};
  for (const Weighted& weighted : {Weighted("Conv", {1, 3, 6, 6}, {4, 3, 3, 3}), Weighted("MatMul", {2, 5, 3}, {3, 4}),
                                   Weighted("Gemm", {5, 3}, {3, 4})}) {
    const int axis = weighted.net.model.graph().node(0).op_type() == "Conv" ? 0 : 1;
    const Plan plan = plan_of({weight_quantizer("y", 1, low, high, {axis}, 256), input_quantizer("y", 0, -1, 1),
                               output_quantizer("y", {}, -8, 8)});
    SCOPED_TRACE(weighted.net.model.graph().node(0).op_type());
    expect_as_simulated(weighted.net, plan, 0.03F);
  }
}

OnnxBuilder two_readers_of_a_weight() {
  OnnxBuilder net;
  net.input("x", {1, 3, 6, 6}).output("a").output("b").weight("w", {4, 3, 3, 3}, sines(108));
  net.node("Conv", {"x", "w"}, {"a"});
  net.node("Conv", {"x", "w"}, {"b"});
  return net;
}

TEST_F(OnnxRewrite, KeepsAWeightThatTwoOperationsShareOnce) {
  const OnnxBuilder net = two_readers_of_a_weight();
  const Plan equal = plan_of({symmetric_weight("a", 1), symmetric_weight("b", 1)});
  const Network once = written(net, equal);
  EXPECT_EQ(count_of(once, "DequantizeLinear"), 1);
  EXPECT_EQ(node_called(once, "a").input(1), node_called(once, "b").input(1));
  const Plan different = plan_of({symmetric_weight("a", 1), symmetric_weight("b", 0.5F)});
  EXPECT_EQ(count_of(written(net, different), "DequantizeLinear"), 2);
  const Plan alone = plan_of({symmetric_weight("a", 0.5F)});
  const Network reverted = written(net, alone);
  EXPECT_EQ(node_called(reverted, "b").input(1), "w");
  EXPECT_EQ(constant_floats(reverted, "w"), sines(108));
  for (const Plan& plan : {equal, different, alone}) expect_as_simulated(net, plan);
}

TEST_F(OnnxRewrite, KeepsTheBiasOfChannelsWhoseWeightsAreTiny) {
  OnnxBuilder net;
  std::vector<float> weight = sines(108);
  for (std::size_t i = 27; i < weight.size(); ++i) weight[i] *= i < 54 ? 1e-8F : i < 81 ? 1e-12F : 0;
  net.input("x", {1, 3, 6, 6})
      .output("y")
      .weight("w", {4, 3, 3, 3}, weight)
      .weight("b", {4}, {0.1F, 0.5F, -0.7F, 1.5F});
  net.node("Conv", {"x", "w", "b"}, {"conv"});
  net.node("Relu", {"conv"}, {"relu"});
  net.node("Neg", {"relu"}, {"y"});
  const Plan plan =
      plan_of({output_quantizer("x", {}, -1, 1), output_quantizer("relu", {}, 0, 4),
               weight_quantizer("conv", 1, {-1, -1e-8F, -1e-12F, -1e-20F}, {1, 1e-8F, 1e-12F, 1e-20F}, {0})},
              {{"conv", {0.01F, 0.02F, 0.03F, 0.04F}}});
  expect_as_simulated(net, plan, 0.01F);
}

// Element types

TEST_F(OnnxRewrite, CastsHalfPrecision) {
  const OnnxBuilder net = small_net(17, ElementType::kF16);
  const Network network = written(net, whole_plan());
  EXPECT_EQ(source_of(network, "conv2", 0).op_type(), "Cast");
  EXPECT_EQ(source_of(network, "conv2", 1).op_type(), "Cast");
  expect_as_simulated(net, whole_plan());
  expect_as_simulated(net, plan_of({output_quantizer("fc", {}, -1, 1)},
                                   {{"conv1", {1, 2, 3, 4}}, {"conv2", {1, 2, 3, 4}}, {"fc", {1, 2, 3, 4, 5}}}));
}

TEST_F(OnnxRewrite, CastsDoubles) {
  OnnxBuilder net;
  net.input("x", {2, 3}, proto::TensorProto::DOUBLE)
      .output("y")
      .constant("w", Tensor::copy_of(sines(12), {3, 4}).cast(ElementType::kF64));
  net.node("MatMul", {"x", "w"}, {"y"});
  const std::vector<float> ones(4, 1);
  const Plan plan = plan_of({output_quantizer("x", {}, -1, 1), weight_quantizer("y", 1, {-1, -1, -1, -1}, ones, {1}),
                             output_quantizer("y", {}, -2, 2)},
                            {{"y", ones}});
  const Network network = written(net, plan);
  EXPECT_EQ(source_of(network, "y", 1).op_type(), "Cast");
  EXPECT_EQ(network.constants.at("y/bias_shift").type(), ElementType::kF64);
  expect_as_simulated(net, plan);
}

TEST_F(OnnxRewrite, CastsBrainFloats) {
  OnnxBuilder net;
  net.input("x", {3, 4}, proto::TensorProto::BFLOAT16).output("y");
  net.node("Transpose", {"x"}, {"y"});
  expect_as_simulated(net, plan_of({output_quantizer("x", {}, -0.5F, 0.5F), output_quantizer("y", {}, -0.4F, 0.4F)}),
                      1e-3F);
}

// Bias shifts

TEST_F(OnnxRewrite, AddsAShiftToTheBiasThatIsThere) {
  const Plan plan = plan_of({}, {{"conv1", {1, 2, 3, 4}}});
  const Network network = written(small_net(), plan);
  EXPECT_EQ(network.model.graph().node_size(), small_net().model.graph().node_size());
  const auto before = sines(4, 1);
  EXPECT_THAT(constant_floats(network, node_called(network, "conv1").input(2)),
              ElementsAre(before[0] + 1, before[1] + 2, before[2] + 3, before[3] + 4));
  EXPECT_EQ(network.constants.count("b1"), 0U) << "nobody reads it";
  expect_as_simulated(small_net(), plan, 1e-5F);
}

TEST_F(OnnxRewrite, GivesAConvolutionWithoutABiasOne) {
  const Plan plan = plan_of({}, {{"conv2", {1, 2, 3, 4}}});
  const Network network = written(small_net(), plan);
  EXPECT_EQ(network.model.graph().node_size(), small_net().model.graph().node_size());
  EXPECT_THAT(constant_floats(network, node_called(network, "conv2").input(2)), ElementsAre(1, 2, 3, 4));
  expect_as_simulated(small_net(), plan, 1e-5F);
}

TEST_F(OnnxRewrite, LeavesABiasThatAnotherOperationSharesAlone) {
  OnnxBuilder net = two_readers_of_a_weight();
  net.weight("bias", {4}, {1, 1, 1, 1});
  for (auto& node : *net.graph().mutable_node()) node.add_input("bias");
  const Plan plan = plan_of({}, {{"a", {1, 2, 3, 4}}});
  const Network network = written(net, plan);
  EXPECT_EQ(node_called(network, "b").input(2), "bias");
  EXPECT_THAT(constant_floats(network, "bias"), ElementsAre(1, 1, 1, 1));
  expect_as_simulated(net, plan, 1e-5F);
}

TEST_F(OnnxRewrite, AddsAShiftBehindWhatHasNoConstantBias) {
  OnnxBuilder computed = two_readers_of_a_weight();
  computed.weight("bias", {4}, {1, 1, 1, 1});
  computed.input("scale", {4}).node("Mul", {"bias", "scale"}, {"product"});
  computed.graph().mutable_node(0)->add_input("product");
  const Plan plan = plan_of({output_quantizer("a", {}, -9, 9)}, {{"a", {1, 2, 3, 4}}});
  const Network network = written(computed, plan);
  EXPECT_EQ(node_called(network, "QuantizeLinear_a_1").input(0), "a/float");
  EXPECT_EQ(source_of(network, "QuantizeLinear_a_1", 0).op_type(), "Add");
  expect_as_simulated(computed, plan, 0.01F);
  for (Weighted weighted : {Weighted("MatMul", {2, 5, 3}, {3, 4}), Weighted("Gemm", {5, 3}, {3, 4})}) {
    expect_as_simulated(weighted.net, plan_of({}, {{"y", {1, 2, 3, 4}}}), 1e-5F);
    weighted.net.weight("w2", {4, 2}).output("z").node("MatMul", {"y", "w2"}, {"z"});
    const Plan both =
        plan_of({output_quantizer("y", {}, -9, 9), symmetric_weight("y", 1), input_quantizer("y", 0, -1, 1)},
                {{"y", {1, 2, 3, 4}}});
    expect_as_simulated(weighted.net, both, 0.02F);
  }
}

TEST_F(OnnxRewrite, AddsAShiftToTheConstantBehindAProduct) {
  const auto net_with = [](bool is_read_twice) {
    OnnxBuilder net;
    net.input("x", {2, 3}).weight("w", {3, 4}, sines(12)).weight("b", {1, 4}, {1, 2, 3, 4}).output("y");
    net.node("MatMul", {"x", "w"}, {"m"});
    net.node("Add", {"b", "m"}, {is_read_twice ? "sum" : "y"});
    if (is_read_twice) net.node("Mul", {"sum", "m"}, {"y"});
    return net;
  };
  const Plan plan = plan_of({}, {{"m", {10, 20, 30, 40}}});
  const Network network = written(net_with(false), plan);
  EXPECT_EQ(network.model.graph().node_size(), 2);
  EXPECT_THAT(constant_floats(network, node_called(network, "y").input(0)), ElementsAre(11, 22, 33, 44));
  expect_as_simulated(net_with(false), plan, 1e-5F);
  EXPECT_EQ(written(net_with(true), plan).model.graph().node_size(), 4) << "the product has another reader";
  expect_as_simulated(net_with(true), plan, 1e-3F);
}

TEST_F(OnnxRewrite, AddsAShiftToTheOperandOfGemm) {
  const Network network = written(small_net(), plan_of({}, {{"fc", {1, 2, 3, 4, 5}}}));
  EXPECT_EQ(network.model.graph().node_size(), small_net().model.graph().node_size());
  const auto before = sines(5, 4);
  EXPECT_THAT(constant_floats(network, node_called(network, "fc").input(2)),
              ElementsAre(before[0] + 1, before[1] + 2, before[2] + 3, before[3] + 4, before[4] + 5));
}

TEST_F(OnnxRewrite, AddsAShiftBehindAnOutputThatABodyReads) {
  OnnxBuilder net = net_with_if();
  net.weight("w", {3, 3}, sines(9));
  auto& product = *net.graph().mutable_node(0);
  product.set_op_type("MatMul");
  product.add_input("w");
  expect_as_simulated(net, plan_of({output_quantizer("relu", {}, -5, 5)}, {{"relu", {1, 2, 3}}}), 1e-4F);
}

// What stays

TEST_F(OnnxRewrite, WritesOperationsOfAFileInAnyOrder) {
  OnnxBuilder net = small_net();
  auto& nodes = *net.graph().mutable_node();
  std::reverse(nodes.pointer_begin(), nodes.pointer_end());
  const Plan plan = [] {
    Plan whole = whole_plan();
    whole.bias_shifts = {{"fc", {1, 2, 3, 4, 5}}};
    return whole;
  }();
  expect_as_simulated(net, plan);
  std::set<std::string> given = {""};
  const Network network = written(net, plan);
  for (const auto& input : network.model.graph().input()) given.insert(input.name());
  for (const auto& constant : network.model.graph().initializer()) given.insert(constant.name());
  for (const auto& node : network.model.graph().node()) {
    for (const auto& input : node.input()) EXPECT_TRUE(given.contains(input)) << input << " is read before it is given";
    given.insert(node.output().begin(), node.output().end());
  }
}

TEST_F(OnnxRewrite, LeavesOtherOperationsByteForByte) {
  const OnnxBuilder net = small_net();
  const std::string bytes = net.model.SerializeAsString();
  const Network before = onnx::parse_network(bytes);
  const Network after = written(net, plan_of({input_quantizer("conv2", 0, 0, 2), symmetric_weight("conv2", 1)}));
  for (const auto& node : before.model.graph().node()) {
    if (node.name() == "conv2") continue;
    EXPECT_EQ(node_called(after, node.name()).SerializeAsString(), node.SerializeAsString()) << node.name();
  }
  for (const char* name : {"w1", "b1", "w3", "b3"})
    EXPECT_EQ(constant_floats(after, name), constant_floats(before, name));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(after.model.graph().output(i).SerializeAsString(), before.model.graph().output(i).SerializeAsString());
  }
}

TEST_F(OnnxRewrite, OfAnEmptyPlanIsTheModelAsLoaded) {
  OnnxBuilder net = small_net(11);
  net.graph().mutable_node(0)->clear_name();
  EXPECT_EQ(written_bytes(net, {}), onnx::to_bytes(net.network()));
}

TEST_F(OnnxRewrite, GivesTheSameBytesAgain) {
  const auto model = model_of(small_net());
  const std::string first = to_onnx(*model->apply(whole_plan()));
  EXPECT_EQ(to_onnx(*model->apply(whole_plan())), first);
  EXPECT_EQ(written_bytes(small_net(), whole_plan()), first);
}

TEST_F(OnnxRewrite, RaisesTheOperatorSetOnlyWhereItMust) {
  for (const auto& [before, after] :
       {std::pair(11, 13), std::pair(12, 13), std::pair(13, 13), std::pair(17, 17), std::pair(21, 21)}) {
    const Network network = written(small_net(before), whole_plan());
    EXPECT_EQ(onnx::opset_of(network.model), after);
    EXPECT_EQ(network.model.ir_version(), 8);
    expect_as_simulated(small_net(before), whole_plan());
  }
}

// What is refused

// Softmax over several axes can't be carried over, which keeps the model at its operator set.
OnnxBuilder net_of_old_operators() {
  OnnxBuilder net(11);
  net.input("x", {2, 3}).output("y").weight("w", {3, 4}, sines(12));
  net.node("MatMul", {"x", "w"}, {"product"});
  set(net.node("Softmax", {"product"}, {"y"}), "axis", std::int64_t{0});
  return net;
}

TEST_F(OnnxRewrite, TakesOneScalePerTensorAtOldOperatorSets) {
  const Plan plan = plan_of({output_quantizer("x", {}, -1, 1), symmetric_weight("product", 1)});
  EXPECT_EQ(onnx::opset_of(written(net_of_old_operators(), plan).model), 11);
  expect_as_simulated(net_of_old_operators(), plan);
}

void expect_refused(const OnnxBuilder& net, const Plan& plan, const std::string& part) {
  try {
    model_of(net)->apply(plan);
    ADD_FAILURE() << "accepted; no " << part;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(testing::MatchesRegex(R"(\[(plan|apply)\] node '.*)"), HasSubstr(part)));
  }
}

TEST_F(OnnxRewrite, RefusesAPlanOfAnotherModel) {
  const OnnxBuilder net = small_net();
  const auto refused = [&](const Plan& plan, const std::string& part) { expect_refused(net, plan, part); };
  refused(plan_of({output_quantizer("nowhere", {}, 0, 1)}), "'nowhere' is not in the model");
  refused(plan_of({}, {{"nowhere", {1}}}), "'nowhere'");
  refused(plan_of({}, {{"x", {1, 2, 3}}}), "'x' is no operation");
  refused(plan_of({input_quantizer("conv2", 2, 0, 1)}), "port 2");
  refused(plan_of({input_quantizer("conv2", -1, 0, 1)}), "port -1");
  Quantizer second = output_quantizer("conv2", {}, 0, 1);
  second.port = 1;
  refused(plan_of({second}), "port 1: no such output");
  refused(plan_of({output_quantizer("shape", {}, 0, 1)}), "i64, not floating point");
  refused(plan_of({symmetric_weight("sum", 1)}), "no floating-point constant");
  refused(plan_of({symmetric_weight("fc/result", 1, 0)}), "no floating-point constant");
  refused(plan_of({weight_quantizer("conv1", 1, {-1, -1}, {1, 1}, {0})}), "2 ranges for axis 0 of [4,3,3,3]");
  refused(plan_of({weight_quantizer("conv1", 1, {-1, -1, -1, -1}, {1, 1, 1, 1}, {4})}), "axis 4");
  refused(plan_of({weight_quantizer("conv1", 1, {-1, -1, -1, -1}, {1, 1, 1, 1}, {-4})}), "axis -4");
  refused(plan_of({weight_quantizer("conv2", 1, std::vector<float>(16, -1), std::vector<float>(16, 1), {0, 1})}),
          "one axis");
  refused(plan_of({weight_quantizer("conv1", 1, {}, {}, {})}), "no range");
  refused(plan_of({input_quantizer("conv2", 0, 0, 1, 16)}), "16 levels");
  refused(plan_of({input_quantizer("conv2", 0, 0, 1, 65536)}), "65536 levels");
  refused(plan_of({weight_quantizer("conv1", 1, {-1}, {1}, {}, 65536)}), "65536 levels");
  refused(plan_of({input_quantizer("conv2", 0, 0.5F, 1)}), "0.5 to 1");
  refused(plan_of({input_quantizer("conv2", 0, -2, -1)}), "-2 to -1");
  refused(plan_of({weight_quantizer("conv2", 1, {0.5F}, {1}, {})}), "0.5 to 1");
  refused(plan_of({}, {{"conv1", {1, 2}}}), "2 channels for an output [1,4,4,4]");
  refused(plan_of({}, {{"conv2", {1, 2}}}), "conv2");
  refused(plan_of({}, {{"fc", {1, 2}}}), "fc");
  refused(plan_of({}, {{"shape", {1, 2, 3, 4}}}), "shape");
  expect_refused(net_with_if(), plan_of({input_quantizer("y", 1, 0, 1)}), "read by a body");
  const Plan per_channel = plan_of({weight_quantizer("product", 1, {-1, -1, -1, -1}, {1, 1, 1, 1}, {1})});
  expect_refused(net_of_old_operators(), per_channel, "operator set 11");
}

}  // namespace
}  // namespace tightrope
