// SPDX-License-Identifier: Apache-2.0
// Element types and shapes of the values of an ONNX graph, as far as they follow from the model.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

struct ValueFacts {
  ElementType type = ElementType::kOther;
  bool known_rank = false;
  Shape shape;  // -1: open extent
};

// By the name of the value; what is not there is unknown.
using Facts = std::unordered_map<std::string, ValueFacts>;

// `order` is that of sorted_nodes(). What the model declares fills in what can't be inferred.
Facts infer_facts(const Network& network, const std::vector<int>& order);

// What the rules for one node see.
struct NodeFacts {
  const Network& network;
  const proto::NodeProto& node;
  std::int64_t opset = 0;
  std::vector<ValueFacts> inputs;  // unknown where left out
  std::vector<ValueFacts> outputs;

  ValueFacts input(int port) const {
    return static_cast<std::size_t>(port) < inputs.size() ? inputs[static_cast<std::size_t>(port)] : ValueFacts();
  }
};

// Fill in what the standard says of the outputs of one of its operators.
void infer_types(NodeFacts& facts);
void infer_shapes(NodeFacts& facts);

// The product of extents; nothing where one is open or the product is out of range.
std::optional<std::int64_t> product(const Shape& shape);

// Shapes of operations that rearrange; nothing where they can't be told or don't fit. Shared with constant folding.
std::optional<Shape> reshaped(const Shape& from, const std::vector<std::int64_t>& wanted, bool allows_zero);
std::optional<Shape> squeezed(const Shape& from, std::vector<std::int64_t> axes);  // no axes: every extent of 1
std::optional<Shape> unsqueezed(const Shape& from, std::vector<std::int64_t> axes);
std::optional<std::vector<int>> permutation(const proto::NodeProto& node, std::size_t rank);

// The axes of Squeeze, Unsqueeze and reductions: an attribute in older operator sets, an input in newer ones.
// `given` says whether there are any; nothing where they are no constant.
std::optional<std::vector<std::int64_t>> axes_of(const Network& network, const proto::NodeProto& node, int port,
                                                 bool& given);

}  // namespace tightrope::onnx
