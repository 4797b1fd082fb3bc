// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <openvino/pass/serialize.hpp>
#include <set>
#include <sstream>

#include "backend/networks.h"
#include "openvino/bodies.h"
#include "openvino/openvino_model.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::convolution;
using test::LogCapture;
using test::network;
using test::NodePtr;
using test::op;
using test::parameter;
using test::reshape;
using test::waves;
using test::weights;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

using If = ov::op::v8::If;
using ModelPtr = std::shared_ptr<ov::Model>;

const Shape kImage = {1, 3, 6, 6};

// x [?,3,6,6] -> conv -> shifted -> relu -> flat -> fc [?,5].
ModelPtr branch(float phase) {
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto conv = convolution("conv", x, weights("w", {4, 3, 3, 3}, phase));
  const auto shifted = op<ov::op::v1::Add>("shifted", conv, weights("b", {1, 4, 1, 1}, phase));
  const auto flat = reshape("flat", op<ov::op::v0::Relu>("relu", shifted), {-1, 64});
  const auto fc = op<ov::op::v0::MatMul>("fc", flat, weights("m", {64, 5}, phase));
  return network({{"out", fc}}, {x});
}

// One input and one output.
std::shared_ptr<If> make_if(const std::string& name, const ov::Output<ov::Node>& condition,
                            const ov::Output<ov::Node>& x, const ModelPtr& then, const ModelPtr& other) {
  const auto gate = op<If>(name, condition);
  gate->set_then_body(then);
  gate->set_else_body(other);
  gate->set_input(x, then->get_parameters()[0], other->get_parameters()[0]);
  gate->set_output(then->get_results()[0], other->get_results()[0]);
  return gate;
}

// x, take -> gate: one of two branches.
ModelPtr gated(const ModelPtr& then, const ModelPtr& other) {
  const auto x = parameter("x", then->get_parameters()[0]->get_partial_shape());
  const auto take = parameter("take", {}, ov::element::boolean);
  return network({{"y", make_if("gate", take, x, then, other)}}, {x, take});
}

ModelPtr gated() { return gated(branch(0), branch(0.4F)); }

// Whether the mean of a tensor is above zero.
NodePtr is_bright(const NodePtr& x) {
  const auto axes = op<ov::op::v0::Constant>("axes", ov::element::i64, ov::Shape{4}, std::vector<int>{0, 1, 2, 3});
  const auto mean = op<ov::op::v1::ReduceMean>("brightness", x, axes, false);
  return op<ov::op::v1::Greater>("bright", mean, test::constant("zero", {}, {0}));
}

// x, take -> gate: a branch, or one of two others, as the brightness of x decides.
ModelPtr nested() {
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto inner = make_if("choice", is_bright(x), x, branch(0.2F), branch(0.6F));
  return gated(branch(0), network({{"out", inner}}, {x}));
}

Sample item(float phase, bool take, float offset = 0) {
  std::vector<float> values = waves(element_count(kImage), phase);
  for (float& value : values) value += offset;
  Sample sample;
  sample.inputs.push_back({"x", Tensor::copy_of(std::span<const float>(values), kImage)});
  sample.inputs.push_back(
      {"take", Tensor::copy_of(std::vector<float>{take ? 1.0F : 0.0F}, {}).cast(ElementType::kBoolean)});
  return sample;
}

// Alternately into both branches, and dark and bright.
std::vector<Sample> items(std::size_t count) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i)
    samples.push_back(item(static_cast<float>(i), i % 2 == 0, i % 4 < 2 ? 0.2F : -0.2F));
  return samples;
}

std::vector<Sample> items_into(bool taken) {
  std::vector<Sample> samples;
  for (int i = 0; i < 4; ++i) samples.push_back(item(static_cast<float>(i), taken));
  return samples;
}

std::string serialized(const ModelPtr& model) {
  std::ostringstream xml;
  std::ostringstream bin;
  ov::pass::Serialize(xml, bin).run_on_model(model);
  return xml.str() + bin.str();
}

