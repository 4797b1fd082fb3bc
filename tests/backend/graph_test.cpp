// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <openvino/opsets/opset.hpp>
#include <set>

#include "backend/networks.h"
#include "openvino/op_table.h"
#include "openvino/openvino_model.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::constant;
using test::convolution;
using test::Folder;
using test::group_convolution;
using test::LogCapture;
using test::network;
using test::NodePtr;
using test::op;
using test::parameter;
using test::small_network;
using test::text_of;
using test::wave_sample;
using test::weights;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

// "convolution 1:0" - the kind, the weight's port and its channel axes - of the node called "op".
std::string weights_in(const NodePtr& operation, const ov::ParameterVector& inputs) {
  const Graph graph = openvino::read_graph(*network({{"y", operation}}, inputs));
  const Node& node = graph.node(graph.find("op"));
  std::string text = std::to_string(static_cast<int>(node.kind) - static_cast<int>(OpKind::kConvolution)) + ":";
  for (const WeightPort& weight : node.weights) {
    text += " port " + std::to_string(weight.port) + " axes";
    for (const int axis : weight.channel_axes) text += " " + std::to_string(axis);
  }
  return text;
}

TEST(ReadGraph, KnowsTheWeightsOfConvolutions) {
  const auto x = parameter("x", {1, 4, 8, 8});
  const auto backprop = [&]<typename Op>(std::type_identity<Op>, const ov::Shape& weight) {
    return op<Op>("op", x, weights("w", weight), ov::Strides{2, 2}, ov::CoordinateDiff{0, 0}, ov::CoordinateDiff{0, 0},
                  ov::Strides{1, 1});
  };
  EXPECT_EQ(weights_in(convolution("op", x, weights("w", {6, 4, 3, 3})), {x}), "0: port 1 axes 0");
  EXPECT_EQ(weights_in(group_convolution("op", x, weights("w", {4, 2, 1, 3, 3})), {x}), "1: port 1 axes 0 1");
  EXPECT_EQ(weights_in(group_convolution("op", x, weights("w", {2, 3, 2, 3, 3})), {x}), "2: port 1 axes 0 1");
  EXPECT_EQ(weights_in(backprop(std::type_identity<ov::op::v1::ConvolutionBackpropData>(), {4, 6, 2, 2}), {x}),
            "3: port 1 axes 1");
  EXPECT_EQ(weights_in(backprop(std::type_identity<ov::op::v1::GroupConvolutionBackpropData>(), {2, 2, 3, 2, 2}), {x}),
            "4: port 1 axes 0 2");
}

TEST(ReadGraph, KnowsHowConvolutionsMoveOverTheirData) {
  const auto window_in = [](const ov::PartialShape& shape, ov::op::PadType padding) {
    const auto x = parameter("x", shape);
    const auto conv =
        op<ov::op::v1::Convolution>("conv", x, weights("w", {2, 3, 3, 3}), ov::Strides{2, 1}, ov::CoordinateDiff{1, 0},
                                    ov::CoordinateDiff{0, 2}, ov::Strides{1, 2}, padding);
    const Graph graph = openvino::read_graph(*network({{"y", conv}}, {x}));
    return graph.node(graph.find("conv")).window;
  };
  const auto explicit_one = window_in({-1, 3, -1, -1}, ov::op::PadType::EXPLICIT);
  ASSERT_TRUE(explicit_one);
  EXPECT_THAT(explicit_one->strides, ElementsAre(2, 1));
  EXPECT_THAT(explicit_one->dilations, ElementsAre(1, 2));
  EXPECT_THAT(explicit_one->pads_begin, ElementsAre(1, 0));
  EXPECT_THAT(explicit_one->pads_end, ElementsAre(0, 2));
  const auto same = window_in({-1, 3, 6, 6}, ov::op::PadType::SAME_UPPER);
  ASSERT_TRUE(same);
  EXPECT_THAT(same->pads_begin, ElementsAre(0, 2));
  EXPECT_THAT(same->pads_end, ElementsAre(1, 2));
  EXPECT_FALSE(window_in({-1, 3, -1, 6}, ov::op::PadType::SAME_UPPER)) << "it depends on the data";
}

