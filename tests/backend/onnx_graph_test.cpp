// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/onnx_networks.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::LogCapture;
using test::OnnxBuilder;
using test::set;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

namespace proto = onnx::proto;

const Node& node_in(const Graph& graph, const std::string& name) { return graph.node(graph.find_or_throw(name)); }
const Value& value_in(const Graph& graph, const std::string& node) {
  return graph.value(node_in(graph, node).outputs[0]);
}

struct Weighted {
  OpKind kind;
  std::vector<std::vector<int>> ports_and_axes;  // {port, axes ...}

  bool operator==(const Weighted&) const = default;
};

void PrintTo(const Weighted& weighted, std::ostream* out) {
  *out << static_cast<int>(weighted.kind) << " " << testing::PrintToString(weighted.ports_and_axes);
}

// What becomes of an operator "y" of "x" and a constant "w".
Weighted weighted(const std::string& type, const Shape& x, const Shape& w, const std::string& attribute = {},
                  std::int64_t number = 0, bool constant_first = false) {
  OnnxBuilder net;
  net.input("x", x).weight("w", w).output("y");
  auto& node = constant_first ? net.node(type, {"w", "x"}, {"y"}) : net.node(type, {"x", "w"}, {"y"});
  if (!attribute.empty()) set(node, attribute, number);
  const Graph graph = onnx::read_graph(net.base());
  Weighted result{node_in(graph, "y").kind, {}};
  for (const WeightPort& port : node_in(graph, "y").weights) {
    result.ports_and_axes.push_back({port.port});
    result.ports_and_axes.back().insert(result.ports_and_axes.back().end(), port.channel_axes.begin(),
                                        port.channel_axes.end());
  }
  return result;
}

TEST(ReadOnnxGraph, KnowsTheWeightsOfConvolutions) {
  const Shape x = {1, 4, 8, 8};
  EXPECT_EQ(weighted("Conv", x, {6, 4, 3, 3}), (Weighted{OpKind::kConvolution, {{1, 0}}}));
  EXPECT_EQ(weighted("Conv", x, {6, 2, 3, 3}, "group", 2), (Weighted{OpKind::kGroupConvolution, {{1, 0}}}));
  EXPECT_EQ(weighted("Conv", x, {8, 1, 3, 3}, "group", 4), (Weighted{OpKind::kDepthwiseConvolution, {{1, 0}}}));
  EXPECT_EQ(weighted("ConvTranspose", x, {4, 6, 2, 2}), (Weighted{OpKind::kTransposedConvolution, {{1, 1}}}));
  EXPECT_EQ(weighted("ConvTranspose", x, {4, 3, 2, 2}, "group", 2),
            (Weighted{OpKind::kGroupTransposedConvolution, {{1, 1}}}));
}

TEST(ReadOnnxGraph, KnowsHowConvolutionsMoveOverTheirData) {
  const auto window_in = [](const Shape& shape, std::string_view padding) {
    OnnxBuilder net;
    auto& node = net.input("x", shape).weight("w", {2, 3, 3, 3}).output("y").node("Conv", {"x", "w"}, {"y"});
    set(node, "strides", {2, 1});
    set(node, "dilations", {1, 2});
    if (padding.empty()) {
      set(node, "pads", {1, 0, 0, 2});
    } else {
      auto& attribute = *node.add_attribute();
      attribute.set_name("auto_pad");
      attribute.set_type(proto::AttributeProto::STRING);
      attribute.set_s(std::string(padding));
    }
    const Graph graph = onnx::read_graph(net.base());
    return node_in(graph, "y").window;
  };
  const auto explicit_one = window_in({-1, 3, -1, -1}, "");
  ASSERT_TRUE(explicit_one);
  EXPECT_THAT(explicit_one->strides, ElementsAre(2, 1));
  EXPECT_THAT(explicit_one->dilations, ElementsAre(1, 2));
  EXPECT_THAT(explicit_one->pads_begin, ElementsAre(1, 0));
  EXPECT_THAT(explicit_one->pads_end, ElementsAre(0, 2));
  const auto upper = window_in({-1, 3, 6, 6}, "SAME_UPPER");
  ASSERT_TRUE(upper);
  EXPECT_THAT(upper->pads_begin, ElementsAre(0, 2));
  EXPECT_THAT(upper->pads_end, ElementsAre(1, 2));
  EXPECT_THAT(window_in({-1, 3, 6, 6}, "SAME_LOWER")->pads_begin, ElementsAre(1, 2));
  EXPECT_FALSE(window_in({-1, 3, -1, 6}, "SAME_UPPER")) << "it depends on the data";
}

