// SPDX-License-Identifier: Apache-2.0
// A read-only picture of a model: nodes and values by integer id, with the facts that quantization needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tightrope/tensor.h"

namespace tightrope {

using NodeId = std::int32_t;
using ValueId = std::int32_t;
inline constexpr std::int32_t kNone = -1;

// What an operation computes, as far as quantization cares; the same in every framework.
enum class OpKind : std::uint8_t {
  kOther,
  kParameter,
  kResult,
  kConstant,
  kConvolution,
  kDepthwiseConvolution,
  kGroupConvolution,
  kTransposedConvolution,
  kGroupTransposedConvolution,
  kMatMul,
  kAdd,
  kConcat,
  kShapeOf,
  kQuantizer,  // a quantizer that the model brought along
};

// What a quantizer that comes from below may do at an operation.
enum class Trait : std::uint8_t {
  kOpaque,     // stops here: the operation changes values, or nothing is known of it
  kMovesData,  // passes through: the operation only moves, copies or selects elements
  kJoins,      // passes through to every input, with one scale for all (concatenation)
};

// A constant operand that is stored in 8 bits together with its operation.
struct WeightPort {
  int port = 0;
  std::vector<int> channel_axes;  // axes that keep a scale of their own, ascending; the others are reduced
};

struct Use {
  NodeId node = kNone;
  int port = 0;
};

struct Value {
  std::string name;
  ElementType type = ElementType::kOther;
  Shape shape;  // -1: open extent
  bool known_rank = true;
  NodeId producer = kNone;
  int port = 0;  // output port of the producer
  std::vector<Use> uses;
};

struct Node {
  std::string name;  // unique
  std::string type;  // the framework's own word
  OpKind kind = OpKind::kOther;
  Trait trait = Trait::kOpaque;
  std::vector<int> data_ports;  // inputs that carry the elements; the others are indices, shapes, sizes
  std::vector<ValueId> inputs;  // kNone where an optional input is left out
  std::vector<ValueId> outputs;
  std::vector<WeightPort> weights;
  int channel_axis = 1;  // of the output; negative counts from the end
};

class Graph {
 public:
  // Builders append; ids are indices in the order of calls, producers before consumers.
  NodeId add_node(Node node);
  ValueId add_value(Value value);
  void connect(ValueId value, NodeId node, int port);

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Value>& values() const { return values_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }

  // kNone where no node has this name.
  NodeId find(std::string_view name) const;

  // True for values that no model input reaches. Computed on demand, linear in the size of the graph.
  std::vector<bool> constant_values() const;

 private:
  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::unordered_map<std::string, NodeId> by_name_;
};

}  // namespace tightrope
