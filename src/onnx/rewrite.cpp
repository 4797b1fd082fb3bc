// SPDX-License-Identifier: Apache-2.0
#include "onnx/rewrite.h"

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "base/components.h"
#include "kernels/channels.h"
#include "kernels/quantize.h"
#include "kernels/rounded.h"
#include "onnx/messages.h"
#include "onnx/names.h"
#include "onnx/tensors.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

[[noreturn]] void refuse(const Quantizer& quantizer, const std::string& found) {
  throw InvalidArgument(fmt::format("[plan] node '{}', port {}: {}; a plan made for this very model is needed",
                                    quantizer.node, quantizer.port, found));
}

[[noreturn]] void refuse_levels(const Quantizer& quantizer) {
  throw Unsupported(fmt::format("[apply] node '{}', port {}: {} levels; ONNX models take 8 bits, which are 255 or 256",
                                quantizer.node, quantizer.port, quantizer.range.levels));
}

// The format has zero points of 8 bits only. Half a step beyond them is a matter of rounding.
std::int8_t zero_point_of(const Quantizer& quantizer, std::size_t channel, float zero, float least) {
  if (!(zero >= least - 1 && zero <= least + 256)) {
    const Range& range = quantizer.range;
    refuse(quantizer, fmt::format("a range from {} to {} does not contain zero, as ONNX needs", range.low[channel],
                                  range.high[channel]));
  }
  return static_cast<std::int8_t>(static_cast<int>(std::clamp(std::nearbyint(zero), least, least + 255)));
}

// From this operator set on, QuantizeLinear may say what it gives, and so do the copies that ONNX Runtime makes of it
// behind operations that move data. Where it then turns int8 into uint8, as on x86, it forgets to say so again, and
// doesn't run the model.
constexpr std::int64_t kUnsignedOpset = 21;

struct Grid {
  bool is_signed = true;  // the integers are int8, otherwise uint8
  std::vector<float> scale;
  std::vector<std::int8_t> zero_point;  // bits of an uint8 where it is not signed
};

bool has_negative(const Range& range) {
  return std::ranges::any_of(range.low, [](float low) { return low < 0; });
}

// What QuantizeLinear rounds to, and what it clips at: the limits of the type.
Grid grid_of(const Quantizer& quantizer, bool is_signed) {
  const Range& range = quantizer.range;
  if (range.levels != 255 && range.levels != 256) refuse_levels(quantizer);
  Grid grid;
  grid.is_signed = is_signed;
  const float least = is_signed ? -128 : 0;
  const float lowest = has_negative(range) && range.levels == 255 ? least + 1 : least;
  for (std::size_t c = 0; c < range.low.size(); ++c) {
    const float step = (range.high[c] - range.low[c]) / static_cast<float>(range.levels - 1);
    grid.scale.push_back(std::max(step, std::numeric_limits<float>::min()));
    const float zero = lowest - std::nearbyint(range.low[c] / grid.scale[c]);
    grid.zero_point.push_back(zero_point_of(quantizer, c, zero, least));
  }
  return grid;
}

// The range moved by at most half a step, so that zero is on a level: zero points of ONNX are integers.
Range with_zero_on_a_level(Range range) {
  const auto steps = static_cast<float>(range.levels - 1);
  for (std::size_t c = 0; c < range.low.size(); ++c) {
    const float step = (range.high[c] - range.low[c]) / steps;
    if (!(step > 0)) continue;
    range.low[c] = std::nearbyint(range.low[c] / step) * step;
    range.high[c] = range.low[c] + steps * step;
  }
  return range;
}

// So that no step is smaller than its channel's in `least`.
void widen(Range& range, const std::vector<float>& least) {
  for (std::size_t c = 0; c < least.size(); ++c) {
    const float step = (range.high[c] - range.low[c]) / static_cast<float>(range.levels - 1);
    if (!(step > 0) || step >= least[c]) continue;
    range.low[c] *= least[c] / step;
    range.high[c] *= least[c] / step;
  }
}

