// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <map>
#include <openvino/op/ops.hpp>
#include <unordered_map>

#include "kernels/channels.h"
#include "kernels/float8.h"
#include "kernels/quantize.h"
#include "kernels/rounded.h"
#include "openvino/bodies.h"
#include "openvino/convert.h"
#include "openvino/openvino_model.h"
#include "tightrope/error.h"

namespace tightrope::openvino {
namespace {

using NodeMap = std::unordered_map<std::string, std::shared_ptr<ov::Node>>;

std::shared_ptr<ov::Node> find(const NodeMap& nodes, const std::string& name) {
  const auto found = nodes.find(name);
  if (found != nodes.end()) return found->second;
  throw InvalidArgument(
      fmt::format("[plan] node '{}' is not in the model; a plan made for this very model is needed", name));
}

[[noreturn]] void refuse(const Quantizer& quantizer, const std::string& found) {
  throw InvalidArgument(fmt::format("[plan] node '{}', port {}: {}; a plan made for this very model is needed",
                                    quantizer.node, quantizer.port, found));
}

template <typename T>
std::shared_ptr<ov::op::v0::Constant> constant(const std::string& name, const ov::element::Type& type,
                                               const ov::Shape& shape, const std::vector<T>& values) {
  auto node = std::make_shared<ov::op::v0::Constant>(type, shape, values);
  node->set_friendly_name(name);
  return node;
}

// The shape of a quantizer's limits: a scalar, or the kept axes of the tensor.
ov::Shape limits_shape(const Quantizer& quantizer, const ov::PartialShape& tensor) {
  if (quantizer.range.low.size() == 1) return {};
  if (tensor.rank().is_dynamic()) refuse(quantizer, "the tensor has no known rank for a range per channel");
  ov::Shape shape(static_cast<std::size_t>(tensor.rank().get_length()), 1);
  std::size_t count = 1;
  for (const int axis : quantizer.channel_axes) {
    const auto index = static_cast<std::size_t>(axis);
    if (axis < 0 || index >= shape.size() || tensor[axis].is_dynamic())
      refuse(quantizer, fmt::format("axis {} is no channel axis", axis));
    shape[index] = static_cast<std::size_t>(tensor[axis].get_length());
    count *= shape[index];
  }
  if (count != quantizer.range.low.size()) {
    refuse(quantizer, fmt::format("{} ranges for {} channels", quantizer.range.low.size(), count));
  }
  return shape;
}

// Smoothing has an entry for each channel of its axis.
void check_smoothing(const Quantizer& quantizer, const ov::PartialShape& shape) {
  if (quantizer.smoothing.empty()) return;
  const auto channels = static_cast<ov::Dimension::value_type>(quantizer.smoothing.size());
  const std::ptrdiff_t axis = quantizer.smoothing_axis;
  if (shape.rank().is_dynamic() || axis < 0 || axis >= shape.rank().get_length() || shape[axis] != channels ||
      (quantizer.kind != SiteKind::kWeight && quantizer.range.low.size() != 1))
    refuse(quantizer, fmt::format("a smoothing of {} channels for {}", channels, shape.to_string()));
}

bool is_float8(const Quantizer& quantizer) { return quantizer.config.format != NumberFormat::kInteger; }

ov::element::Type type_of(NumberFormat format) {
  return format == NumberFormat::kF8E4M3 ? ov::element::f8e4m3 : ov::element::f8e5m2;
}

// By its kind of quantizer, as NNCF names it: "conv/fq_input_0", "conv/fc_input_0".
std::string name_of(const Quantizer& quantizer) {
  constexpr std::string_view kSites[] = {"output", "input", "weights"};  // in the order of SiteKind
  return fmt::format("{}/{}_{}_{}", quantizer.node, is_float8(quantizer) ? "fc" : "fq",
                     kSites[static_cast<std::size_t>(quantizer.kind)], quantizer.port);
}

// The channels of the data divided: multiplied by the reciprocals, which is faster.
ov::Output<ov::Node> divided(const ov::Output<ov::Node>& source, const Quantizer& quantizer) {
  const ov::element::Type type = source.get_element_type();
  if (!type.is_real()) refuse(quantizer, fmt::format("the tensor is {}, not floating point", type.get_type_name()));
  if (quantizer.smoothing.empty()) return source;
  check_smoothing(quantizer, source.get_partial_shape());
  const std::string name = name_of(quantizer);
  std::vector<float> factors;
  for (const float divisor : quantizer.smoothing) factors.push_back(1 / divisor);
  const auto axis = static_cast<std::size_t>(quantizer.smoothing_axis);
  ov::Shape shape(static_cast<std::size_t>(source.get_partial_shape().rank().get_length()) - axis, 1);
  shape[0] = factors.size();
  const auto factor = constant(name + "/smoothing", source.get_element_type(), shape, factors);
  const auto product = std::make_shared<ov::op::v1::Multiply>(source, factor);
  product->set_friendly_name(name + "/smoothed");
  return product;
}

// FakeQuantize, or FakeConvert for 8-bit floating point.
std::shared_ptr<ov::Node> fake_node(const ov::Output<ov::Node>& source, const Quantizer& quantizer) {
  const ov::element::Type type = source.get_element_type();
  const ov::Shape shape = limits_shape(quantizer, source.get_partial_shape());
  const std::string name = name_of(quantizer);
  const auto limit = [&](const std::string& part, std::vector<float> values) {
    // A float16 tensor cannot hold limits beyond its own.
    if (type == ov::element::f16) {
      for (float& value : values) value = std::clamp(value, -65504.0F, 65504.0F);
    }
    return constant(name + part, type, shape, values);
  };
  std::shared_ptr<ov::Node> node;
  if (is_float8(quantizer)) {
    const std::vector<float> scale = float8_scale(quantizer.range, quantizer.config.format);
    node = std::make_shared<ov::op::v13::FakeConvert>(source, limit("/scale", scale),
                                                      limit("/shift", std::vector<float>(scale.size())),
                                                      type_of(quantizer.config.format));
  } else {
    node = std::make_shared<ov::op::v0::FakeQuantize>(
        source, limit("/input_low", quantizer.range.low), limit("/input_high", quantizer.range.high),
        limit("/output_low", quantizer.range.low), limit("/output_high", quantizer.range.high),
        static_cast<std::size_t>(quantizer.range.levels));
  }
  node->set_friendly_name(name);
  return node;
}

void quantize_output(const NodeMap& nodes, const Quantizer& quantizer) {
  const auto node = find(nodes, quantizer.node);
  if (quantizer.port < 0 || static_cast<std::size_t>(quantizer.port) >= node->get_output_size())
    refuse(quantizer, "no such output");
  ov::Output<ov::Node> output = node->output(static_cast<std::size_t>(quantizer.port));
  const auto consumers = output.get_target_inputs();
  const auto quantized = fake_node(divided(output, quantizer), quantizer);
  for (auto consumer : consumers) {
    // A shape does not depend on the elements, and reads them cheaper from the original.
    if (std::string_view(consumer.get_node()->get_type_name()) != "ShapeOf") consumer.replace_source_output(quantized);
  }
}

// Quantizers of one tensor that agree in everything are one node.
using SharedInputs = std::map<std::pair<ov::Output<ov::Node>, std::string>, std::shared_ptr<ov::Node>>;

std::string key_of(const Quantizer& quantizer) {
  return fmt::format("{} {} {} {} {} {} {} {}", fmt::join(quantizer.channel_axes, ","),
                     static_cast<int>(quantizer.config.format), quantizer.range.levels,
                     fmt::join(quantizer.range.low, ","), fmt::join(quantizer.range.high, ","),
                     fmt::join(quantizer.smoothing, ","), quantizer.smoothing_axis,
                     std::string(quantizer.rounding.begin(), quantizer.rounding.end()));
}

ov::Input<ov::Node> input_of(const NodeMap& nodes, const Quantizer& quantizer) {
  const auto node = find(nodes, quantizer.node);
  if (quantizer.port < 0 || static_cast<std::size_t>(quantizer.port) >= node->get_input_size())
    refuse(quantizer, "no such input");
  return node->input(static_cast<std::size_t>(quantizer.port));
}

void quantize_input(const NodeMap& nodes, const Quantizer& quantizer, SharedInputs& shared) {
  ov::Input<ov::Node> input = input_of(nodes, quantizer);
  auto& quantized = shared[{input.get_source_output(), key_of(quantizer)}];
  if (!quantized) quantized = fake_node(divided(input.get_source_output(), quantizer), quantizer);
  input.replace_source_output(quantized);
}

// i8 wherever the levels fit, also where 4 bits would do: only that runs in 8 bits.
ov::element::Type storage_of(const QuantizedTensor& packed, const Range& range) {
  return packed.lowest + range.levels - 1 > std::numeric_limits<std::int8_t>::max() ? ov::element::u8 : ov::element::i8;
}

// With its rows multiplied, where it is smoothed.
std::vector<float> values_of(const ov::op::v0::Constant& weight, const Quantizer& quantizer) {
  const Shape shape = to_shape(weight.get_shape());
  std::vector<float> values = weight.cast_vector<float>();
  if (quantizer.smoothing.empty()) return values;
  check_smoothing(quantizer, weight.get_shape());
  adjust_channels(values, shape, std::vector{quantizer.smoothing_axis}, quantizer.smoothing);
  return values;
}

void check_rounding(const Quantizer& quantizer, std::size_t elements) {
  if (!quantizer.rounding.empty() && quantizer.rounding.size() != elements)
    refuse(quantizer, fmt::format("a rounding of {} elements for {}", quantizer.rounding.size(), elements));
}

// A weight in floating point, with a quantizer behind it.
std::shared_ptr<ov::Node> fake_weight(const ov::Output<ov::Node>& source, const ov::op::v0::Constant& weight,
                                      const Quantizer& quantizer) {
  if (quantizer.smoothing.empty() && quantizer.rounding.empty()) return fake_node(source, quantizer);
  std::vector<float> values = values_of(weight, quantizer);
  check_rounding(quantizer, values.size());
  if (!quantizer.rounding.empty()) values = rounded(values, to_shape(weight.get_shape()), quantizer);
  return fake_node(constant(name_of(quantizer) + "/adjusted", weight.get_element_type(), weight.get_shape(), values),
                   quantizer);
}

struct PackedWeight {
  std::shared_ptr<ov::op::v0::Constant> levels;
  std::vector<float> scale;
  std::vector<float> zero_point;  // empty: none
};

PackedWeight pack(const ov::op::v0::Constant& weight, const Quantizer& quantizer, const std::string& name) {
  const std::vector<float> values = values_of(weight, quantizer);
  const Shape shape = to_shape(weight.get_shape());
  if (is_float8(quantizer)) {
    Float8Tensor packed =
        float8_tensor(values, shape, quantizer.channel_axes, quantizer.range, quantizer.config.format);
    for (float& scale : packed.scale) scale = 1 / scale;
    return {constant(name, type_of(quantizer.config.format), weight.get_shape(), packed.levels),
            std::move(packed.scale),
            {}};
  }
  check_rounding(quantizer, values.size());
  QuantizedTensor packed = quantize_tensor(values, shape, quantizer.channel_axes, quantizer.range, quantizer.rounding);
  return {constant(name, storage_of(packed, quantizer.range), weight.get_shape(), packed.levels),
          std::move(packed.scale), std::move(packed.zero_point)};
}

// Constant(8 bits) -> Convert -> [Subtract] -> Multiply: the form that the runtime recognizes as 8-bit weights.
std::shared_ptr<ov::Node> packed_weight(const ov::op::v0::Constant& weight, const Quantizer& quantizer) {
  const std::string name = name_of(quantizer);
  const ov::Shape scale_shape = [&] {
    const ov::Shape limits = limits_shape(quantizer, weight.get_shape());
    return limits.empty() ? ov::Shape(weight.get_shape().size(), 1) : limits;  // a scale of the weight's rank
  }();
  const PackedWeight packed = pack(weight, quantizer, name + "/quantized");
  const ov::element::Type type = weight.get_element_type();
  std::shared_ptr<ov::Node> real = std::make_shared<ov::op::v0::Convert>(packed.levels, type);
  real->set_friendly_name(name + "/convert");
  if (!packed.zero_point.empty()) {
    real = std::make_shared<ov::op::v1::Subtract>(real,
                                                  constant(name + "/zero_point", type, scale_shape, packed.zero_point));
    real->set_friendly_name(name + "/subtract");
  }
  real = std::make_shared<ov::op::v1::Multiply>(real, constant(name + "/scale", type, scale_shape, packed.scale));
  real->set_friendly_name(name);
  return real;
}

void quantize_weight(const NodeMap& nodes, const Quantizer& quantizer, bool compress, SharedInputs& shared) {
  ov::Input<ov::Node> input = input_of(nodes, quantizer);
  const auto source = input.get_source_output();
  const auto* weight = ov::as_type<ov::op::v0::Constant>(source.get_node());
  if (weight == nullptr || !weight->get_element_type().is_real())
    refuse(quantizer, "the input is no floating-point constant");
  auto& quantized = shared[{source, key_of(quantizer)}];
  if (!quantized) {
    constexpr int kLevelsOfAByte = 256;
    quantized = compress && quantizer.range.levels <= kLevelsOfAByte ? packed_weight(*weight, quantizer)
                                                                     : fake_weight(source, *weight, quantizer);
  }
  input.replace_source_output(quantized);
}

// The constant operand of the one Add that follows, or nothing.
std::optional<ov::Input<ov::Node>> bias_input(const ov::Output<ov::Node>& output) {
  const auto consumers = output.get_target_inputs();
  if (consumers.size() != 1) return std::nullopt;
  ov::Node* add = consumers.begin()->get_node();
  if (!ov::is_type<ov::op::v1::Add>(add)) return std::nullopt;
  ov::Input<ov::Node> other = add->input(1 - consumers.begin()->get_index());
  if (!ov::is_type<ov::op::v0::Constant>(other.get_source_output().get_node())) return std::nullopt;
  return other;
}

// The axis of the channels of what a node gives: a product's are those of its weight, the first or the second operand.
std::size_t output_axis(const ov::Node& node, std::size_t rank, const Plan& plan) {
  if (!ov::is_type<ov::op::v0::MatMul>(&node)) return 1;
  const bool weight_is_first = std::ranges::any_of(plan.quantizers, [&](const Quantizer& quantizer) {
    return quantizer.kind == SiteKind::kWeight && quantizer.port == 0 && quantizer.node == node.get_friendly_name();
  });
  return rank - (weight_is_first ? 2 : 1);
}

void shift_bias(const NodeMap& nodes, const BiasShift& correction, const Plan& plan) {
  const auto node = find(nodes, correction.node);
  const ov::PartialShape shape = node->get_output_partial_shape(0);
  if (shape.rank().is_dynamic()) {
    throw InvalidArgument(fmt::format("[plan] node '{}': its output has no known rank for a bias", correction.node));
  }
  const auto rank = static_cast<std::size_t>(shape.rank().get_length());
  const std::size_t axis = rank < 2 ? 0 : output_axis(*node, rank, plan);
  if (rank < 2 || !shape[static_cast<std::ptrdiff_t>(axis)].compatible(correction.shift.size())) {
    throw InvalidArgument(fmt::format(
        "[plan] node '{}': a shift of {} channels for an output {}; a plan made for this very model is needed",
        correction.node, correction.shift.size(), shape.to_string()));
  }
  ov::Shape bias_shape(axis + 1 == rank ? 1 : rank, 1);
  bias_shape[axis + 1 == rank ? 0 : axis] = correction.shift.size();
  const ov::element::Type type = node->get_output_element_type(0);
  const auto shift = constant(correction.node + "/bias_shift", type, bias_shape, correction.shift);
  if (const auto bias = bias_input(node->output(0))) {
    const auto sum = std::make_shared<ov::op::v1::Add>(bias->get_source_output(), shift);
    ov::OutputVector folded(1);
    if (!sum->constant_fold(folded, sum->input_values())) {
      throw InternalError(fmt::format("[apply] node '{}': the bias could not be added up", correction.node));
    }
    folded[0].get_node()->set_friendly_name(correction.node + "/corrected_bias");
    ov::Input<ov::Node>(*bias).replace_source_output(folded[0]);
    return;
  }
  const auto consumers = node->output(0).get_target_inputs();
  const auto sum = std::make_shared<ov::op::v1::Add>(node->output(0), shift);
  sum->set_friendly_name(correction.node + "/add_bias_shift");
  for (auto consumer : consumers) consumer.replace_source_output(sum);
}

void adjust_constant(const NodeMap& nodes, const AdjustedConstant& adjusted) {
  const auto node = find(nodes, adjusted.node);
  const auto fail = [&](const std::string& found) {
    throw InvalidArgument(fmt::format("[plan] node '{}', port {}: {}; a plan made for this very model is needed",
                                      adjusted.node, adjusted.port, found));
  };
  if (adjusted.port < 0 || static_cast<std::size_t>(adjusted.port) >= node->get_input_size()) fail("no such input");
  ov::Input<ov::Node> input = node->input(static_cast<std::size_t>(adjusted.port));
  const auto* before = ov::as_type<ov::op::v0::Constant>(input.get_source_output().get_node());
  if (before == nullptr || !before->get_element_type().is_real()) fail("the input is no floating-point constant");
  const Shape shape = to_shape(before->get_shape());
  if (!numbers_channels(shape, adjusted.axes, adjusted.factors.size()))
    fail(fmt::format("{} factors for a constant {}", adjusted.factors.size(), to_string(shape)));
  std::vector<float> values = before->cast_vector<float>();
  adjust_channels(values, shape, adjusted.axes, adjusted.factors, adjusted.addends);
  const auto after = constant(before->get_friendly_name(), before->get_element_type(), before->get_shape(), values);
  input.replace_source_output(after);
}

}  // namespace

void rewrite(ov::Model& clone, const Plan& plan) {
  NodeMap nodes;
  for (const auto& node : nodes_of(clone)) nodes.emplace(node->get_friendly_name(), node);
  for (const Rescaling& rescaling : plan.rescalings) {
    for (const AdjustedConstant& constant : rescaling.constants) adjust_constant(nodes, constant);
  }
  SharedInputs shared;
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.range.low.empty()) refuse(quantizer, "no range");
    if (quantizer.kind == SiteKind::kWeight) quantize_weight(nodes, quantizer, plan.compress_weights, shared);
  }
  // Inputs first: they read from the tensor itself, where an output quantizer stands between it and all its consumers.
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind == SiteKind::kInput) quantize_input(nodes, quantizer, shared);
  }
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind == SiteKind::kOutput) quantize_output(nodes, quantizer);
  }
  for (const BiasShift& shift : plan.bias_shifts) shift_bias(nodes, shift, plan);
  revalidate(clone);
}

}  // namespace tightrope::openvino