std::size_t count_in(const openvino::Body& body, std::string_view type) {
  return static_cast<std::size_t>(std::ranges::count_if(
      body.nodes, [&](const NodePtr& node) { return std::string_view(node->get_type_name()) == type; }));
}

ov::Output<ov::Node> source(const openvino::Body& body, const std::string& name, std::size_t port) {
  const auto found = std::ranges::find(body.nodes, name, [](const NodePtr& node) { return node->get_friendly_name(); });
  if (found == body.nodes.end()) throw std::out_of_range(name + " is not in the body");
  return (*found)->input_value(port);
}

std::vector<Tensor> run(const Model& model, const Sample& sample) { return model.compile()->run(sample); }

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  const auto x = a.to_floats();
  const auto y = b.to_floats();
  if (x.size() != y.size()) throw std::length_error("outputs of different sizes");
  for (std::size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(x[i]) - y[i]));
  return largest;
}

const Quantizer* find_quantizer(const Plan& plan, const std::string& node, SiteKind kind) {
  const auto found = std::ranges::find_if(
      plan.quantizers, [&](const Quantizer& quantizer) { return quantizer.node == node && quantizer.kind == kind; });
  return found == plan.quantizers.end() ? nullptr : &*found;
}

TEST(If, HasItsBranchesInTheGraphAsComponentsOfTheirOwn) {
  const auto model = from_openvino(nested());
  const Graph& graph = model->graph();
  std::vector<std::string> bodies;
  std::set<std::int32_t> ranks;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node& node = graph.node(id);
    if (bodies.empty() || bodies.back() != node.body) bodies.push_back(node.body);
    EXPECT_TRUE(ranks.insert(node.rank).second) << node.name;
    for (const ValueId input : node.inputs) {
      EXPECT_LT(graph.value(input).producer, id);
      EXPECT_EQ(graph.node(graph.value(input).producer).body, node.body);
    }
  }
  EXPECT_THAT(bodies, ElementsAre("", "gate/then", "gate/else", "choice/then", "choice/else"));
  EXPECT_EQ(graph.node(graph.find("choice")).body, "gate/else");
  const auto convolutions = std::ranges::count(graph.nodes(), OpKind::kConvolution, &Node::kind);
  EXPECT_EQ(convolutions, 3);
}

TEST(If, GivesCollidingNamesASuffixAndKeepsTheOthers) {
  const auto other = branch(0.4F);
  test::node_called(*other, "relu")->set_friendly_name("own");
  const auto model = from_openvino(gated(branch(0), other));
  const Graph& graph = model->graph();
  const auto body_of = [&](const std::string& name) {
    const NodeId id = graph.find(name);
    return id == kNone ? "nowhere" : graph.node(id).body;
  };
  EXPECT_EQ(body_of("x"), "");
  EXPECT_EQ(body_of("x_1"), "gate/then");
  EXPECT_EQ(body_of("x_2"), "gate/else");
  EXPECT_EQ(body_of("conv"), "gate/then");
  EXPECT_EQ(body_of("conv_1"), "gate/else");
  EXPECT_EQ(body_of("relu"), "gate/then");
  EXPECT_EQ(body_of("own"), "gate/else");
}