template <typename T>
Tensor tensor_of(ElementType type, const std::vector<T>& values, Shape shape) {
  const auto bytes = std::make_shared<std::vector<T>>(values);
  return Tensor(type, std::move(shape), {bytes, bytes->data()});
}

// A quantizer as it stands in the file: what it reads, and the nodes that it consists of.
struct Pair {
  const Quantizer* quantizer = nullptr;
  std::string value;               // by its name in the base
  Pair* source = nullptr;          // whose result it reads in place of the value
  bool is_signed = true;           // of an activation: int8, otherwise uint8
  bool gives_output = false;       // of the model: then the result has the output's name
  std::vector<float> least_scale;  // of a weight's channels; empty: any will do
  bool is_written = false;
  std::string result;
};

void adjust_constant(Network& network, const std::unordered_map<std::string, int>& nodes, Names& names,
                     const AdjustedConstant& adjusted) {
  const auto fail = [&](const std::string& found) {
    throw InvalidArgument(fmt::format("[plan] node '{}', port {}: {}; a plan made for this very model is needed",
                                      adjusted.node, adjusted.port, found));
  };
  const auto found = nodes.find(adjusted.node);
  if (found == nodes.end()) fail("no such node");
  auto& node = *network.model.mutable_graph()->mutable_node(found->second);
  const auto constant = network.constants.find(input_of(node, adjusted.port));
  if (constant == network.constants.end() || !is_float(constant->second.type()))
    fail("the input is no floating-point constant");
  const Tensor before = constant->second;
  if (!numbers_channels(before.shape(), adjusted.axes, adjusted.factors.size()))
    fail(fmt::format("{} factors for a constant {}", adjusted.factors.size(), to_string(before.shape())));
  std::vector<float> values = before.to_floats();
  adjust_channels(values, before.shape(), adjusted.axes, adjusted.factors, adjusted.addends);
  const std::string name = names.unique(constant->first + "/rescaled");  // others may read the constant, too
  names.insert(name);
  add_constant(network, name, Tensor::copy_of(values, before.shape()).cast(before.type()));
  node.set_input(adjusted.port, name);
}

class Rewriter {
 public:
  Rewriter(Network& network, const Graph& graph)
      : network_(network),
        messages_(*network.model.mutable_graph()),
        graph_(graph),
        names_(messages_),
        order_(sorted_nodes(messages_)),
        slots_(static_cast<std::size_t>(messages_.node_size())) {
    for (int i = 0; i < messages_.node_size(); ++i) {
      const auto& node = messages_.node(i);
      nodes_.emplace(node.name(), i);
      slots_[static_cast<std::size_t>(i)].resize(static_cast<std::size_t>(node.input_size()));
      for (const auto& output : node.output()) can_be_renamed_.insert(output);
    }
    for (const auto& node : messages_.node()) {
      for (const auto& name : captured_by(node)) can_be_renamed_.erase(name);
    }
  }

  void run(const Plan& plan) {
    compress_weights_ = plan.compress_weights;
    for (const Quantizer& quantizer : plan.quantizers) {
      if (quantizer.range.low.empty()) refuse(quantizer, "no range");
      if (quantizer.config.format != NumberFormat::kInteger)
        refuse(quantizer, "8-bit floating point, which is for OpenVINO models");
      if (graph_.find(quantizer.node) == kNone) {
        throw InvalidArgument(fmt::format(
            "[plan] node '{}' is not in the model; a plan made for this very model is needed", quantizer.node));
      }
    }
    // An output's quantizer stands between the tensor and all its consumers, those of inputs included.
    for (const Quantizer& quantizer : plan.quantizers) {
      if (quantizer.kind == SiteKind::kOutput) quantize_output(quantizer);
    }
    for (const Quantizer& quantizer : plan.quantizers) {
      if (quantizer.kind != SiteKind::kOutput) quantize_input(quantizer);
    }
    for (const BiasShift& shift : plan.bias_shifts) shift_bias(shift);
    choose_types();
    for (int i = 0; i < messages_.node_size(); ++i)
      leave_room_for_bias(messages_.node(i), slots_[static_cast<std::size_t>(i)]);
    write();
    drop_unused(network_);
  }

