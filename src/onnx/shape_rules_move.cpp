// SPDX-License-Identifier: Apache-2.0
// Operators that only move, copy or select elements.
#include <limits>

#include "onnx/messages.h"
#include "onnx/shape_rules.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {

Found reshape(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  const auto wanted = constant_ints(facts.network, input_of(facts.node, 1));
  if (!wanted) {
    const std::int64_t rank = length_of(facts.input(1));
    return rank >= 0 ? open_shape(static_cast<std::size_t>(rank)) : std::nullopt;
  }
  const bool allows_zero = int_attribute(facts.node, "allowzero", 0) != 0;
  return from ? reshaped(*from, *wanted, allows_zero) : open_shape(wanted->size());
}

Found flatten(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  if (!from) return Shape{-1, -1};
  const std::int64_t axis = int_attribute(facts.node, "axis", 1);
  const auto rank = static_cast<std::int64_t>(from->size());
  const std::int64_t at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at > rank) return Shape{-1, -1};
  return Shape{product(Shape(from->begin(), from->begin() + at)).value_or(-1),
               product(Shape(from->begin() + at, from->end())).value_or(-1)};
}

Found squeeze(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  bool given = false;
  const auto axes = axes_of(facts.network, facts.node, 1, given);
  if (!from || !axes || (given && axes->empty())) return std::nullopt;
  return squeezed(*from, *axes);
}

Found unsqueeze(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  bool given = false;
  const auto axes = axes_of(facts.network, facts.node, 1, given);
  return from && axes ? unsqueezed(*from, *axes) : std::nullopt;
}

Found transpose(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  if (!from) return std::nullopt;
  const auto order = permutation(facts.node, from->size());
  if (!order) return std::nullopt;
  Shape shape;
  for (const int axis : *order) shape.push_back((*from)[static_cast<std::size_t>(axis)]);
  return shape;
}

Found concat(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  if (!shape) return std::nullopt;
  const auto axis = axis_of(int_attribute(facts.node, "axis", 1), shape->size());
  if (!axis) return std::nullopt;
  for (std::size_t port = 1; port < facts.inputs.size(); ++port) {
    const Found other = shape_of(facts.inputs[port]);
    const bool fits = other && other->size() == shape->size();
    std::int64_t& total = (*shape)[*axis];
    if (!fits || (*other)[*axis] < 0 || total < 0 || __builtin_add_overflow(total, (*other)[*axis], &total)) total = -1;
    for (std::size_t i = 0; fits && i < shape->size(); ++i) {
      if (i != *axis && (*shape)[i] < 0) (*shape)[i] = (*other)[i];
    }
  }
  return shape;
}

Found split(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  if (!shape) return std::nullopt;
  const auto axis = axis_of(int_attribute(facts.node, "axis", 0), shape->size());
  if (!axis) return std::nullopt;
  (*shape)[*axis] = -1;
  return shape;
}

Found gather(const NodeFacts& facts) {
  const Found data = shape_of(facts.input(0));
  const Found indices = shape_of(facts.input(1));
  if (!data || !indices) return std::nullopt;
  const auto axis = axis_of(int_attribute(facts.node, "axis", 0), data->size());
  if (!axis) return std::nullopt;
  Shape shape(data->begin(), data->begin() + static_cast<std::ptrdiff_t>(*axis));
  shape.insert(shape.end(), indices->begin(), indices->end());
  shape.insert(shape.end(), data->begin() + static_cast<std::ptrdiff_t>(*axis) + 1, data->end());
  return shape;
}

Found gather_nd(const NodeFacts& facts) {
  const Found data = shape_of(facts.input(0));
  const Found indices = shape_of(facts.input(1));
  if (!data || !indices || indices->empty() || indices->back() < 0) return std::nullopt;
  const std::int64_t rank = static_cast<std::int64_t>(data->size() + indices->size()) - 1 - indices->back() -
                            int_attribute(facts.node, "batch_dims", 0);
  return rank >= 0 ? open_shape(static_cast<std::size_t>(rank)) : std::nullopt;
}

Found like_indices(const NodeFacts& facts) { return shape_of(facts.input(1)); }

Found expand(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  if (!from) return std::nullopt;
  if (const auto wanted = constant_ints(facts.network, input_of(facts.node, 1))) return broadcast(*from, *wanted);
  const std::int64_t rank = length_of(facts.input(1));
  return rank >= 0 ? open_shape(std::max(from->size(), static_cast<std::size_t>(rank))) : std::nullopt;
}