TEST(If, GivesTheNodesOfACloneTheSameIds) {
  const auto base = nested()->clone();
  openvino::normalize(*base);
  const Graph graph = openvino::read_graph(*base);
  const auto nodes = openvino::nodes_of(*base->clone());
  ASSERT_EQ(nodes.size(), graph.nodes().size());
  for (std::size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(nodes[i]->get_friendly_name(), graph.nodes()[i].name);
}

TEST(If, FoldsConstantsInItsBranches) {
  const auto x = parameter("x", {-1, 3, 6, 6});
  const std::vector<float> values = waves(4 * 3 * 3 * 3);
  const auto half = op<ov::op::v0::Constant>("half", ov::element::f16, ov::Shape{4, 3, 3, 3}, values);
  const auto conv = convolution("conv", x, op<ov::op::v0::Convert>("wide", half, ov::element::f32));
  const auto then = network({{"out", reshape("flat", conv, {-1, 64})}}, {x});
  const auto y = parameter("x", {-1, 3, 6, 6});
  LogCapture log;
  const auto model = from_openvino(gated(then, network({{"out", reshape("flat", y, {-1, 108})}}, {y})));
  EXPECT_THAT(log.text(LogLevel::kWarning), HasSubstr("compressed to 16 bits"));
  const Node& node = model->graph().node(model->graph().find("conv"));
  ASSERT_THAT(node.weights, SizeIs(1));
  const auto weight = model->constant(node.inputs[1]).to_floats();
  EXPECT_THAT(weight, testing::Pointwise(testing::FloatNear(1e-3F), values));
}

TEST(If, ShowsProbesWhatItsBranchesComputeOnTheirOwn) {
  const ModelPtr bodies[] = {branch(0), branch(0.4F)};
  const auto model = from_openvino(gated(bodies[0], bodies[1]));
  const Graph& graph = model->graph();
  using Reduction = Probe::Reduction;
  const auto probes_of = [](const Graph& seen, const std::string& suffix) {
    const auto value = [&](const std::string& name) { return seen.node(seen.find(name)).outputs.at(0); };
    const ValueId conv = value("conv" + suffix);
    return std::vector<Probe>{{conv, Reduction::kMin, {}},
                              {conv, Reduction::kMax, {1}},
                              {conv, Reduction::kMean, {1}},
                              {conv, Reduction::kWhole, {}},
                              {value("fc" + suffix), Reduction::kMax, {}}};
  };
  std::vector<Probe> probes = probes_of(graph, "");
  const auto others = probes_of(graph, "_1");
  probes.insert(probes.end(), others.begin(), others.end());
  const auto session = model->compile({}, probes);
  for (const bool taken : {true, false, true}) {
    const Sample sample = item(taken ? 1 : 2, taken);
    const auto found = session->run(sample);
    const auto alone = from_openvino(bodies[taken ? 0 : 1]);
    const auto expected =
        alone->compile({}, probes_of(alone->graph(), ""))->run({{{"x", sample.inputs[0].tensor}}, {}});
    ASSERT_THAT(found, SizeIs(10));
    const std::size_t seen = taken ? 0 : 5;
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(found[seen + i].shape(), expected[i].shape()) << i;
      EXPECT_LT(largest_difference(found[seen + i], expected[i]), 1e-5) << i;
      EXPECT_THAT(found[5 - seen + i].to_floats(), IsEmpty()) << i;
    }
  }
}

TEST(If, ShowsProbesItsBranchesWithinBranches) {
  const auto model = from_openvino(nested());
  const Graph& graph = model->graph();
  std::vector<Probe> probes;
  for (const Node& node : graph.nodes()) {
    if (node.kind == OpKind::kMatMul) probes.push_back({node.outputs[0], Probe::Reduction::kWhole, {}});
  }
  ASSERT_THAT(probes, SizeIs(3));  // gate/then, choice/then, choice/else
  const auto session = model->compile({}, probes);
  const auto plain = model->compile();
  const auto check = [&](const Sample& sample, std::size_t running) {
    const auto found = session->run(sample);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(found[i].to_floats().empty(), i != running) << i;
    EXPECT_LT(largest_difference(found[running], plain->run(sample)[0]), 1e-5);
  };
  check(item(0, true, 0.3F), 0);
  check(item(1, false, 0.3F), 1);
  check(item(2, false, -0.3F), 2);
}