 private:
  const Node& node_of(const Quantizer& quantizer) const { return graph_.node(graph_.find(quantizer.node)); }

  const Value& value_read(const Quantizer& quantizer) const {
    const Node& node = node_of(quantizer);
    const auto& values = quantizer.kind == SiteKind::kOutput ? node.outputs : node.inputs;
    const auto port = static_cast<std::size_t>(quantizer.port);
    if (quantizer.port < 0 || port >= values.size() || values[port] == kNone)
      refuse(quantizer, quantizer.kind == SiteKind::kOutput ? "no such output" : "no such input");
    const Value& value = graph_.value(values[port]);
    if (!is_float(value.type))
      refuse(quantizer, fmt::format("the tensor is {}, not floating point", name_of(value.type)));
    check_channels(quantizer, value);
    check_smoothing(quantizer, value);
    if (!quantizer.rounding.empty() && quantizer.rounding.size() != element_count(value.shape))
      refuse(quantizer,
             fmt::format("a rounding of {} elements for {}", quantizer.rounding.size(), to_string(value.shape)));
    return value;
  }

  void check_channels(const Quantizer& quantizer, const Value& value) const {
    if (quantizer.range.low.size() == 1) return;
    if (quantizer.channel_axes.size() != 1) refuse(quantizer, "the format has one axis for scales");
    if (opset_of(network_.model) < kPerChannelOpset) {
      refuse(quantizer, fmt::format("operator set {} has one scale per tensor", opset_of(network_.model)));
    }
    const int axis = quantizer.channel_axes[0];
    const bool exists = value.known_rank && axis >= 0 && static_cast<std::size_t>(axis) < value.shape.size();
    if (!exists ||
        value.shape[static_cast<std::size_t>(axis)] != static_cast<std::int64_t>(quantizer.range.low.size())) {
      refuse(quantizer, fmt::format("{} ranges for axis {} of {}", quantizer.range.low.size(), axis,
                                    value.known_rank ? to_string(value.shape) : "an unknown shape"));
    }
  }

  static void check_smoothing(const Quantizer& quantizer, const Value& value) {
    if (quantizer.smoothing.empty()) return;
    const auto axis = static_cast<std::size_t>(quantizer.smoothing_axis);
    const bool has_axis = value.known_rank && quantizer.smoothing_axis >= 0 && axis < value.shape.size();
    if (!has_axis || value.shape[axis] != static_cast<std::int64_t>(quantizer.smoothing.size()))
      refuse(quantizer, fmt::format("a smoothing of {} channels for {}", quantizer.smoothing.size(),
                                    value.known_rank ? to_string(value.shape) : "an unknown shape"));
  }

  // Quantizers of one tensor that agree in everything are one.
  Pair& pair_for(const Quantizer& quantizer, const std::string& value, Pair* source) {
    std::vector<std::unique_ptr<Pair>>& pairs = pairs_[value];
    for (const auto& pair : pairs) {
      if (pair->source == source && pair->quantizer->range == quantizer.range &&
          pair->quantizer->kind == quantizer.kind && pair->quantizer->channel_axes == quantizer.channel_axes &&
          pair->quantizer->smoothing == quantizer.smoothing &&
          pair->quantizer->smoothing_axis == quantizer.smoothing_axis &&
          pair->quantizer->rounding == quantizer.rounding)
        return *pair;
    }
    pairs.push_back(std::make_unique<Pair>());
    pairs.back()->quantizer = &quantizer;
    pairs.back()->value = value;
    pairs.back()->source = source;
    return *pairs.back();
  }

  void quantize_output(const Quantizer& quantizer) {
    const std::string& value = value_read(quantizer).name;
    Pair& pair = pair_for(quantizer, value, nullptr);
    for (int i = 0; i < messages_.node_size(); ++i) {
      const auto& node = messages_.node(i);
      // A shape does not depend on the elements.
      if (node.op_type() == "Shape" && is_standard(node, network_.model)) continue;
      for (int port = 0; port < node.input_size(); ++port) {
        if (node.input(port) == value) slots_[static_cast<std::size_t>(i)][static_cast<std::size_t>(port)] = &pair;
      }
    }
    give_output(pair);
  }

