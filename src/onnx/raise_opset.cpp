// SPDX-License-Identifier: Apache-2.0
// Between sets 7 and 13, attributes of some operators became inputs, and few operators changed their meaning.
#include "onnx/raise_opset.h"

#include <array>
#include <string_view>

#include "onnx/facts.h"
#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {
namespace {

// What the conversion of one node sees. A converter returns what stands in its way, empty where nothing does.
struct Raising {
  Network& network;
  const Facts& facts;
  std::int64_t from = 0;
  Names names;

  ValueFacts facts_of(const std::string& name) const {
    const auto found = facts.find(name);
    return found == facts.end() ? ValueFacts() : found->second;
  }
};

using Converter = std::string (*)(Raising&, proto::NodeProto&);

void set_input(Raising& raising, proto::NodeProto& node, int port, std::string_view what, Tensor tensor) {
  const std::string name = raising.names.unique(fmt::format("{}/{}", node.name(), what));
  add_constant(raising.network, name, std::move(tensor));
  while (node.input_size() <= port) node.add_input();
  node.set_input(port, name);
}

void set_ints(Raising& raising, proto::NodeProto& node, int port, std::string_view attribute) {
  if (find_attribute(node, attribute) == nullptr) return;
  const std::vector<std::int64_t> values = ints_attribute(node, attribute);
  remove_attribute(node, attribute);
  set_input(raising, node, port, attribute, Tensor::copy_of(values, {static_cast<std::int64_t>(values.size())}));
}

std::string axes(Raising& raising, proto::NodeProto& node) {
  set_ints(raising, node, 1, "axes");
  return {};
}

std::string split(Raising& raising, proto::NodeProto& node) {
  set_ints(raising, node, 1, "split");
  return {};
}

std::string slice(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 10) return {};
  set_ints(raising, node, 1, "starts");
  set_ints(raising, node, 2, "ends");
  set_ints(raising, node, 3, "axes");
  return {};
}

std::string top_k(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 10) return {};
  const std::array<std::int64_t, 1> count = {int_attribute(node, "k", 0)};
  remove_attribute(node, "k");
  set_input(raising, node, 1, "k", Tensor::copy_of(count, {1}));
  return {};
}

// A scalar attribute of the data's own type. `node` stays as it is where the attribute is not there.
std::string scalar(Raising& raising, proto::NodeProto& node, std::string_view name, int port) {
  if (find_attribute(node, name) == nullptr) return {};
  const ElementType type = raising.facts_of(input_of(node, 0)).type;
  if (!is_float(type)) return "the element type of its input is not known";
  const std::array<float, 1> value = {float_attribute(node, name, 0)};
  remove_attribute(node, name);
  set_input(raising, node, port, name, Tensor::copy_of(value, {}).cast(type));
  return {};
}

std::string clip(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 11) return {};
  const std::string obstacle = scalar(raising, node, "min", 1);
  return obstacle.empty() ? scalar(raising, node, "max", 2) : obstacle;
}

std::string pad(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 11) return {};
  set_ints(raising, node, 1, "pads");
  if (float_attribute(node, "value", 0) != 0) return scalar(raising, node, "value", 2);
  remove_attribute(node, "value");
  return {};
}

// The ratio counts in training only.
std::string dropout(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 12) return {};
  if (raising.from < 10 && !output_of(node, 1).empty()) return "its mask has another type since";
  remove_attribute(node, "ratio");
  return {};
}

std::string batch_norm(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 9) return {};
  if (int_attribute(node, "spatial", 1) == 0) return "it has statistics for each position, which it can't have since";
  remove_attribute(node, "spatial");
  return {};
}

// The older one takes all axes from this one on for one; that is the same where there is but one with an extent.
std::string softmax(Raising& raising, proto::NodeProto& node) {
  const ValueFacts data = raising.facts_of(input_of(node, 0));
  const auto rank = static_cast<std::int64_t>(data.shape.size());
  std::int64_t axis = int_attribute(node, "axis", 1);
  if (axis < 0) axis += rank;
  if (!data.known_rank || axis < 0 || axis >= rank) return "the rank of its input is not known";
  if (std::any_of(data.shape.begin() + axis + 1, data.shape.end(), [](std::int64_t extent) { return extent != 1; }))
    return fmt::format("it goes over several axes of {} at once, which it can't since", to_string(data.shape));
  set_attribute(node, "axis", axis);
  return {};
}