TEST(ReadGraph, KnowsTheWeightsOfMatrixProducts) {
  using MatMul = ov::op::v0::MatMul;
  const auto x = parameter("x", {2, 3});
  const auto kind = std::to_string(static_cast<int>(OpKind::kMatMul) - static_cast<int>(OpKind::kConvolution)) + ":";
  EXPECT_EQ(weights_in(op<MatMul>("op", x, weights("w", {3, 5})), {x}), kind + " port 1 axes 1");
  EXPECT_EQ(weights_in(op<MatMul>("op", x, weights("w", {5, 3}), false, true), {x}), kind + " port 1 axes 0");
  EXPECT_EQ(weights_in(op<MatMul>("op", weights("w", {5, 2}), x), {x}), kind + " port 0 axes 0");
  EXPECT_EQ(weights_in(op<MatMul>("op", weights("w", {2, 5}), x, true, false), {x}), kind + " port 0 axes 1");
  EXPECT_EQ(weights_in(op<MatMul>("op", x, weights("w", {7, 3, 5})), {x}), kind + " port 1 axes 0 2");
  EXPECT_EQ(weights_in(op<MatMul>("op", x, weights("w", {3})), {x}), kind + " port 1 axes");
  EXPECT_EQ(weights_in(op<MatMul>("op", x, x, false, true), {x}), kind);
}

TEST(ReadGraph, TakesOnlyFloatingPointConstantsForWeights) {
  const auto x = parameter("x", {1, 4, 8, 8});
  const auto w = parameter("w", {6, 4, 3, 3});
  EXPECT_EQ(weights_in(convolution("op", x, w), {x, w}), "0:");
  const auto i = parameter("i", {2, 3}, ov::element::i32);
  const auto integers = ov::op::v0::Constant::create(ov::element::i32, {3, 5}, std::vector<int>(15, 1));
  EXPECT_THAT(weights_in(op<ov::op::v0::MatMul>("op", i, integers), {i}), testing::Not(HasSubstr("port")));
}

TEST(ReadGraph, PutsProducersFirstAndLinksBothWays) {
  const auto model = small_network();
  const Graph graph = openvino::read_graph(*model);
  ASSERT_EQ(graph.nodes().size(), model->get_ops().size());
  std::size_t uses = 0;
  std::size_t inputs = 0;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node& node = graph.node(id);
    const auto source = test::node_called(*model, node.name);
    EXPECT_EQ(node.type, source->get_type_name());
    ASSERT_EQ(node.inputs.size(), source->get_input_size());
    for (std::size_t port = 0; port < node.inputs.size(); ++port) {
      const Value& value = graph.value(node.inputs[port]);
      EXPECT_LT(value.producer, id);
      EXPECT_EQ(graph.node(value.producer).name, source->get_input_node_ptr(port)->get_friendly_name());
      ++inputs;
    }
    for (const ValueId output : node.outputs) {
      EXPECT_EQ(graph.value(output).producer, id);
      uses += graph.value(output).uses.size();
    }
  }
  EXPECT_EQ(uses, inputs);
  EXPECT_THAT(graph.value(graph.node(graph.find("relu1")).outputs[0]).uses, SizeIs(4));
}