  // Where the value is an output of the model, the result takes over its name. Values that are also inputs, or that
  // bodies read by this name, keep it.
  void give_output(Pair& pair) {
    const bool is_output =
        std::ranges::any_of(messages_.output(), [&](const auto& output) { return output.name() == pair.value; });
    if (!is_output || !can_be_renamed_.contains(pair.value)) return;
    Pair*& giver = outputs_[pair.value];
    if (giver != nullptr) giver->gives_output = false;
    giver = &pair;
    pair.gives_output = true;
    float_names_.emplace(pair.value, "");
  }

  void quantize_input(const Quantizer& quantizer) {
    const std::string& value = value_read(quantizer).name;
    if (quantizer.kind == SiteKind::kWeight && !network_.constants.contains(value))
      refuse(quantizer, "the input is no floating-point constant");
    if (node_of(quantizer).kind == OpKind::kResult) {
      const auto found = outputs_.find(value);
      give_output(pair_for(quantizer, value, found == outputs_.end() ? nullptr : found->second));
      return;
    }
    const int index = operation(quantizer.node);
    if (quantizer.port >= messages_.node(index).input_size()) refuse(quantizer, "it is read by a body");
    Pair*& slot = slots_[static_cast<std::size_t>(index)][static_cast<std::size_t>(quantizer.port)];
    slot = &pair_for(quantizer, value, slot);
  }

  int operation(const std::string& name) const {
    const auto found = nodes_.find(name);
    if (found != nodes_.end()) return found->second;
    throw InvalidArgument(
        fmt::format("[plan] node '{}' is no operation; a plan made for this very model is needed", name));
  }

  // Convolutions and Gemm have an operand for the bias, other products perhaps an addition behind them. Where there is
  // neither, the shift is added.
  void shift_bias(const BiasShift& correction) {
    const int index = operation(correction.node);
    const Node& layer = graph_.node(graph_.find(correction.node));
    const Value& output = graph_.value(layer.outputs.at(0));
    if (!is_float(output.type) || !output.known_rank || output.shape.size() < 2) refuse_shift(correction, output);
    const auto rank = static_cast<int>(output.shape.size());
    const auto axis = static_cast<std::size_t>(layer.channel_axis < 0 ? layer.channel_axis + rank : layer.channel_axis);
    const auto count = static_cast<std::int64_t>(correction.shift.size());
    if (output.shape[axis] >= 0 && output.shape[axis] != count) refuse_shift(correction, output);
    const std::string& type = messages_.node(index).op_type();
    if (type == "Conv" || type == "ConvTranspose") {
      if (shift_operand(index, 2, correction, output)) return;
    } else if (axis + 1 == output.shape.size()) {
      const auto& node = messages_.node(index);
      if (type == "Gemm" && float_attribute(node, "beta", 1) == 1 && shift_operand(index, 2, correction, output))
        return;
      const auto [addition, port] = addition_behind(output);
      if (addition != kNone && shift_operand(addition, port, correction, output)) return;
    }
    Shape shape(output.shape.size() - axis, 1);
    shape[0] = count;
    const std::string name = names_.unique(correction.node + "/bias_shift");
    add_constant(network_, name, Tensor::copy_of(correction.shift, shape).cast(output.type));
    shifts_.emplace(index, name);
  }