TEST(If, ShowsProbesNothingOfABranchThatItsConstantConditionRulesOut) {
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto never = op<ov::op::v0::Constant>("never", ov::element::boolean, ov::Shape{}, false);
  const auto model = from_openvino(network({{"y", make_if("gate", never, x, branch(0), branch(0.4F))}}, {x}));
  const auto value = [&](const std::string& name) {
    return model->graph().node(model->graph().find(name)).outputs.at(0);
  };
  const std::vector<Probe> probes = {{value("conv"), Probe::Reduction::kMax, {}},
                                     {value("conv_1"), Probe::Reduction::kMax, {}}};
  const auto found = model->compile({}, probes)->run(test::wave_sample(kImage));
  EXPECT_THAT(found[0].to_floats(), IsEmpty());
  EXPECT_THAT(found[1].to_floats(), SizeIs(1));
}

TEST(If, ShowsProbesTheScalarsOfItsBranches) {
  const auto body = [](const std::string& name) {
    const auto x = parameter("x", {-1, 3, 6, 6});
    const auto axes = ov::op::v0::Constant::create(ov::element::i64, {4}, {0, 1, 2, 3});
    return network({{"out", op<ov::op::v1::ReduceMax>(name, x, axes, false)}}, {x});
  };
  const auto model = from_openvino(gated(body("first"), body("second")));
  std::vector<Probe> probes;
  for (const std::string name : {"first", "second"}) {
    const ValueId value = model->graph().node(model->graph().find(name)).outputs.at(0);
    probes.push_back({value, Probe::Reduction::kWhole, {}});
    probes.push_back({value, Probe::Reduction::kMax, {}});
  }
  const Sample sample = item(1, false);
  const auto values = sample.inputs[0].tensor.to_floats();
  const auto found = model->compile({}, probes)->run(sample);
  for (const std::size_t i : {0U, 1U}) EXPECT_THAT(found[i].to_floats(), IsEmpty());
  for (const std::size_t i : {2U, 3U}) EXPECT_THAT(found[i].to_floats(), ElementsAre(std::ranges::max(values)));
}

TEST(If, NeedsKnownRanksInItsBranchesForProbes) {
  const auto body = [] {
    const auto x = parameter("x", ov::PartialShape::dynamic());
    return network({{"out", op<ov::op::v0::Relu>("relu", x)}}, {x});
  };
  const auto model = from_openvino(gated(body(), body()));
  for (const auto reduction : {Probe::Reduction::kMax, Probe::Reduction::kWhole}) {
    const std::vector<Probe> probes = {{model->graph().node(model->graph().find("relu_1")).outputs[0], reduction, {}}};
    EXPECT_THAT([&] { model->compile({}, probes); }, ThrowsMessage<Unsupported>(HasSubstr("'relu_1'")));
  }
}

// The plans of both branches, each quantized as a model of its own on the items that take it.
TEST(If, QuantizesEachBranchAsAModelOfItsOwn) {
  const ModelPtr bodies[] = {branch(0), branch(0.4F)};
  const auto samples = items(8);
  QuantizeOptions options;
  options.bias_correction = false;  // measured in models, predicted in branches
  const auto whole = quantize(*from_openvino(gated(bodies[0], bodies[1])), *dataset_of(samples), options);
  EXPECT_THAT(whole.report.quantized, ElementsAre("conv", "conv_1", "fc", "fc_1"));
  std::size_t quantizers = 0;
  for (const bool taken : {true, false}) {
    std::vector<Sample> own;
    for (std::size_t i = taken ? 0 : 1; i < samples.size(); i += 2) own.push_back({{samples[i].inputs[0]}, {}});
    const auto alone = quantize(*from_openvino(bodies[taken ? 0 : 1]), *dataset_of(own), options);
    const std::string suffix = taken ? "" : "_1";
    for (const Quantizer& expected : alone.plan.quantizers) {
      const std::string name = expected.node == "x" ? (taken ? "x_1" : "x_2") : expected.node + suffix;
      const Quantizer* found = find_quantizer(whole.plan, name, expected.kind);
      ASSERT_NE(found, nullptr) << name;
      EXPECT_EQ(found->range, expected.range) << name;
      EXPECT_EQ(found->config, expected.config) << name;
      EXPECT_EQ(found->half_range, expected.half_range) << name;
      ++quantizers;
    }
    const Sample sample = item(9, taken, 0.1F);
    EXPECT_LT(largest_difference(run(*whole.model, sample)[0], run(*alone.model, {{sample.inputs[0]}, {}})[0]), 1e-5);
  }
  EXPECT_EQ(quantizers, whole.plan.quantizers.size());
}