TEST(ReadGraph, TellsDataFromIndicesAndOpenShapes) {
  const auto x = parameter("x", {-1, 4, ov::Dimension(2, 8)});
  const auto any = parameter("any", ov::PartialShape::dynamic(), ov::element::f16);
  const auto axis = ov::op::v0::Constant::create(ov::element::i64, {}, {1});
  const auto split = op<ov::op::v1::Split>("split", x, axis, 2);
  const auto joined = op<ov::op::v0::Concat>("joined", ov::OutputVector{split->output(0), split->output(1)}, 1);
  const Graph graph =
      openvino::read_graph(*network({{"y", joined}, {"z", op<ov::op::v0::Relu>("relu", any)}}, {x, any}));
  EXPECT_THAT(graph.node(graph.find("split")).data_ports, ElementsAre(0));
  EXPECT_THAT(graph.node(graph.find("split")).outputs, SizeIs(2));
  EXPECT_EQ(graph.node(graph.find("split")).trait, Trait::kMovesData);
  EXPECT_THAT(graph.node(graph.find("joined")).data_ports, ElementsAre(0, 1));
  EXPECT_EQ(graph.node(graph.find("joined")).trait, Trait::kJoins);
  const Value& open = graph.value(graph.node(graph.find("x")).outputs[0]);
  EXPECT_EQ(open.shape, (Shape{-1, 4, -1}));
  EXPECT_EQ(open.type, ElementType::kF32);
  const Value& unknown = graph.value(graph.node(graph.find("relu")).outputs[0]);
  EXPECT_FALSE(unknown.known_rank);
  EXPECT_EQ(unknown.type, ElementType::kF16);
}