TEST(ReadOnnxGraph, SurvivesConvolutionsThatDoNotMove) {
  OnnxBuilder net;
  auto& node = net.input("x", {1, 3, 6, 6}).weight("w", {2, 3, 3, 3}).output("y").node("Conv", {"x", "w"}, {"y"});
  set(node, "strides", {0, 1});
  auto& attribute = *node.add_attribute();
  attribute.set_name("auto_pad");
  attribute.set_type(proto::AttributeProto::STRING);
  attribute.set_s("SAME_UPPER");
  EXPECT_FALSE(node_in(onnx::read_graph(net.base()), "y").window);
}

TEST(ReadOnnxGraph, KnowsTheWeightsOfMatrixProducts) {
  const auto product = [](std::vector<std::vector<int>> ports) { return Weighted{OpKind::kMatMul, std::move(ports)}; };
  EXPECT_EQ(weighted("MatMul", {2, 3}, {3, 5}), product({{1, 1}}));
  EXPECT_EQ(weighted("MatMul", {3, 2}, {5, 3}, {}, 0, true), product({{0, 0}}));
  EXPECT_EQ(weighted("MatMul", {7, 2, 3}, {7, 3, 5}), product({{1}}))
      << "ONNX Runtime doesn't run it with more than one scale";
  EXPECT_EQ(weighted("MatMul", {2, 3}, {3}), product({{1}}));
  EXPECT_EQ(weighted("Gemm", {2, 3}, {3, 5}), product({{1, 1}}));
  EXPECT_EQ(weighted("Gemm", {2, 3}, {5, 3}, "transB", 1), product({{1, 0}}));
  EXPECT_EQ(weighted("Gemm", {3, 2}, {5, 3}, {}, 0, true), product({{0, 0}}));
  EXPECT_EQ(weighted("Gemm", {3, 2}, {3, 5}, "transA", 1, true), product({{0, 1}}));
}

TEST(ReadOnnxGraph, TakesAComputedWeightForAnActivation) {
  OnnxBuilder net;
  net.input("x", {1, 4, 8, 8}).input("w", {6, 4, 3, 3}).output("y");
  net.node("Conv", {"x", "w"}, {"y"});
  EXPECT_THAT(node_in(onnx::read_graph(net.base()), "y").weights, IsEmpty());
}

TEST(ReadOnnxGraph, TakesARowOfAConstantTableForAnEmbedding) {
  OnnxBuilder net;
  net.input("i", {2}, proto::TensorProto::INT64).weight("table", {10, 4}).output("y");
  net.node("Gather", {"table", "i"}, {"y"});
  const Graph graph = onnx::read_graph(net.base());
  EXPECT_EQ(node_in(graph, "y").kind, OpKind::kEmbedding);
  EXPECT_EQ(node_in(graph, "y").trait, Trait::kLooksUp);
  EXPECT_EQ(value_in(graph, "y").shape, (Shape{2, 4}));
}

TEST(ReadOnnxGraph, MovesNothingThroughInputsThatAreLeftOut) {
  OnnxBuilder net;
  net.input("x", {1, 2}).input("i", {}, proto::TensorProto::INT64).weight("scalar", {}).output("y").output("z");
  net.node("Concat", {"x", ""}, {"y"});
  net.node("Gather", {"scalar", "i"}, {"z"});
  const Graph graph = onnx::read_graph(net.base());
  EXPECT_THAT(graph.node(graph.find("y")).data_ports, ElementsAre(0));
  EXPECT_TRUE(graph.node(graph.find("z")).weights.empty());
}

TEST(ReadOnnxGraph, SortsNodesAndRanksThemAsInTheFile) {
  OnnxBuilder net;
  net.input("x", {1}).output("b");
  net.node("Elu", {"a"}, {"b"});
  net.node("Relu", {"x"}, {"a"});
  const Graph graph = onnx::read_graph(net.base());
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("x", "a", "b", "b/result"));
  EXPECT_EQ(node_in(graph, "b").rank, 0);
  EXPECT_EQ(node_in(graph, "a").rank, 1);
  EXPECT_EQ(node_in(graph, "x").rank, 2);
}