TEST(If, CorrectsBiasesInBothOfItsBranchesFromTheMeansOfTheirData) {
  const auto whole = quantize(*from_openvino(gated(branch(0), branch(0.4F))), *dataset_of(items(8)));
  std::vector<std::string> corrected;
  for (const BiasShift& shift : whole.plan.bias_shifts) corrected.push_back(shift.node);
  EXPECT_THAT(corrected, testing::UnorderedElementsAre("conv", "fc", "conv_1", "fc_1"));
}

TEST(If, HoldsQuantizersAndPackedWeightsInItsBranches) {
  const auto result = quantize(*from_openvino(gated()), *dataset_of(items(4)));
  const auto bodies = openvino::bodies_of(*to_openvino(*result.model));
  ASSERT_THAT(bodies, SizeIs(3));
  EXPECT_EQ(count_in(bodies[0], "FakeQuantize"), 0U);
  for (const std::string suffix : {"", "_1"}) {
    const openvino::Body& body = bodies[suffix.empty() ? 1 : 2];
    EXPECT_EQ(count_in(body, "FakeQuantize"), 2U);
    for (const std::string name : {"conv", "fc"}) {
      EXPECT_STREQ(source(body, name + suffix, 0).get_node()->get_type_name(),
                   name == "conv" ? "FakeQuantize" : "Reshape");
      const auto convert = source(body, name + suffix, 1).get_node()->get_input_node_shared_ptr(0);
      EXPECT_EQ(convert->get_input_element_type(0), ov::element::i8);
    }
    EXPECT_EQ(source(body, "shifted" + suffix, 1).get_node()->get_friendly_name(), "conv" + suffix + "/corrected_bias");
  }
}

TEST(If, StaysCloseToTheFloatingPointModelWithinBranches) {
  const auto model = from_openvino(nested());
  const auto result = quantize(*model, *dataset_of(items(8)));
  EXPECT_THAT(result.report.quantized, SizeIs(6));
  const auto quantized = result.model->compile();
  const auto original = model->compile();
  for (const Sample& sample : items(8)) {
    const double difference = largest_difference(quantized->run(sample)[0], original->run(sample)[0]);
    EXPECT_LT(difference, 0.3);  // of outputs up to 20
    EXPECT_GT(difference, 1e-4);
  }
}

TEST(If, KeepsActivationsOfABranchThatNeverRanInFloatingPoint) {
  LogCapture log;
  const auto result = quantize(*from_openvino(gated()), *dataset_of(items_into(true)));
  const std::string warnings = log.text(LogLevel::kWarning);
  EXPECT_EQ(std::ranges::count(warnings, '\n'), 1);
  EXPECT_THAT(warnings,
              AllOf(HasSubstr("node 'gate' (If)"), HasSubstr("none of the 4 items"), HasSubstr("else branch")));
  const auto bodies = openvino::bodies_of(*to_openvino(*result.model));
  EXPECT_EQ(count_in(bodies[1], "FakeQuantize"), 2U);
  EXPECT_EQ(count_in(bodies[2], "FakeQuantize"), 0U);
  for (const std::string name : {"conv_1", "fc_1"}) {
    const auto convert = source(bodies[2], name, 1).get_node()->get_input_node_shared_ptr(0);
    EXPECT_EQ(convert->get_input_element_type(0), ov::element::i8);
  }
  EXPECT_THAT(result.plan.bias_shifts,
              ElementsAre(testing::Field(&BiasShift::node, "conv"), testing::Field(&BiasShift::node, "fc")));
  const auto float_output = run(*from_openvino(gated()), item(1, false))[0];
  EXPECT_LT(largest_difference(run(*result.model, item(1, false))[0], float_output), 0.3);
}

