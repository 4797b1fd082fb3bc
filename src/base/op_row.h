// SPDX-License-Identifier: Apache-2.0
// Facts about a type of operations, and how they get into the nodes of a graph. Each framework has a table of rows.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tightrope/graph.h"

namespace tightrope {

struct OpRow {
  std::string_view type;
  OpKind kind = OpKind::kOther;
  Trait trait = Trait::kOpaque;
  DeviceOp device_op = DeviceOp::kUnquantized;
  std::uint32_t roles = 0;
  std::array<int, 2> weight_ports = {kNone, kNone};  // first and last input that is a weight where it is constant
  std::array<int, 2> channel_axes = {kNone, kNone};  // of the weight; kNone fills up
  int channel_axis = 1;                              // of the output
};

// Types without a row are opaque.
constexpr OpRow find_row(std::span<const OpRow> table, std::string_view type) {
  for (const OpRow& row : table) {
    if (row.type == type) return row;
  }
  return {type};
}

// A node with what the row says of it. Weights and data ports are still to come: they depend on the inputs.
inline Node node_of(const OpRow& row, std::string name) {
  Node node;
  node.name = std::move(name);
  node.type = row.type;
  node.kind = row.kind;
  node.trait = row.trait;
  node.device_op = row.device_op;
  node.roles = row.roles;
  node.channel_axis = row.channel_axis;
  if (row.kind == OpKind::kAttention) node.quantized_ports = {0, 1};  // queries and keys
  return node;
}

// The inputs that carry elements to the outputs: where a node moves data, the first, and the updates of a Scatter.
inline std::vector<int> data_ports_of(const Node& node, int input_count) {
  std::vector<int> ports;
  const bool scatters = node.type.starts_with("Scatter");
  for (int port = 0; port < input_count; ++port) {
    if (node.trait != Trait::kMovesData || port == 0 || (scatters && port == 2)) ports.push_back(port);
  }
  return ports;
}

// Turns a Gather into a look-up of rows in its first input, a constant table.
inline void make_embedding(Node& node) {
  node.kind = OpKind::kEmbedding;
  node.trait = Trait::kLooksUp;
  node.device_op = DeviceOp::kEmbedding;
  node.weights = {{0, {0}}};
}

}  // namespace tightrope