  // Adds the shift to a constant with the channels on its last axis, or makes it the operand where there is none. False
  // where the operand is something else.
  bool shift_operand(int index, int port, const BiasShift& correction, const Value& output) {
    auto& node = *messages_.mutable_node(index);
    const std::string bias = input_of(node, port);
    const auto constant = network_.constants.find(bias);
    const auto count = static_cast<std::int64_t>(correction.shift.size());
    std::vector<float> sum = correction.shift;
    Shape shape = {count};
    if (!bias.empty()) {
      if (constant == network_.constants.end()) return false;
      shape = constant->second.shape();
      if (shape.empty() || shape.back() != count) {
        if (port == 2 && node.op_type() != "Gemm") refuse_shift(correction, output);
        return false;
      }
      sum = constant->second.to_floats();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += correction.shift[i % correction.shift.size()];
    }
    const std::string name = names_.unique(bias.empty() ? correction.node + "/bias" : bias + "/corrected");
    add_constant(network_, name, Tensor::copy_of(sum, shape).cast(output.type));
    while (node.input_size() <= port) node.add_input();
    node.set_input(port, name);
    slots_[static_cast<std::size_t>(index)].resize(static_cast<std::size_t>(node.input_size()));
    return true;
  }

  // The addition of a constant that alone reads a value, as the product gives it, and the port of the constant.
  std::pair<int, int> addition_behind(const Value& value) const {
    if (value.uses.size() != 1) return {kNone, 0};
    const Use& use = value.uses[0];
    const Node& reader = graph_.node(use.node);
    if (reader.kind != OpKind::kAdd) return {kNone, 0};
    const int index = operation(reader.name);
    const auto& slots = slots_[static_cast<std::size_t>(index)];
    const bool is_quantized = std::ranges::any_of(slots, [](const Pair* pair) { return pair != nullptr; });
    return {is_quantized ? kNone : index, 1 - use.port};
  }

  [[noreturn]] static void refuse_shift(const BiasShift& correction, const Value& output) {
    throw InvalidArgument(fmt::format(
        "[plan] node '{}': a shift of {} channels for an output {}; a plan made for this very model is needed",
        correction.node, correction.shift.size(), output.known_rank ? to_string(output.shape) : "of unknown shape"));
  }

  // By the range: int8 where it has negative values, else uint8 (and from kUnsignedOpset on in any case). But kernels
  // read and give one type, so where both meet at an operation, all are uint8, which has the same levels with another
  // zero point.
  void choose_types() {
    std::unordered_map<std::string_view, int> givers;
    for (int i = 0; i < messages_.node_size(); ++i) {
      for (const auto& output : messages_.node(i).output()) givers.emplace(output, i);
    }
    const auto giver_of = [&](const std::string& value) {
      const auto found = givers.find(value);
      return found == givers.end() ? kNone : found->second;
    };
    Components operations(static_cast<std::size_t>(messages_.node_size()));
    const auto join = [&](int a, int b) {
      if (a != kNone && b != kNone) operations.join(static_cast<std::size_t>(a), static_cast<std::size_t>(b));
    };
    std::map<Pair*, int> first;  // an operation at the pair; kNone: there is none
    for (const auto& [value, pairs] : pairs_) {
      for (const auto& pair : pairs) first.emplace(pair.get(), giver_of(value));
    }
    for (int i = 0; i < messages_.node_size(); ++i) {
      const auto& node = messages_.node(i);
      if (node.op_type() == "Relu" || node.op_type() == "Clip") join(i, giver_of(node.input(0)));
      for (Pair* pair : slots_[static_cast<std::size_t>(i)]) {
        if (pair == nullptr || pair->quantizer->kind == SiteKind::kWeight) continue;
        join(i, first[pair]);
        first[pair] = i;
      }
    }
    std::set<std::size_t> unsigned_ones;
    for (const auto& [pair, operation] : first) {
      pair->is_signed = has_negative(pair->quantizer->range) && opset_of(network_.model) < kUnsignedOpset;
      if (operation != kNone && !pair->is_signed && pair->quantizer->kind != SiteKind::kWeight)
        unsigned_ones.insert(operations.root(static_cast<std::size_t>(operation)));
    }
    for (const auto& [pair, operation] : first) {
      if (operation != kNone && unsigned_ones.contains(operations.root(static_cast<std::size_t>(operation))))
        pair->is_signed = false;
    }
  }