Found blocks(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  if (!shape || shape->size() != 4) return std::nullopt;
  const std::int64_t block = int_attribute(facts.node, "blocksize", 1);
  if (block < 1 || block > 1024) return open_shape(4);
  const bool to_depth = facts.node.op_type() == "SpaceToDepth";
  const auto scale = [&](std::int64_t& extent, std::int64_t factor, bool grows) {
    if (extent >= 0 && extent < (std::int64_t{1} << 40)) extent = grows ? extent * factor : extent / factor;
  };
  scale((*shape)[1], block * block, to_depth);
  scale((*shape)[2], block, !to_depth);
  scale((*shape)[3], block, !to_depth);
  return shape;
}

// Extents along one axis, or along all of them, that depend on more than the shape.
Found opened(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  return from ? open_shape(from->size()) : std::nullopt;
}

Found one_hot(const NodeFacts& facts) {
  const Found from = shape_of(facts.input(0));
  return from ? open_shape(from->size() + 1) : std::nullopt;
}

Found pad(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  const auto pads = constant_ints(facts.network, input_of(facts.node, 1));
  if (!shape) return std::nullopt;
  if (!pads || pads->size() != 2 * shape->size() || !input_of(facts.node, 3).empty()) return opened(facts);
  for (std::size_t i = 0; i < shape->size(); ++i) {
    std::int64_t& extent = (*shape)[i];
    const std::int64_t before = (*pads)[i];
    const bool fits = extent >= 0 && !__builtin_add_overflow(extent, before, &extent) &&
                      !__builtin_add_overflow(extent, (*pads)[shape->size() + i], &extent);
    if (!fits || extent < 0) extent = -1;
  }
  return shape;
}

namespace {

// How many elements lie from `start` on before `end`, by the clamping of the standard.
std::int64_t sliced(std::int64_t extent, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (extent < 0 || step == 0 || step == std::numeric_limits<std::int64_t>::min()) return -1;
  const auto from_front = [&](std::int64_t at) { return at < 0 ? at + extent : at; };
  if (step > 0) {
    start = std::clamp<std::int64_t>(from_front(start), 0, extent);
    end = std::clamp<std::int64_t>(from_front(end), 0, extent);
    return start < end ? (end - start - 1) / step + 1 : 0;
  }
  start = std::clamp<std::int64_t>(from_front(start), -1, extent - 1);
  end = std::clamp<std::int64_t>(from_front(end), -1, extent - 1);
  return start > end ? (start - end - 1) / -step + 1 : 0;
}

}  // namespace

Found slice(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  if (!shape) return std::nullopt;
  const auto ints = [&](int port) { return constant_ints(facts.network, input_of(facts.node, port)); };
  auto axes = ints(3);
  if (input_of(facts.node, 3).empty()) {
    axes.emplace();
    const std::int64_t count = length_of(facts.input(1));
    for (std::int64_t axis = 0; axis < std::min<std::int64_t>(count, 64); ++axis) axes->push_back(axis);
  }
  if (!axes || facts.opset < 10) return opened(facts);
  const auto starts = ints(1);
  const auto ends = ints(2);
  const auto steps =
      input_of(facts.node, 4).empty() ? std::optional(std::vector<std::int64_t>(axes->size(), 1)) : ints(4);
  for (std::size_t i = 0; i < axes->size(); ++i) {
    const auto axis = axis_of((*axes)[i], shape->size());
    if (!axis) return opened(facts);
    const bool known = starts && ends && steps && i < starts->size() && i < ends->size() && i < steps->size();
    std::int64_t& extent = (*shape)[*axis];
    extent = known ? sliced(extent, (*starts)[i], (*ends)[i], (*steps)[i]) : -1;
  }
  return shape;
}

// Axes that are not scaled keep their extents; the others are opened, since rounding differs between modes.
Found resize(const NodeFacts& facts) {
  Found shape = shape_of(facts.input(0));
  const auto scales = facts.network.constants.find(input_of(facts.node, facts.opset < 11 ? 1 : 2));
  const auto sizes = constant_ints(facts.network, input_of(facts.node, 3));
  if (!shape || find_attribute(facts.node, "axes") != nullptr) return opened(facts);
  if (sizes && sizes->size() == shape->size()) return *sizes;
  if (scales == facts.network.constants.end() || scales->second.size() != shape->size()) return opened(facts);
  const std::vector<float> factors = scales->second.to_floats();
  for (std::size_t i = 0; i < shape->size(); ++i) {
    if (factors[i] != 1.0F) (*shape)[i] = -1;
  }
  return shape;
}

}  // namespace tightrope::onnx