TEST(If, WarnsOncePerBranchThatNeverRan) {
  LogCapture log;
  const auto result = quantize(*from_openvino(nested()), *dataset_of(items_into(true)));
  const std::string warnings = log.text(LogLevel::kWarning);
  EXPECT_EQ(std::ranges::count(warnings, '\n'), 2);  // gate/else itself has nothing to quantize
  EXPECT_THAT(warnings, AllOf(HasSubstr("'choice' (If)"), HasSubstr("then branch"), HasSubstr("else branch"),
                              Not(HasSubstr("'gate'"))));
}

TEST(If, LeavesTheModelOfTheUserAlone) {
  const auto model = nested();
  const std::string before = serialized(model);
  std::vector<std::string> names;
  for (const auto& node : openvino::nodes_of(*model)) names.push_back(node->get_friendly_name());
  quantize(*from_openvino(model), *dataset_of(items(4)));
  std::vector<std::string> names_after;
  for (const auto& node : openvino::nodes_of(*model)) names_after.push_back(node->get_friendly_name());
  EXPECT_EQ(names_after, names);
  EXPECT_TRUE(serialized(model) == before);
}

TEST(If, SeparatesConstantsThatBranchesShareWithTheModel) {
  const auto shared = weights("w", {3, 3, 1, 1});
  const auto body = [&](const std::string& name) {
    const auto x = parameter("x", {-1, 3, 6, 6});
    return network({{"out", convolution(name, x, shared)}}, {x});
  };
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto take = parameter("take", {}, ov::element::boolean);
  const auto outer = convolution("outer", x, shared);
  const auto model = network({{"y", make_if("gate", take, outer, body("first"), body("second"))}}, {x, take});
  const auto result = quantize(*from_openvino(model), *dataset_of(items(4)));
  EXPECT_THAT(result.report.quantized, ElementsAre("first", "outer", "second"));
  EXPECT_EQ(shared->get_friendly_name(), "w");
  EXPECT_LT(largest_difference(run(*result.model, item(1, true))[0], run(*from_openvino(model), item(1, true))[0]),
            0.2);
}

TEST(If, GivesTheSameBytesForTheSamePlan) {
  const auto model = from_openvino(nested());
  const Plan plan = quantize(*model, *dataset_of(items(8))).plan;
  const std::string once = serialized(to_openvino(*model->apply(plan)));
  EXPECT_TRUE(serialized(to_openvino(*model->apply(plan))) == once);
  const auto again = from_openvino(nested())->apply(plan_from_json(to_json(plan)));
  EXPECT_TRUE(serialized(to_openvino(*again)) == once);
  EXPECT_FALSE(serialized(nested()->clone()) == once);
}

TEST(If, GivesTheModelAsLoadedForTheEmptyPlan) {
  const auto model = nested();
  EXPECT_TRUE(serialized(to_openvino(*from_openvino(model)->apply({}))) == serialized(model->clone()));
}

TEST(If, IsRecognizedAsQuantizedByItsBranches) {
  const test::Folder folder;
  const auto result = quantize(*from_openvino(gated()), *dataset_of(items(4)));
  result.model->save(folder / "model.xml");
  const auto read = read_openvino(folder / "model.xml");
  for (const bool taken : {true, false}) {
    EXPECT_LT(largest_difference(run(*read, item(7, taken))[0], run(*result.model, item(7, taken))[0]), 1e-5);
  }
  for (const Model* model : {read.get(), result.model.get()}) {
    EXPECT_THAT([&] { quantize(*model, *dataset_of(items(4))); },
                ThrowsMessage<QuantizationError>(AllOf(HasSubstr("quantized already"), HasSubstr("4 quantizers"))));
  }
}

