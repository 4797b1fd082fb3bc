// SPDX-License-Identifier: Apache-2.0
// Which constants can change together so that the channels of one tensor are scaled, and nothing else of the model.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/plan.h"

namespace tightrope {

// A constant operand, and the axes that number the channels of the tensor in question.
struct Operand {
  NodeId node = kNone;
  int port = 0;
  std::vector<int> axes;
};

// What scales the channels of a tensor, all by positive factors.
struct Makers {
  std::vector<Operand> operands;  // the last one is the weight where a layer is among them
  std::vector<ValueId> scaled;    // every tensor that is scaled with it, the tensor itself first
  bool passes_shifts = true;      // nothing but additions of constants lies between the tensor and a layer
};

// Upwards from the tensor through operations that let positive factors pass (Relu, pooling, additions of constants), to
// a layer with constant weights or an operation that multiplies channels by constants (the end of a normalization).
// Nothing where another operation would see the difference, and where factors meet something that they don't pass.
std::optional<Makers> makers_of(const Graph& graph, ValueId value, int axis);

// The weight of a convolution or matrix product by the axes that number the channels of its data; nothing for other
// operations, and for groups of several channels.
std::optional<Operand> reading_weight(const Graph& graph, const Use& use, int axis);

// Divides what makes the channels, and multiplies the weights that read them.
Rescaling rescaling_of(const Graph& graph, std::span<const Operand> divided, std::span<const Operand> multiplied,
                       std::span<const float> factors);

}  // namespace tightrope
