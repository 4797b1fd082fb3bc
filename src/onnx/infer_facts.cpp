// SPDX-License-Identifier: Apache-2.0
// Element types follow from the operators, and from what the model declares. One pass over the nodes.
#include <array>
#include <string_view>
#include <utility>

#include "onnx/facts.h"
#include "onnx/messages.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {
namespace {

using Message = proto::TensorProto;

constexpr int kMostExtents = 64;  // what claims more is damaged

ValueFacts declared(const proto::ValueInfoProto& info) {
  ValueFacts facts;
  if (!info.type().has_tensor_type()) return facts;
  const auto& tensor = info.type().tensor_type();
  facts.type = to_element_type(tensor.elem_type());
  facts.known_rank = tensor.has_shape() && tensor.shape().dim_size() <= kMostExtents;
  if (!facts.known_rank) return facts;
  for (const auto& dim : tensor.shape().dim())
    facts.shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
  return facts;
}

// What is known of both; the first counts where they differ.
ValueFacts joined(ValueFacts facts, const ValueFacts& other) {
  if (facts.type == ElementType::kOther) facts.type = other.type;
  if (!facts.known_rank) {
    facts.known_rank = other.known_rank;
    facts.shape = other.shape;
  } else if (other.known_rank && other.shape.size() == facts.shape.size()) {
    for (std::size_t i = 0; i < facts.shape.size(); ++i) {
      if (facts.shape[i] < 0) facts.shape[i] = other.shape[i];
    }
  }
  return facts;
}

// A result type that does not follow from the first input.
struct TypeRow {
  std::string_view type;
  int from_input = kNone;           // takes that input's type
  int data_type = kNone;            // always this one; see also `attribute`
  std::string_view attribute = {};  // names the type, otherwise the above
};

constexpr TypeRow kTypeRows[] = {
    {"And", kNone, Message::BOOL},
    {"ArgMax", kNone, Message::INT64},
    {"ArgMin", kNone, Message::INT64},
    {"Bernoulli", 0, kNone, "dtype"},
    {"BitCast", kNone, kNone, "to"},
    {"BlackmanWindow", kNone, Message::FLOAT, "output_datatype"},
    {"Cast", kNone, kNone, "to"},
    {"CastLike", 1},
    {"ConvInteger", kNone, Message::INT32},
    {"DequantizeLinear", 1},
    {"DynamicQuantizeLinear", kNone, Message::UINT8},
    {"Equal", kNone, Message::BOOL},
    {"EyeLike", 0, kNone, "dtype"},
    {"Greater", kNone, Message::BOOL},
    {"GreaterOrEqual", kNone, Message::BOOL},
    {"HammingWindow", kNone, Message::FLOAT, "output_datatype"},
    {"HannWindow", kNone, Message::FLOAT, "output_datatype"},
    {"ImageDecoder", kNone, Message::UINT8},
    {"IsInf", kNone, Message::BOOL},
    {"IsNaN", kNone, Message::BOOL},
    {"Less", kNone, Message::BOOL},
    {"LessOrEqual", kNone, Message::BOOL},
    {"MatMulInteger", kNone, Message::INT32},
    {"MelWeightMatrix", kNone, Message::FLOAT, "output_datatype"},
    {"Multinomial", kNone, Message::INT32, "dtype"},
    {"NonMaxSuppression", kNone, Message::INT64},
    {"NonZero", kNone, Message::INT64},
    {"Not", kNone, Message::BOOL},
    {"OneHot", 2},
    {"OptionalHasElement", kNone, Message::BOOL},
    {"Or", kNone, Message::BOOL},
    {"QLinearConv", 7},
    {"QLinearMatMul", 7},
    {"QuantizeLinear", 2},
    {"RandomNormal", kNone, Message::FLOAT, "dtype"},
    {"RandomNormalLike", 0, kNone, "dtype"},
    {"RandomUniform", kNone, Message::FLOAT, "dtype"},
    {"RandomUniformLike", 0, kNone, "dtype"},
    {"RegexFullMatch", kNone, Message::BOOL},
    {"SequenceLength", kNone, Message::INT64},
    {"Shape", kNone, Message::INT64},
    {"Size", kNone, Message::INT64},
    {"TfIdfVectorizer", kNone, Message::FLOAT},
    {"Where", 1},
    {"Xor", kNone, Message::BOOL},
};

// Types whose results are sequences, maps or texts, or depend on bodies.
constexpr std::array<std::string_view, 15> kUntyped = {"If",
                                                       "Loop",
                                                       "Scan",
                                                       "Optional",
                                                       "OptionalGetElement",
                                                       "SequenceAt",
                                                       "SequenceEmpty",
                                                       "SequenceConstruct",
                                                       "SequenceMap",
                                                       "SplitToSequence",
                                                       "StringSplit",
                                                       "StringConcat",
                                                       "StringNormalizer",
                                                       "ConcatFromSequence",
                                                       "Constant"};

// Results other than the first that have a type of their own.
constexpr std::pair<std::string_view, std::array<int, 3>> kOtherResults[] = {
    {"Dropout", {Message::BOOL, 0, 0}},
    {"DynamicQuantizeLinear", {Message::FLOAT, Message::UINT8, 0}},
    {"MaxPool", {Message::INT64, 0, 0}},
    {"TopK", {Message::INT64, 0, 0}},
    {"Unique", {Message::INT64, Message::INT64, Message::INT64}},
};

ElementType first_type(const NodeFacts& facts) {
  const std::string& type = facts.node.op_type();
  if (std::ranges::find(kUntyped, type) != kUntyped.end()) return ElementType::kOther;
  if (type == "ConstantOfShape") {
    const auto* value = find_attribute(facts.node, "value");
    return value == nullptr ? ElementType::kF32 : to_element_type(value->t().data_type());
  }
  const auto* row = std::ranges::find(kTypeRows, type, &TypeRow::type);
  if (row == std::end(kTypeRows)) return facts.input(0).type;
  if (!row->attribute.empty()) {
    const auto named = int_attribute(facts.node, row->attribute, 0);
    if (named > 0 && named <= Message::DataType_MAX) return to_element_type(static_cast<int>(named));
  }
  if (row->from_input != kNone) return facts.input(row->from_input).type;
  return to_element_type(std::max(row->data_type, 0));
}

// The operands of these have one type: what is known of one holds for the others.
constexpr std::array<std::string_view, 13> kOneType = {
    "Conv", "ConvTranspose", "MatMul", "Gemm", "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Mean", "Concat"};

void infer_operands(const proto::NodeProto& node, Facts& facts) {
  if (std::ranges::find(kOneType, node.op_type()) == kOneType.end()) return;
  ElementType known = ElementType::kOther;
  for (const auto& input : node.input()) {
    const auto found = facts.find(input);
    if (known == ElementType::kOther && found != facts.end()) known = found->second.type;
  }
  for (const auto& input : node.input()) {
    if (!input.empty() && facts[input].type == ElementType::kOther) facts[input].type = known;
  }
  const bool convolves = node.op_type() == "Conv" || node.op_type() == "ConvTranspose";
  if (!convolves || node.input_size() < 2) return;
  const ValueFacts weight = facts[node.input(1)];
  ValueFacts& data = facts[node.input(0)];
  if (data.known_rank || !weight.known_rank) return;
  data.known_rank = true;
  data.shape.assign(weight.shape.size(), -1);
}

Facts given_facts(const Network& network, Facts& declarations) {
  const proto::GraphProto& graph = network.model.graph();
  Facts facts;
  for (const auto& [name, tensor] : network.constants) facts[name] = {tensor.type(), true, tensor.shape()};
  for (const auto& input : graph.input()) facts.emplace(input.name(), declared(input));
  for (const auto& info : graph.value_info()) declarations.emplace(info.name(), declared(info));
  for (const auto& output : graph.output()) declarations.emplace(output.name(), declared(output));
  return facts;
}

}  // namespace