TEST(ReadOnnxGraph, LetsTheOwnerOfABodyReadWhatTheBodyTakesFromOutside) {
  OnnxBuilder net;
  net.input("x", {1, 2}).input("b", {}, proto::TensorProto::BOOL).weight("w", {2, 2}).output("y");
  net.node("MatMul", {"x", "w"}, {"p"});
  auto& body = *net.node("If", {"b"}, {"y"}).add_attribute();
  body.set_name("then_branch");
  body.set_type(proto::AttributeProto::GRAPH);
  auto& inner = *body.mutable_g()->add_node();
  inner.set_op_type("Relu");
  inner.add_input("p");
  inner.add_output("q");
  body.mutable_g()->add_output()->set_name("q");
  const onnx::Network base = net.base();
  const Graph graph = onnx::read_graph(base);
  const Node& owner = node_in(graph, "y");
  ASSERT_THAT(owner.inputs, SizeIs(2));
  EXPECT_EQ(graph.value(owner.inputs[1]).name, "p");
  EXPECT_EQ(owner.trait, Trait::kOpaque);
  EXPECT_EQ(base.model.graph().node(1).SerializeAsString(), net.graph().node(1).SerializeAsString());
}

TEST(ReadOnnxGraph, KnowsNothingOfOtherDomainsAndOfFunctions) {
  OnnxBuilder net;
  net.input("x", {1, 2}).weight("w", {2, 2}).output("z");
  net.node("MatMul", {"x", "w"}, {"y"}).set_domain("elsewhere");
  auto& function = *net.model.add_functions();
  function.set_name("Gemm");
  net.node("Gemm", {"y", "w"}, {"z"});
  const Graph graph = onnx::read_graph(net.base());
  for (const char* name : {"y", "z"}) {
    EXPECT_EQ(node_in(graph, name).trait, Trait::kOpaque) << name;
    EXPECT_THAT(node_in(graph, name).weights, IsEmpty()) << name;
    EXPECT_EQ(value_in(graph, name).type, ElementType::kOther) << name;
    EXPECT_FALSE(value_in(graph, name).known_rank) << name;
  }
}

TEST(ReadOnnxGraph, ConcludesFromAWeightWhatItsOtherOperandIs) {
  OnnxBuilder net;
  net.input("x", {1, 4, 8, 8}).weight("w", {6, 4, 3, 3}).output("y");
  net.node("Mystery", {"x"}, {"m"}).set_domain("elsewhere");
  net.node("Conv", {"m", "w"}, {"y"});
  const Graph graph = onnx::read_graph(net.base());
  EXPECT_EQ(value_in(graph, "m").type, ElementType::kF32);
  EXPECT_THAT(value_in(graph, "m").shape, SizeIs(4));
  EXPECT_THAT(place(graph).quantizers, SizeIs(2));
}

// The shape and type of "y", made from "x" and constants.
std::string inferred(const Shape& x, const std::function<void(OnnxBuilder&)>& add,
                     int type = proto::TensorProto::FLOAT) {
  OnnxBuilder net;
  net.input("x", x, type).output("y");
  add(net);
  const Graph graph = onnx::read_graph(net.base());
  const Value& value = value_in(graph, "y");
  return std::string(name_of(value.type)) + (value.known_rank ? to_string(value.shape) : "unknown");
}