// Enlarging by constant factors means the same in all versions; how other ones round differs.
std::string resize(Raising& raising, proto::NodeProto& node) {
  if (raising.from >= 11) return {};
  if (find_attribute(node, "scales") != nullptr) {  // Upsample before version 9
    const auto& values = find_attribute(node, "scales")->floats();
    const std::vector<float> factors(values.begin(), values.end());
    remove_attribute(node, "scales");
    set_input(raising, node, 1, "scales", Tensor::copy_of(factors, {static_cast<std::int64_t>(factors.size())}));
  }
  const std::string factors = input_of(node, 1);
  const auto found = raising.network.constants.find(factors);
  if (found == raising.network.constants.end()) return "its factors are no constants";
  if (std::ranges::any_of(found->second.to_floats(), [](float factor) { return !(factor >= 1); }))
    return "it shrinks its input, which means something else since";
  const bool nearest = text_attribute(node, "mode", "nearest") == "nearest";
  node.set_op_type("Resize");
  node.set_input(1, "");
  node.add_input(factors);
  set_attribute(node, "coordinate_transformation_mode", "asymmetric");
  if (nearest) set_attribute(node, "nearest_mode", "floor");
  return {};
}

std::string upsample(Raising& raising, proto::NodeProto& node) {
  return raising.from < 10 ? resize(raising, node) : "it is not part of its own operator set";
}

std::string scatter(Raising&, proto::NodeProto& node) {
  node.set_op_type("ScatterElements");
  return {};
}

std::string scan(Raising& raising, proto::NodeProto&) {
  return raising.from < 9 ? "it means something else since" : "";
}

constexpr std::pair<std::string_view, Converter> kConverters[] = {
    {"BatchNormalization", batch_norm},
    {"Clip", clip},
    {"Dropout", dropout},
    {"Hardmax", softmax},
    {"LogSoftmax", softmax},
    {"Pad", pad},
    {"ReduceSum", axes},
    {"Resize", resize},
    {"Scan", scan},
    {"Scatter", scatter},
    {"Slice", slice},
    {"Softmax", softmax},
    {"Split", split},
    {"Squeeze", axes},
    {"TopK", top_k},
    {"Unsqueeze", axes},
    {"Upsample", upsample},
};

// Operators that have meant the same from set 7, or from their first, to set 13.
constexpr std::string_view kUnchanged =
    " Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BitShift Cast Ceil Celu Compress Concat "
    "ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace "
    "DequantizeLinear Det Div DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather "
    "GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual HardSigmoid "
    "Identity If InstanceNormalization IsInf IsNaN LRN LSTM LeakyRelu Less LessOrEqual Log Loop LpNormalization LpPool "
    "MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mod Mul Multinomial Neg "
    "NonMaxSuppression NonZero Not OneHot Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear RNN RandomNormal "
    "RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
    "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare Relu Reshape ReverseSequence RoiAlign Round "
    "ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert "
    "SequenceLength Shape Shrink Sigmoid Sign Sin Sinh Size Softplus Softsign SpaceToDepth SplitToSequence Sqrt "
    "StringNormalizer Sub Sum Tan Tanh TfIdfVectorizer ThresholdedRelu Tile Transpose Unique Where Xor ";

bool is_unchanged(const std::string& type) { return kUnchanged.find(" " + type + " ") != std::string_view::npos; }

// The first operator in the bodies of a node that would have to change; null where there is none.
const proto::NodeProto* changed_inside(const proto::NodeProto& node, const proto::ModelProto& model) {
  std::vector<const proto::NodeProto*> open = {&node};
  while (!open.empty()) {
    const proto::NodeProto& next = *open.back();
    open.pop_back();
    if (&next != &node && is_standard(next, model) && !is_unchanged(next.op_type())) return &next;
    const auto enter = [&](const proto::GraphProto& body) {
      for (const auto& inner : body.node()) open.push_back(&inner);
    };
    for (const auto& attribute : next.attribute()) {
      if (attribute.has_g()) enter(attribute.g());
      for (const auto& body : attribute.graphs()) enter(body);
    }
  }
  return nullptr;
}

std::string convert(Raising& raising, proto::NodeProto& node) {
  const proto::ModelProto& model = raising.network.model;
  if (const auto* inside = changed_inside(node, model)) {
    return fmt::format("{} in the body of {} has changed since", described(*inside), described(node));
  }
  if (!is_standard(node, model) || is_unchanged(node.op_type())) return {};
  const auto* row = std::ranges::find(kConverters, node.op_type(), &std::pair<std::string_view, Converter>::first);
  if (row == std::end(kConverters)) return fmt::format("{} is not known", described(node));
  const std::string name = described(node);
  const std::string obstacle = row->second(raising, node);
  return obstacle.empty() ? "" : fmt::format("{} can't be carried over: {}", name, obstacle);
}

}  // namespace

std::string raise_opset(Network& network) {
  if (opset_of(network.model) >= kPerChannelOpset) return {};
  Network raised = network;
  auto& graph = *raised.model.mutable_graph();
  const Facts facts = infer_facts(network, sorted_nodes(network.model.graph()));
  Raising raising{raised, facts, opset_of(network.model), Names(graph)};
  for (auto& node : *graph.mutable_node()) {
    std::string obstacle = convert(raising, node);
    if (!obstacle.empty()) return obstacle;
  }
  for (auto& import : *raised.model.mutable_opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") import.set_version(kPerChannelOpset);
  }
  network = std::move(raised);
  return {};
}

}  // namespace tightrope::onnx