TEST(If, HonoursTheIgnoredScopeInItsBranches) {
  QuantizeOptions options;
  options.ignored_scope.names = {"conv_1"};
  const auto model = from_openvino(gated());
  EXPECT_THAT(quantize(*model, *dataset_of(items(4)), options).report.quantized, ElementsAre("conv", "fc", "fc_1"));
  options.ignored_scope = {};
  options.ignored_scope.types = {"MatMul"};
  EXPECT_THAT(quantize(*model, *dataset_of(items(4)), options).report.quantized, ElementsAre("conv", "conv_1"));
}

TEST(If, RefusesAPlanForABranchThatIsNotThere) {
  Plan plan = quantize(*from_openvino(gated()), *dataset_of(items(4))).plan;
  const auto x = parameter("x", {-1, 3, 6, 6});
  const auto plain = gated(branch(0), network({{"out", reshape("flat", x, {-1, 108})}}, {x}));
  EXPECT_THAT([&] { from_openvino(plain)->apply(plan); }, ThrowsMessage<InvalidArgument>(HasSubstr("'conv_1'")));
}

// y = head(x), and a convolution in the body of a Loop or TensorIterator that runs three times.
template <typename Op>
ModelPtr iterated() {
  const auto state = parameter("state", {1, 3, 6, 6});
  const auto inside = convolution("inside", state, weights("w", {3, 3, 1, 1}));
  const auto go_on = op<ov::op::v0::Constant>("go_on", ov::element::boolean, ov::Shape{}, true);
  const auto body = std::make_shared<ov::Model>(ov::OutputVector{inside, go_on}, ov::ParameterVector{state});
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto head = convolution("head", x, weights("w", {3, 3, 1, 1}));
  std::shared_ptr<Op> rounds;
  if constexpr (std::is_same_v<Op, ov::op::v5::Loop>) {
    const auto trips = op<ov::op::v0::Constant>("trips", ov::element::i64, ov::Shape{}, 3);
    rounds = op<Op>("rounds", trips, op<ov::op::v0::Constant>("start", ov::element::boolean, ov::Shape{}, true));
    rounds->set_function(body);
    rounds->set_special_body_ports({-1, 1});
  } else {
    rounds = op<Op>("rounds");
    rounds->set_function(body);
    const auto slices = parameter("slice", {1});
    const auto used = op<ov::op::v0::Result>("slice/result", slices);
    body->add_parameters({slices});
    body->add_results({used});
    rounds->set_sliced_input(slices, test::constant("ticks", {3}, {0, 0, 0}), 0, 1, 1, -1, 0);
  }
  rounds->set_merged_input(state, head, body->get_results()[0]->input_value(0));
  return network({{"y", rounds->get_iter_value(body->get_results()[0]->input_value(0), -1)}}, {x});
}

template <typename Op>
class Iterated : public testing::Test {};
using Iterations = testing::Types<ov::op::v5::Loop, ov::op::v0::TensorIterator>;
TYPED_TEST_SUITE(Iterated, Iterations);

TYPED_TEST(Iterated, KeepsItsBodyAsItIs) {
  const auto model = iterated<TypeParam>();
  const auto body = ov::as_type_ptr<TypeParam>(test::node_called(*model, "rounds"))->get_function();
  const auto result = quantize(*from_openvino(model), *dataset_of(test::wave_samples({1, 3, 6, 6}, 4)));
  EXPECT_THAT(result.report.quantized, ElementsAre("head"));
  const auto quantized = to_openvino(*result.model);
  const auto kept = ov::as_type_ptr<TypeParam>(test::node_called(*quantized, "rounds"))->get_function();
  EXPECT_TRUE(serialized(kept) == serialized(body->clone()));
  const Sample sample = test::wave_sample({1, 3, 6, 6}, 5);
  EXPECT_LT(largest_difference(run(*result.model, sample)[0], run(*from_openvino(model), sample)[0]), 0.2);
}

}  // namespace
}  // namespace tightrope
