// SPDX-License-Identifier: Apache-2.0
#include "onnx/messages.h"
#include "onnx/shape_rules.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {

// Extents from the end on; 1 gives way, and an open one to what is certain.
Found broadcast(const Shape& a, const Shape& b) {
  Shape shape = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const std::size_t offset = shape.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    std::int64_t& extent = shape[offset + i];
    if (extent == 1 || (extent < 0 && shorter[i] > 1)) extent = shorter[i];
  }
  return shape;
}

Found same(const NodeFacts& facts) { return shape_of(facts.input(0)); }

Found all_broadcast(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  for (std::size_t port = 1; shape && port < facts.inputs.size(); ++port) {
    const Found other = shape_of(facts.inputs[port]);
    shape = other ? broadcast(*shape, *other) : std::nullopt;
  }
  return shape;
}

namespace {

// Extents of a window that moves over the data, by the padding of the standard.
std::int64_t windows(const NodeFacts& facts, std::int64_t extent, std::int64_t kernel, std::size_t axis,
                     std::size_t axes) {
  const auto at = [&](std::string_view name, std::size_t index, std::int64_t otherwise) {
    const auto values = ints_attribute(facts.node, name);
    return index < values.size() ? values[index] : otherwise;
  };
  const std::int64_t stride = at("strides", axis, 1);
  const std::int64_t dilation = at("dilations", axis, 1);
  const std::int64_t most = std::int64_t{1} << 40;
  const auto sane = [&](std::int64_t value) { return value >= 0 && value < most; };
  const std::int64_t before = at("pads", axis, 0);
  const std::int64_t after = at("pads", axis + axes, 0);
  if (!sane(extent) || kernel < 1 || stride < 1 || dilation < 1 || !sane(kernel) || !sane(stride) || !sane(before) ||
      !sane(after) || dilation > (std::int64_t{1} << 20) || kernel > (std::int64_t{1} << 20))
    return -1;
  const std::string_view padding = text_attribute(facts.node, "auto_pad", "NOTSET");
  if (padding.starts_with("SAME")) return (extent + stride - 1) / stride;
  const std::int64_t covered = extent + (padding == "VALID" ? 0 : before + after) - ((kernel - 1) * dilation + 1);
  if (covered < 0) return -1;
  const bool up = int_attribute(facts.node, "ceil_mode", 0) != 0;
  return up && covered % stride != 0 ? -1 : covered / stride + 1;  // rounding up differs between versions
}

}  // namespace

Found convolution(const NodeFacts& facts) {
  const Found data = shape_of(facts.input(0));
  const Found weight = shape_of(facts.input(1));
  if (!data || data->size() < 2) return std::nullopt;
  Shape shape(data->size(), -1);
  shape[0] = (*data)[0];
  if (!weight || weight->size() != data->size()) return shape;
  if (facts.node.op_type() == "ConvTranspose") {
    const std::int64_t group = int_attribute(facts.node, "group", 1);
    std::int64_t channels = 0;
    const bool fits = (*weight)[1] >= 0 && group >= 1 && !__builtin_mul_overflow((*weight)[1], group, &channels);
    shape[1] = fits ? channels : -1;
    return shape;
  }
  shape[1] = (*weight)[0];
  for (std::size_t i = 2; i < shape.size(); ++i)
    shape[i] = windows(facts, (*data)[i], (*weight)[i], i - 2, shape.size() - 2);
  return shape;
}

Found pooling(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  if (!shape || shape->size() < 2) return std::nullopt;
  const auto kernel = ints_attribute(facts.node, "kernel_shape");
  for (std::size_t i = 2; i < shape->size(); ++i) {
    const std::int64_t size = i - 2 < kernel.size() ? kernel[i - 2] : -1;
    (*shape)[i] = windows(facts, (*shape)[i], size, i - 2, shape->size() - 2);
  }
  return shape;
}

Found global_pooling(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  for (std::size_t i = 2; shape && i < shape->size(); ++i) (*shape)[i] = 1;
  return shape;
}

Found matrix_product(const NodeFacts& facts) {
  Found a = shape_of(facts.input(0));
  Found b = shape_of(facts.input(1));
  if (!a || !b || a->empty() || b->empty()) return std::nullopt;
  const bool left_vector = a->size() == 1;
  const bool right_vector = b->size() == 1;
  if (left_vector) a->insert(a->begin(), 1);
  if (right_vector) b->push_back(1);
  Found shape = broadcast(Shape(a->begin(), a->end() - 2), Shape(b->begin(), b->end() - 2));
  if (!left_vector) shape->push_back((*a)[a->size() - 2]);
  if (!right_vector) shape->push_back(b->back());
  return shape;
}

Found general_product(const NodeFacts& facts) {
  const Found a = shape_of(facts.input(0));
  const Found b = shape_of(facts.input(1));
  Shape shape = {-1, -1};
  if (a && a->size() == 2) shape[0] = (*a)[int_attribute(facts.node, "transA", 0) != 0 ? 1 : 0];
  if (b && b->size() == 2) shape[1] = (*b)[int_attribute(facts.node, "transB", 0) != 0 ? 0 : 1];
  return shape;
}

Found reduction(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  if (!from) return std::nullopt;
  const bool keeps = int_attribute(facts.node, "keepdims", 1) != 0;
  const bool one = facts.node.op_type().starts_with("Arg");
  bool given = one;
  const auto axes = one ? std::optional(std::vector{int_attribute(facts.node, "axis", 0)})
                        : axes_of(facts.network, facts.node, 1, given);
  if (!axes) return keeps ? open_shape(from->size()) : std::nullopt;
  const bool all = axes->empty() && int_attribute(facts.node, "noop_with_empty_axes", 0) == 0;
  Shape shape = *from;
  std::vector<bool> leaves(shape.size(), all);
  for (const std::int64_t axis : *axes) {
    if (const auto at = axis_of(axis, shape.size())) leaves[*at] = true;
  }
  Shape rest;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!leaves[i] || keeps) rest.push_back(leaves[i] ? 1 : shape[i]);
  }
  return rest;
}

Found shape_vector(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  const bool whole = find_attribute(facts.node, "start") == nullptr && find_attribute(facts.node, "end") == nullptr;
  return Shape{from && whole ? static_cast<std::int64_t>(from->size()) : -1};
}

Found scalar(const NodeFacts&) { return Shape{}; }
Found vector(const NodeFacts&) { return Shape{-1}; }

Found filled(const NodeFacts& facts) {
  const auto wanted = constant_ints(facts.network, input_of(facts.node, 0));
  if (wanted && std::ranges::all_of(*wanted, [](std::int64_t extent) { return extent >= 0; })) return *wanted;
  const std::int64_t rank = length_of(facts.input(0));
  return rank >= 0 ? open_shape(static_cast<std::size_t>(rank)) : std::nullopt;
}

// [steps, directions, batch, hidden]; the states that follow have no steps.
Found recurrent(const NodeFacts& facts) {
  const std::string_view direction = text_attribute(facts.node, "direction", "forward");
  Shape shape = {-1, direction == "bidirectional" ? 2 : 1, -1, int_attribute(facts.node, "hidden_size", -1)};
  const Found data = shape_of(facts.input(0));
  if (int_attribute(facts.node, "layout", 0) != 0) return open_shape(4);
  if (data && data->size() == 3) shape[0] = (*data)[0], shape[2] = (*data)[1];
  return shape;
}

}  // namespace tightrope::onnx