TEST(ReadGraph, GivesAClonesNodesTheSameIds) {
  const auto base = small_network()->clone();
  openvino::normalize(*base);
  const Graph graph = openvino::read_graph(*base);
  const auto clone = base->clone();
  const auto nodes = clone->get_ordered_ops();
  ASSERT_EQ(nodes.size(), graph.nodes().size());
  for (std::size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(nodes[i]->get_friendly_name(), graph.nodes()[i].name);
}

TEST(Normalize, MakesNamesUniqueInTheBaseAlone) {
  const auto x = parameter("x", {1, 4});
  const auto first = op<ov::op::v0::Relu>("same", x);
  const auto second = op<ov::op::v0::Exp>("same", first);
  const auto third = op<ov::op::v0::Abs>("same_1", second);
  const auto model = network({{"y", op<ov::op::v0::Sin>("same", third)}}, {x});
  const std::string before = text_of(*model);
  const auto read = from_openvino(model);
  std::vector<std::string> names;
  for (const Node& node : read->graph().nodes()) names.push_back(node.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("x", "same", "same_1", "same_1_1", "same_2", "y/result"));
  EXPECT_EQ(text_of(*model), before);
}

TEST(Normalize, LeavesTheOriginalWithoutAPlanAlone) {
  const auto x = parameter("x", {1, 4});
  const auto model = network({{"y", op<ov::op::v0::Exp>("same", op<ov::op::v0::Relu>("same", x))}}, {x});
  const auto read = from_openvino(model);
  const auto same = read->apply({});
  EXPECT_EQ(text_of(*to_openvino(*same)), text_of(*model));
  EXPECT_EQ(same->graph().nodes().size(), read->graph().nodes().size());
  const Sample sample = wave_sample({1, 4});
  EXPECT_EQ(same->compile()->run(sample)[0].to_floats(), read->compile()->run(sample)[0].to_floats());
}

TEST(Normalize, WidensCompressedWeightsWithAWarning) {
  const Folder folder;
  ov::save_model(small_network(), (folder / "half.xml").string(), true);
  LogCapture log;
  const auto model = read_openvino(folder / "half.xml");
  EXPECT_THAT(log.text(LogLevel::kWarning), AllOf(HasSubstr("16 bits"), HasSubstr("FP32")));
  const Graph& graph = model->graph();
  for (const char* name : {"conv1", "conv2", "depthwise", "fc"}) {
    const Node& node = graph.node(graph.find(name));
    ASSERT_THAT(node.weights, SizeIs(1)) << name;
    EXPECT_EQ(graph.value(node.inputs[1]).type, ElementType::kF32) << name;
  }
  const auto weight = model->constant(graph.node(graph.find("conv1")).inputs[1]).to_floats();
  const auto exact = test::waves(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) EXPECT_NEAR(weight[i], exact[i], 5e-4F);
}

TEST(Normalize, SaysNothingAboutFullPrecision) {
  const Folder folder;
  ov::save_model(small_network(), (folder / "full.xml").string(), false);
  LogCapture log;
  read_openvino(folder / "full.xml");
  EXPECT_THAT(log.messages, IsEmpty());
}

TEST(Normalize, RefusesAQuantizedModel) {
  const auto x = parameter("x", {1, 4});
  const auto low = constant("low", {}, {-1.0F});
  const auto high = constant("high", {}, {1.0F});
  const auto first = op<ov::op::v0::FakeQuantize>("first", x, low, high, low, high, 256);
  const auto model = network({{"y", op<ov::op::v0::FakeQuantize>("second", first, low, high, low, high, 256)}}, {x});
  EXPECT_THAT(
      [&] { place(from_openvino(model)->graph()); },
      ThrowsMessage<QuantizationError>(AllOf(HasSubstr("already"), HasSubstr("2 quantizers"), HasSubstr("'first'"))));
}

TEST(Normalize, FoldsABiasChain) {
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto conv = convolution("conv", x, test::reshape("wr", weights("w", {36, 3}), {4, 3, 3, 3}));
  const auto bias = test::reshape("br", weights("b", {4}), {1, 4, 1, 1});
  const auto read = from_openvino(network({{"y", op<ov::op::v1::Add>("bias", conv, bias)}}, {x}));
  const Graph& graph = read->graph();
  EXPECT_THAT(graph.node(graph.find("conv")).weights, SizeIs(1));
  const Value& folded = graph.value(graph.node(graph.find("bias")).inputs[1]);
  EXPECT_EQ(graph.node(folded.producer).kind, OpKind::kConstant);
  EXPECT_EQ(folded.shape, (Shape{1, 4, 1, 1}));
}

TEST(Constant, IsReadAsFloatsAndOnlyWhereItIsOne) {
  const auto read = from_openvino(small_network());
  const Graph& graph = read->graph();
  const Node& conv = graph.node(graph.find("conv1"));
  const Tensor weight = read->constant(conv.inputs[1]);
  EXPECT_EQ(weight.shape(), (Shape{4, 3, 3, 3}));
  EXPECT_EQ(weight.to_floats(), test::waves(108));
  EXPECT_THAT([&] { read->constant(conv.inputs[0]); }, ThrowsMessage<InvalidArgument>(HasSubstr("'x'")));
}

// Operations as the runtime makes them, in every opset that it has: nothing of them is known but the type.
TEST(OpTable, KnowsTheNamesOfOperationsAndSurvivesAllOthers) {
  std::set<std::string> names = {"HardSigmoid", "HSwish"};
  for (const auto& [opset, get] : ov::get_available_opsets()) {
    for (const auto& info : get().get_types_info()) names.insert(info.name);
  }
  EXPECT_GT(names.size(), 200U);
  std::set<std::string> listed;
  for (const OpRow& row : openvino::kOpTable) {
    EXPECT_TRUE(names.contains(std::string(row.type))) << row.type;
    EXPECT_TRUE(listed.insert(std::string(row.type)).second) << row.type << " has two rows";
  }
  EXPECT_EQ(openvino::find_row("Einsum").trait, Trait::kOpaque);
  EXPECT_EQ(openvino::find_row("no such operation").trait, Trait::kOpaque);
}

TEST(ReadGraph, KnowsTheOperationsThatFoldingTookAway) {
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto conv = convolution("conv", x, test::reshape("wr", weights("w", {36, 3}), {4, 3, 3, 3}));
  const auto read = from_openvino(network({{"y", conv}}, {x}));
  const Graph& graph = read->graph();
  EXPECT_EQ(graph.node(graph.find("wr")).type, "Constant");
  EXPECT_EQ(graph.find("wr/sizes"), kNone);
  QuantizeOptions options;
  options.ignored_scope.names = {"wr/sizes"};
  options.ignored_scope.types = {"Reshape"};
  EXPECT_FALSE(place(graph, options).empty());
  options.ignored_scope.names = {"wq"};
  EXPECT_THAT([&] { place(graph, options); }, ThrowsMessage<InvalidArgument>(HasSubstr("'wq'")));
}

}  // namespace
}  // namespace tightrope