TEST(InferFacts, FollowsTheOperators) {
  using Builder = OnnxBuilder;
  const auto one = [](const char* type) { return [type](Builder& net) { net.node(type, {"x"}, {"y"}); }; };
  EXPECT_EQ(inferred({2, -1}, one("Relu")), "f32[2,?]");
  EXPECT_EQ(inferred({2, -1}, one("Softmax"), proto::TensorProto::FLOAT16), "f16[2,?]");
  EXPECT_EQ(inferred({2, -1}, one("Exp"), proto::TensorProto::BFLOAT16), "bf16[2,?]");
  EXPECT_EQ(inferred({2, 3, -1}, one("Shape")), "i64[3]");
  EXPECT_EQ(inferred({2, 3, 4, 5}, one("GlobalAveragePool")), "f32[2,3,1,1]");
  EXPECT_EQ(inferred({2, 3, 4}, one("Flatten")), "f32[2,12]");
  EXPECT_EQ(inferred({2, 3, 4}, one("Transpose")), "f32[4,3,2]");
  EXPECT_EQ(inferred({2, 3}, [](Builder& net) { net.weight("c", {7, 1, 3}).node("Add", {"x", "c"}, {"y"}); }),
            "f32[7,2,3]");
  EXPECT_EQ(inferred({2, 3}, [](Builder& net) { net.weight("c", {3}).node("Less", {"x", "c"}, {"y"}); }),
            "boolean[2,3]");
  EXPECT_EQ(inferred({5, 2, 3}, [](Builder& net) { net.weight("c", {3, 4}).node("MatMul", {"x", "c"}, {"y"}); }),
            "f32[5,2,4]");
  EXPECT_EQ(inferred({2, 6}, [](Builder& net) { net.ints("s", {0, 3, -1}).node("Reshape", {"x", "s"}, {"y"}); }),
            "f32[2,3,2]");
  EXPECT_EQ(inferred({2, 6}, [](Builder& net) { net.ints("a", {0, -1}).node("Unsqueeze", {"x", "a"}, {"y"}); }),
            "f32[1,2,6,1]");
  EXPECT_EQ(
      inferred({2, 6}, [](Builder& net) { set(net.node("Concat", {"x", "x"}, {"y"}), "axis", std::int64_t{-1}); }),
      "f32[2,12]");
  EXPECT_EQ(inferred({2, 9},
                     [](Builder& net) {
                       net.ints("b", {1}).ints("e", {-1}).ints("a", {1}).ints("t", {3}).node(
                           "Slice", {"x", "b", "e", "a", "t"}, {"y"});
                     }),
            "f32[2,3]");
  EXPECT_EQ(inferred({1, 2, 5, 5},
                     [](Builder& net) { net.ints("p", {0, 0, 1, 1, 0, 0, 2, 2}).node("Pad", {"x", "p"}, {"y"}); }),
            "f32[1,2,8,8]");
  EXPECT_EQ(inferred({1, 2, 9, 9},
                     [](Builder& net) {
                       set(net.weight("w", {4, 2, 3, 3}).node("Conv", {"x", "w"}, {"y"}), "strides",
                           std::vector<std::int64_t>{2, 2});
                     }),
            "f32[1,4,4,4]");
  EXPECT_EQ(inferred({2, 3}, [](Builder& net) { set(net.node("Cast", {"x"}, {"y"}), "to", std::int64_t{7}); }),
            "i64[2,3]");
}

TEST(InferFacts, KnowsTheRankOfAComputedShape) {
  EXPECT_EQ(inferred({2, 3, -1},
                     [](OnnxBuilder& net) {
                       net.node("Shape", {"x"}, {"s"});
                       net.node("Reshape", {"x", "s"}, {"y"});
                     }),
            "f32[?,?,?]");
}

TEST(NormalizeOnnx, GivesEveryNodeAUniqueName) {
  OnnxBuilder net;
  net.input("x", {1}).output("c");
  net.node("Relu", {"x"}, {"a"}).set_name("");
  net.node("Elu", {"a"}, {"b"}).set_name("same");
  net.node("Selu", {"b"}, {"c"}).set_name("same");
  const onnx::Network base = net.base();
  std::vector<std::string> names;
  for (const auto& node : base.model.graph().node()) names.push_back(node.name());
  EXPECT_THAT(names, ElementsAre("Relu_nncf_0", "same", "same_1"));
}

TEST(NormalizeOnnx, TakesDefaultsOfInputsForConstants) {
  OnnxBuilder net;
  net.model.set_ir_version(3);
  net.input("x", {1, 2}).input("w", {2, 2}).weight("w", {2, 2}).output("y");
  net.node("MatMul", {"x", "w"}, {"y"});
  const onnx::Network base = net.base();
  EXPECT_EQ(base.model.graph().input_size(), 1);
  EXPECT_EQ(base.model.ir_version(), 4);
  EXPECT_THAT(node_in(onnx::read_graph(base), "y").weights, SizeIs(1));
}

