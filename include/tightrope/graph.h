// SPDX-License-Identifier: Apache-2.0
// A read-only picture of a model: nodes and values by integer id, with the facts that quantization needs.
#pragma once

#include <cstdint>
#include <optional>
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
  kEmbedding,  // rows of a constant table, chosen by index
  kAttention,  // fused scaled dot product attention
  kLstm,       // a whole sequence through an LSTM cell
  kState,      // what a stateful model remembers
  kShapeOf,
  kQuantizer,  // a quantizer that the model brought along
};

// What placement may do at an operation.
enum class Trait : std::uint8_t {
  kOpaque,     // nothing: the operation changes values in floating point, or nothing is known of it
  kMovesData,  // let a quantizer from below pass: the operation only moves, copies or selects elements
  kJoins,      // let it pass to every input, with one scale for all (concatenation)
  kComputes,   // put quantizers at its inputs
  kLooksUp,    // take a quantizer from below for its weight (embedding)
};

// The row of the device tables that an operation falls under: src/devices/tables.cpp.
enum class DeviceOp : std::uint8_t {
  kUnquantized,
  kConvolution,
  kDepthwiseConvolution,
  kMatMul,
  kArithmetic,  // add, subtract, multiply, minimum, maximum
  kComparison,  // divide, comparisons, logical operations of two operands
  kLogicalNot,
  kMath,  // pooling, reductions, powers, normalization
  kInterpolate,
  kRecurrent,
  kAttention,
  kConcat,
  kEmbedding,
  kUnlisted,  // in no table, quantized by default all the same
};

// Classes of operations in the rules of placement; a set of bits.
enum Role : std::uint32_t {
  kIsLinear = 1U << 0,       // what comes next fuses with it
  kIsActivation = 1U << 1,   // a nonlinearity with one operand
  kIsArithmetic = 1U << 2,   // add, subtract, multiply, divide
  kIsElementwise = 1U << 3,  // of two operands
  kIsFragile = 1U << 4,      // in floating point where the model is said to be a transformer
  kIsSelector = 1U << 5,     // a mark of post-processing: selection by score
  kIsAverage = 1U << 6,      // a mean over positions
};

// A constant operand that is stored in 8 bits together with its operation.
struct WeightPort {
  int port = 0;
  std::vector<int> channel_axes;  // axes that keep a scale of their own, ascending; the others are reduced
};

// How a convolution moves over its data; one entry per spatial axis.
struct Window {
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> dilations;
  std::vector<std::int64_t> pads_begin;
  std::vector<std::int64_t> pads_end;
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
  DeviceOp device_op = DeviceOp::kUnquantized;
  std::uint32_t roles = 0;           // of Role
  std::int32_t rank = 0;             // breaks ties in placement: the order in which NNCF numbers operations
  std::vector<int> data_ports;       // inputs that carry the elements; the others are indices, shapes, sizes
  std::vector<int> quantized_ports;  // the only inputs that get quantizers; empty: all
  std::vector<ValueId> inputs;       // kNone where an optional input is left out
  std::vector<ValueId> outputs;
  std::vector<WeightPort> weights;
  int channel_axis = 1;          // of the output; negative counts from the end
  bool sums_last_axis = false;   // of a matrix product: its data are summed over along their last axis
  std::optional<Window> window;  // of a convolution, transposed ones excepted; none where padding depends on the data
  std::uint64_t attributes = 0;  // a hash of what else distinguishes the operation: strides, limits ...
  std::string body;  // the branch of an If that holds the node: "<name of the If>/then"; empty: the model itself
};

// Whose words Node::type uses. Fused operations are recognized by these.
enum class Vocabulary : std::uint8_t { kOpenVino, kOnnx };

// The branches of If operations are components of their own: no edge leads into one or out of it.
// An operation that the model had before it became the base.
struct FoldedOperation {
  std::string name;
  std::string type;
};

class Graph {
 public:
  Vocabulary vocabulary = Vocabulary::kOpenVino;
  std::vector<FoldedOperation> folded;  // computed constants or known shapes; rules that name them match nothing here
  bool per_channel = true;              // false: the format of the model has one scale per tensor only
  std::string carried_over;             // how the base differs in more than form; on data it must give the same

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

  // Throws InvalidArgument where no node has this name, with the three nearest names.
  NodeId find_or_throw(std::string_view name) const;

 private:
  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::unordered_map<std::string, NodeId> by_name_;
};

}  // namespace tightrope