void infer_types(NodeFacts& facts) {
  const ElementType first = first_type(facts);
  const auto* others =
      std::ranges::find(kOtherResults, facts.node.op_type(), &std::pair<std::string_view, std::array<int, 3>>::first);
  for (std::size_t i = 0; i < facts.outputs.size(); ++i) {
    const bool own = i > 0 && i <= 3 && others != std::end(kOtherResults);
    facts.outputs[i].type = own ? to_element_type(others->second[i - 1]) : first;
  }
}

Facts infer_facts(const Network& network, const std::vector<int>& order) {
  Facts declarations;
  Facts facts = given_facts(network, declarations);
  for (const int index : order) {
    const proto::NodeProto& node = network.model.graph().node(index);
    NodeFacts here{network, node, opset_of(network.model), {}, {}};
    here.outputs.resize(static_cast<std::size_t>(node.output_size()));
    if (is_standard(node, network.model)) {
      infer_operands(node, facts);
      for (const auto& input : node.input()) {
        const auto found = facts.find(input);
        here.inputs.push_back(found == facts.end() || input.empty() ? ValueFacts() : found->second);
      }
      infer_types(here);
      infer_shapes(here);
    }
    for (int port = 0; port < node.output_size(); ++port) {
      const std::string& name = node.output(port);
      if (name.empty() || network.constants.contains(name)) continue;
      const auto found = declarations.find(name);
      ValueFacts known = here.outputs[static_cast<std::size_t>(port)];
      if (known.known_rank && known.shape.size() > kMostExtents) known = {known.type, false, {}};
      if (found != declarations.end()) {
        if (found->second.type != ElementType::kOther) known.type = found->second.type;
        known = joined(std::move(known), found->second);
      }
      facts[name] = std::move(known);
    }
  }
  return facts;
}

}  // namespace tightrope::onnx