TEST(NormalizeOnnx, FoldsWhatRearrangesConstants) {
  OnnxBuilder net;
  net.input("x", {1, 3}).output("y");
  auto& value = *net.node("Constant", {}, {"c"}).add_attribute();
  value.set_name("value");
  value.mutable_t()->set_data_type(proto::TensorProto::DOUBLE);
  for (const std::int64_t dim : {2, 3}) value.mutable_t()->add_dims(dim);
  for (int i = 0; i < 6; ++i) value.mutable_t()->add_double_data(i);
  net.ints("flat", {-1}).ints("back", {2, 3}).ints("zero", {0});
  set(net.node("Cast", {"c"}, {"f"}), "to", std::int64_t{1});
  net.node("Identity", {"f"}, {"i"});
  net.node("Reshape", {"i", "flat"}, {"r"});
  net.node("Reshape", {"r", "back"}, {"s"});
  net.node("Unsqueeze", {"s", "zero"}, {"u"});
  net.node("Squeeze", {"u", "zero"}, {"q"});
  net.node("Transpose", {"q"}, {"t"});
  net.node("MatMul", {"x", "t"}, {"y"});
  const onnx::Network base = net.base();
  EXPECT_EQ(base.model.graph().node_size(), 1);
  EXPECT_EQ(base.model.graph().initializer_size(), 1);
  EXPECT_EQ(base.constants.at("t").shape(), (Shape{3, 2}));
  EXPECT_THAT(base.constants.at("t").to_floats(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(base.constants, SizeIs(1));
}

TEST(NormalizeOnnx, LeavesOutCastsThatChangeNothingUnlessTheyGiveAnOutput) {
  OnnxBuilder net;
  net.input("x", {1}).output("y").output("k");
  set(net.node("Cast", {"x"}, {"a"}), "to", std::int64_t{1});
  net.node("Relu", {"a"}, {"y"});
  set(net.node("Cast", {"x"}, {"k"}), "to", std::int64_t{1});
  const onnx::Network base = net.base();
  ASSERT_EQ(base.model.graph().node_size(), 2);
  EXPECT_EQ(base.model.graph().node(0).input(0), "x");
  EXPECT_EQ(base.model.graph().node(1).op_type(), "Cast");
}

TEST(PlaceOnnx, RefusesAQuantizedModel) {
  OnnxBuilder net;
  net.input("x", {1}).weight("s", {}).output("y");
  net.node("QuantizeLinear", {"x", "s"}, {"q"});
  net.node("DequantizeLinear", {"q", "s"}, {"y"});
  EXPECT_THAT([&] { place(onnx::read_graph(net.base())); }, ThrowsMessage<QuantizationError>(HasSubstr("already")));
}

TEST(PlaceOnnx, RefusesTheDeviceThatOnlyOpenVinoKnows) {
  OnnxBuilder net;
  net.input("x", {1, 2}).weight("w", {2, 2}).output("y");
  net.node("MatMul", {"x", "w"}, {"y"});
  QuantizeOptions options;
  options.target_device = TargetDevice::kCpuSpr;
  EXPECT_THAT([&] { place(onnx::read_graph(net.base()), options); }, ThrowsMessage<Unsupported>(HasSubstr("CPU_SPR")));
}

// The first operation of fused ones takes what they read; others inside may read the same.
TEST(PlaceOnnx, CountsAFusedNormalizationOnce) {
  OnnxBuilder net;
  net.input("a", {1, 8})
      .input("b", {1, 8})
      .weight("c", {}, {2})
      .weight("e", {}, {1e-5F})
      .weight("w", {8, 8})
      .output("y");
  net.node("Exp", {"a"}, {"x"});
  net.node("ReduceMean", {"x"}, {"mean"});
  net.node("Sub", {"x", "mean"}, {"centered"});
  net.node("Pow", {"centered", "c"}, {"square"});
  net.node("ReduceMean", {"square"}, {"variance"});
  net.node("Add", {"variance", "e"}, {"safe"});
  net.node("Sqrt", {"safe"}, {"deviation"});
  net.node("Div", {"centered", "deviation"}, {"n"});
  net.node("MatMul", {"n", "w"}, {"y"});
  QuantizeOptions options;
  options.placement = Placement::kReference;
  std::vector<std::string> sites;
  for (const Quantizer& quantizer : place(onnx::read_graph(net.base()), options).quantizers) {
    sites.push_back(quantizer.node + (quantizer.kind == SiteKind::kOutput ? "" : ":" + std::to_string(quantizer.port)));
  }
  EXPECT_THAT(sites, ElementsAre("x", "n", "y:1"));
}

}  // namespace
}  // namespace tightrope