  // ONNX Runtime rounds the bias in front of a quantized convolution to 32 bits, in steps of the product of both
  // scales. Where weights are next to nothing (channels that were pruned), the bias would be beyond what this reaches.
  void leave_room_for_bias(const proto::NodeProto& node, const std::vector<Pair*>& slots) {
    constexpr float kMostSteps = 1U << 30U;
    const auto bias = network_.constants.find(input_of(node, 2));
    if (bias == network_.constants.end() || !is_float(bias->second.type())) return;
    if (slots[0] == nullptr || slots[1] == nullptr || slots[1]->quantizer->kind != SiteKind::kWeight) return;
    std::vector<float>& least = slots[1]->least_scale;
    least.resize(slots[1]->quantizer->range.low.size(), 0);
    const std::vector<float> scales = grid_of(*slots[0]->quantizer, slots[0]->is_signed).scale;
    const float step = *std::ranges::min_element(scales) * kMostSteps;
    const std::vector<float> values = bias->second.to_floats();
    for (std::size_t i = 0; i < values.size(); ++i) {
      float& scale = least[i % least.size()];
      scale = std::max(scale, std::abs(values[i]) / step);
    }
  }

  // Writing: the operations in their order, in front of each the quantizers that it is the first to read from.

  void write() {
    for (auto& [value, name] : float_names_) name = names_.unique(value + "/float");
    for (auto& info : *messages_.mutable_value_info()) info.set_name(float_name(info.name()));
    google::protobuf::RepeatedPtrField<proto::NodeProto> before;
    before.Swap(messages_.mutable_node());
    for (const int index : order_) write(before[index], index);
    for (const auto& [value, pair] : outputs_) write(*pair);
  }

  const std::string& float_name(const std::string& value) const {
    const auto found = float_names_.find(value);
    return found == float_names_.end() ? value : found->second;
  }

  void write(proto::NodeProto& node, int index) {
    const auto& slots = slots_[static_cast<std::size_t>(index)];
    for (int port = 0; port < node.input_size(); ++port) {
      Pair* pair = slots[static_cast<std::size_t>(port)];
      const std::string& now = pair == nullptr ? float_name(node.input(port)) : write(*pair);
      if (now != node.input(port)) node.set_input(port, now);
    }
    for (auto& output : *node.mutable_output()) {
      if (float_names_.contains(output)) output = float_name(output);
    }
    const auto shift = shifts_.find(index);
    if (shift == shifts_.end()) {
      messages_.add_node()->Swap(&node);
      return;
    }
    const std::string sum = node.output(0);
    node.set_output(0, names_.unique(sum + "/unshifted"));
    const std::string product = node.output(0);
    messages_.add_node()->Swap(&node);
    add_node("Add", names_.unique(shift->second + "/add"), {product, shift->second}, sum);
  }

  proto::NodeProto& add_node(const std::string& type, const std::string& name, const std::vector<std::string>& inputs,
                             const std::string& output) {
    auto& node = *messages_.add_node();
    node.set_op_type(type);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }

  // The names that NNCF gives, with the first number for which all are free.
  std::string free_suffix(const std::string& value) {
    for (int number = 1;; ++number) {
      const std::string suffix = fmt::format("_{}_{}", value, number);
      constexpr std::string_view kPrefixes[] = {"QuantizeLinear", "DequantizeLinear", "q_output", "dq_output",
                                                "scale",          "zero_point"};
      const auto is_taken = [&](std::string_view prefix) {
        return names_.contains(fmt::format("{}{}", prefix, suffix));
      };
      if (std::ranges::any_of(kPrefixes, is_taken)) continue;
      for (const std::string_view prefix : kPrefixes) names_.insert(fmt::format("{}{}", prefix, suffix));
      return suffix;
    }
  }

