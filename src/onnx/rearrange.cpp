// SPDX-License-Identifier: Apache-2.0
// Shapes of operations that only rearrange elements.
#include <numeric>

#include "onnx/facts.h"
#include "onnx/messages.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {
namespace {

// Axes counted from the front, ascending; nothing where one is out of range or comes twice.
bool normalize_axes(std::vector<std::int64_t>& axes, std::size_t rank) {
  for (std::int64_t& axis : axes) {
    if (axis < 0) axis += static_cast<std::int64_t>(rank);
    if (axis < 0 || axis >= static_cast<std::int64_t>(rank)) return false;
  }
  std::ranges::sort(axes);
  return std::ranges::adjacent_find(axes) == axes.end();
}

}  // namespace

std::optional<std::int64_t> product(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return count;
}

std::optional<Shape> reshaped(const Shape& from, const std::vector<std::int64_t>& wanted, bool allows_zero) {
  Shape shape(wanted.begin(), wanted.end());
  std::ptrdiff_t open = -1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allows_zero) {
      if (i >= from.size()) return std::nullopt;
      shape[i] = from[i];
    } else if (shape[i] == -1) {
      if (open >= 0) return std::nullopt;
      open = static_cast<std::ptrdiff_t>(i);
    } else if (shape[i] < 0) {
      return std::nullopt;
    }
  }
  const auto count = product(from);
  const bool is_closed = std::ranges::all_of(shape, [](std::int64_t extent) { return extent >= 0; });
  if (open < 0) return count && is_closed && product(shape) != count ? std::nullopt : std::optional(shape);
  Shape others = shape;
  others[static_cast<std::size_t>(open)] = 1;
  const auto rest = product(others);
  if (!count || !rest || *rest == 0) return shape;
  if (*count % *rest != 0) return std::nullopt;
  shape[static_cast<std::size_t>(open)] = *count / *rest;
  return shape;
}

std::optional<Shape> squeezed(const Shape& from, std::vector<std::int64_t> axes) {
  if (axes.empty()) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] < 0) return std::nullopt;
      if (from[i] == 1) axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  if (!normalize_axes(axes, from.size())) return std::nullopt;
  Shape shape;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool leaves = std::ranges::binary_search(axes, static_cast<std::int64_t>(i));
    if (leaves && from[i] > 1) return std::nullopt;
    if (!leaves) shape.push_back(from[i]);
  }
  return shape;
}

std::optional<Shape> unsqueezed(const Shape& from, std::vector<std::int64_t> axes) {
  const std::size_t rank = from.size() + axes.size();
  if (!normalize_axes(axes, rank)) return std::nullopt;
  Shape shape;
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const bool is_new = std::ranges::binary_search(axes, static_cast<std::int64_t>(i));
    shape.push_back(is_new ? 1 : from[next++]);
  }
  return shape;
}

std::optional<std::vector<int>> permutation(const proto::NodeProto& node, std::size_t rank) {
  std::vector<int> order(rank);
  std::iota(order.rbegin(), order.rend(), 0);
  if (find_attribute(node, "perm") == nullptr) return order;
  std::vector<std::int64_t> axes = ints_attribute(node, "perm");
  if (axes.size() != rank) return std::nullopt;
  std::vector<std::int64_t> sorted = axes;
  if (!normalize_axes(sorted, rank)) return std::nullopt;
  for (std::size_t i = 0; i < rank; ++i)
    order[i] = static_cast<int>(axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank) : axes[i]);
  return order;
}

std::optional<std::vector<std::int64_t>> axes_of(const Network& network, const proto::NodeProto& node, int port,
                                                 bool& given) {
  given = true;
  if (!input_of(node, port).empty()) return constant_ints(network, input_of(node, port));
  given = find_attribute(node, "axes") != nullptr;
  return ints_attribute(node, "axes");
}

}  // namespace tightrope::onnx
