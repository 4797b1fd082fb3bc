// SPDX-License-Identifier: Apache-2.0
// Shapes of what operators give: one function per rule, of the first output. Nothing where the rank can't be told.
#pragma once

#include "onnx/facts.h"

namespace tightrope::onnx {

using Found = std::optional<Shape>;

// Nothing for more extents than any model has.
inline Found open_shape(std::size_t rank) { return rank <= 64 ? Found(Shape(rank, -1)) : std::nullopt; }

inline Found shape_of(const ValueFacts& facts) { return facts.known_rank ? Found(facts.shape) : std::nullopt; }

// The extent of a vector, which often says the rank of a result.
inline std::int64_t length_of(const ValueFacts& facts) {
  return facts.known_rank && facts.shape.size() == 1 ? facts.shape[0] : -1;
}

// Counted from the front; nothing where it is out of range.
inline std::optional<std::size_t> axis_of(std::int64_t axis, std::size_t rank) {
  if (axis < 0) axis += static_cast<std::int64_t>(rank);
  if (axis < 0 || axis >= static_cast<std::int64_t>(rank)) return std::nullopt;
  return static_cast<std::size_t>(axis);
}

Found broadcast(const Shape& a, const Shape& b);

// shape_rules_compute.cpp
Found same(const NodeFacts& facts);
Found all_broadcast(const NodeFacts& facts);
Found convolution(const NodeFacts& facts);
Found pooling(const NodeFacts& facts);
Found global_pooling(const NodeFacts& facts);
Found matrix_product(const NodeFacts& facts);
Found general_product(const NodeFacts& facts);
Found reduction(const NodeFacts& facts);
Found recurrent(const NodeFacts& facts);
Found shape_vector(const NodeFacts& facts);
Found filled(const NodeFacts& facts);
Found scalar(const NodeFacts& facts);
Found vector(const NodeFacts& facts);

// shape_rules_move.cpp
Found reshape(const NodeFacts& facts);
Found flatten(const NodeFacts& facts);
Found squeeze(const NodeFacts& facts);
Found unsqueeze(const NodeFacts& facts);
Found transpose(const NodeFacts& facts);
Found concat(const NodeFacts& facts);
Found split(const NodeFacts& facts);
Found gather(const NodeFacts& facts);
Found gather_nd(const NodeFacts& facts);
Found like_indices(const NodeFacts& facts);
Found expand(const NodeFacts& facts);
Found blocks(const NodeFacts& facts);
Found opened(const NodeFacts& facts);
Found one_hot(const NodeFacts& facts);
Found pad(const NodeFacts& facts);
Found slice(const NodeFacts& facts);
Found resize(const NodeFacts& facts);

}  // namespace tightrope::onnx