  // Writes the pair, unless it is written, and gives the name of its result.
  const std::string& write(Pair& pair) {
    if (pair.is_written) return pair.result;
    pair.is_written = true;
    const std::string source = pair.source == nullptr ? float_name(pair.value) : write(*pair.source);
    const std::string suffix = free_suffix(pair.value);
    pair.result = pair.gives_output ? pair.value : "dq_output" + suffix;
    if (pair.quantizer->kind != SiteKind::kWeight)
      write_activation(pair, source, suffix);
    else if (compress_weights_)
      write_weight(pair, suffix);
    else
      write_float_weight(pair, suffix);
    return pair.result;
  }

  void write_activation(const Pair& pair, std::string source, const std::string& suffix) {
    const Grid grid = grid_of(*pair.quantizer, pair.is_signed);
    const std::vector<std::string> parameters = add_parameters(grid, suffix);
    if (type_of(pair) != ElementType::kF32) {
      const std::string wide = names_.unique("cast" + suffix);
      set_attribute(add_node("Cast", wide, {source}, wide), "to", proto::TensorProto::FLOAT);
      source = wide;
    }
    if (!pair.quantizer->smoothing.empty()) source = write_division(*pair.quantizer, source, suffix);
    write_quantize(pair, source, parameters, suffix);
    write_dequantize(pair, parameters, suffix);
  }

  // Multiplies by the reciprocal, which is faster.
  std::string write_division(const Quantizer& quantizer, const std::string& source, const std::string& suffix) {
    std::vector<float> factors;
    for (const float divisor : quantizer.smoothing) factors.push_back(1 / divisor);
    const std::string name = names_.unique("smoothing" + suffix);
    Shape shape(value_read(quantizer).shape.size() - static_cast<std::size_t>(quantizer.smoothing_axis), 1);
    shape[0] = static_cast<std::int64_t>(factors.size());
    add_constant(network_, name, Tensor::copy_of(factors, shape));
    const std::string result = names_.unique("smoothed" + suffix);
    add_node("Mul", result, {source, name}, result);
    return result;
  }

  // The weight in floating point, as the quantizer wants it: with its rows multiplied, where it is smoothed.
  std::vector<float> weight_values(const Pair& pair) const {
    const Quantizer& quantizer = *pair.quantizer;
    const Tensor& weight = network_.constants.at(pair.value);
    std::vector<float> values = weight.to_floats();
    if (!quantizer.smoothing.empty())
      adjust_channels(values, weight.shape(), std::vector{quantizer.smoothing_axis}, quantizer.smoothing);
    return values;
  }

  Range weight_range(const Pair& pair) const {
    Range range = with_zero_on_a_level(pair.quantizer->range);
    widen(range, pair.least_scale);
    return range;
  }

  void write_weight(const Pair& pair, const std::string& suffix) {
    const Quantizer& quantizer = *pair.quantizer;
    if (quantizer.range.levels > 256) refuse_levels(quantizer);
    const Shape shape = network_.constants.at(pair.value).shape();
    const Range range = weight_range(pair);
    // Another range has other nearest levels, which the rounding knows nothing of.
    const auto rounding = range == quantizer.range ? quantizer.rounding : std::vector<std::int8_t>();
    const QuantizedTensor packed = quantize_tensor(weight_values(pair), shape, quantizer.channel_axes, range, rounding);
    // Always int8: with int8 activations runtimes take no other weights.
    const int offset = packed.lowest + range.levels - 1 > 127 ? 128 : 0;
    std::vector<std::int8_t> levels(packed.levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<std::int8_t>(packed.levels[i] - offset);
    Grid grid;
    grid.scale = packed.scale;
    for (std::size_t c = 0; c < grid.scale.size(); ++c) {
      const float zero = packed.zero_point.empty() ? 0 : packed.zero_point[c];
      grid.zero_point.push_back(zero_point_of(quantizer, c, zero - static_cast<float>(offset), -128));
    }
    add_constant(network_, "q_output" + suffix, tensor_of(ElementType::kI8, levels, shape));
    write_dequantize(pair, add_parameters(grid, suffix), suffix);
  }

  // Rounded when the model is loaded, by a QuantizeLinear behind the weight.
  void write_float_weight(const Pair& pair, const std::string& suffix) {
    Quantizer quantizer = *pair.quantizer;
    quantizer.range = weight_range(pair);
    const std::vector<std::string> parameters = add_parameters(grid_of(quantizer, true), suffix);
    std::string source = pair.value;
    if (!quantizer.smoothing.empty() || !quantizer.rounding.empty() || type_of(pair) != ElementType::kF32) {
      source = names_.unique("weight" + suffix);
      const Shape& shape = network_.constants.at(pair.value).shape();
      std::vector<float> values = weight_values(pair);
      if (!quantizer.rounding.empty()) values = rounded(values, shape, quantizer);
      add_constant(network_, source, Tensor::copy_of(values, shape));
    }
    write_quantize(pair, source, parameters, suffix);
    write_dequantize(pair, parameters, suffix);
  }

  std::vector<std::string> add_parameters(const Grid& grid, const std::string& suffix) {
    const Shape shape = grid.scale.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(grid.scale.size())};
    add_constant(network_, "scale" + suffix, Tensor::copy_of(grid.scale, shape));
    add_constant(network_, "zero_point" + suffix,
                 tensor_of(grid.is_signed ? ElementType::kI8 : ElementType::kU8, grid.zero_point, shape));
    return {"scale" + suffix, "zero_point" + suffix};
  }

