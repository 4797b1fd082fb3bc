// SPDX-License-Identifier: Apache-2.0
#include "tightrope/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest.h"
#include "tightrope/error.h"

namespace tightrope {

NodeId Graph::add_node(Node node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  if (!by_name_.emplace(node.name, id).second) {
    throw InternalError(fmt::format("[graph] two nodes are called '{}'; names must be unique", node.name));
  }
  nodes_.push_back(std::move(node));
  return id;
}

ValueId Graph::add_value(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  Node& producer = nodes_[static_cast<std::size_t>(value.producer)];
  const auto port = static_cast<std::size_t>(value.port);
  if (producer.outputs.size() <= port) producer.outputs.resize(port + 1, kNone);
  producer.outputs[port] = id;
  values_.push_back(std::move(value));
  return id;
}

void Graph::connect(ValueId value, NodeId node, int port) {
  auto& inputs = nodes_[static_cast<std::size_t>(node)].inputs;
  if (inputs.size() <= static_cast<std::size_t>(port)) inputs.resize(static_cast<std::size_t>(port) + 1, kNone);
  inputs[static_cast<std::size_t>(port)] = value;
  values_[static_cast<std::size_t>(value)].uses.push_back({node, port});
}

NodeId Graph::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? kNone : found->second;
}

NodeId Graph::find_or_throw(std::string_view name) const {
  const NodeId id = find(name);
  if (id != kNone) return id;
  std::vector<std::string> names;
  for (const Node& node : nodes_) names.push_back(node.name);
  throw InvalidArgument(fmt::format("[graph] there is no node '{}'; the nearest are '{}'", name,
                                    fmt::join(nearest_names(name, names, 3), "', '")));
}

}  // namespace tightrope