  void write_quantize(const Pair& pair, const std::string& source, const std::vector<std::string>& parameters,
                      const std::string& suffix) {
    auto& quantize = add_node("QuantizeLinear", "QuantizeLinear" + suffix, {source, parameters[0], parameters[1]},
                              "q_output" + suffix);
    set_axis(quantize, *pair.quantizer);
  }

  void write_dequantize(const Pair& pair, const std::vector<std::string>& parameters, const std::string& suffix) {
    const bool is_single = type_of(pair) == ElementType::kF32;
    const std::string output = is_single ? pair.result : names_.unique("cast_input" + suffix);
    auto& dequantize = add_node("DequantizeLinear", "DequantizeLinear" + suffix,
                                {"q_output" + suffix, parameters[0], parameters[1]}, output);
    set_axis(dequantize, *pair.quantizer);
    if (is_single) return;
    auto& cast = add_node("Cast", names_.unique("cast_output" + suffix), {output}, pair.result);
    set_attribute(cast, "to", to_data_type(type_of(pair)));
  }

  static void set_axis(proto::NodeProto& node, const Quantizer& quantizer) {
    if (quantizer.range.low.size() > 1) set_attribute(node, "axis", quantizer.channel_axes[0]);
  }

  ElementType type_of(const Pair& pair) const { return value_read(*pair.quantizer).type; }

  Network& network_;
  proto::GraphProto& messages_;
  bool compress_weights_ = true;
  const Graph& graph_;
  Names names_;
  std::vector<int> order_;                                           // of the base
  std::unordered_map<std::string, int> nodes_;                       // indices, by name
  std::unordered_set<std::string> can_be_renamed_;                   // values
  std::map<std::string, std::vector<std::unique_ptr<Pair>>> pairs_;  // by value
  std::vector<std::vector<Pair*>> slots_;           // what an input of a node reads in place of its value, by index
  std::map<std::string, Pair*> outputs_;            // what gives an output of the model
  std::map<std::string, std::string> float_names_;  // of values whose name went over to a quantizer's result
  std::map<int, std::string> shifts_;               // what is added behind a node
};

}  // namespace

void rescale(Network& copy, const Plan& plan) {
  Names names(copy.model.graph());
  std::unordered_map<std::string, int> nodes;
  for (int i = 0; i < copy.model.graph().node_size(); ++i) nodes.emplace(copy.model.graph().node(i).name(), i);
  for (const Rescaling& rescaling : plan.rescalings) {
    for (const AdjustedConstant& adjusted : rescaling.constants) adjust_constant(copy, nodes, names, adjusted);
  }
  drop_unused(copy);
}

void rewrite(Network& copy, const Graph& graph, const Plan& plan) { Rewriter(copy, graph).run(plan); }

}  // namespace tightrope::onnx
