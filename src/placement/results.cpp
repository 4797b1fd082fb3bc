// SPDX-License-Identifier: Apache-2.0
#include "placement/results.h"

#include <algorithm>
#include <set>

#include "devices/tables.h"
#include "graph/walk.h"

namespace tightrope {
namespace {

bool moves_data(const Setting& setting, NodeId id) {
  const Trait trait = setting.graph.node(id).trait;
  return (trait == Trait::kMovesData || trait == Trait::kJoins) && !setting.is_exempt(id);
}

// Calls visit(use) for the uses of a node's outputs by which data flow on.
template <typename Visit>
void for_each_reader(const Setting& setting, NodeId id, const Visit& visit) {
  for_each_use(setting.graph, setting.graph.node(id), [&](const Use& use) {
    if (setting.in_flow(use.node)) visit(use);
  });
}

// The convolution, or the activation behind it that is nothing but a limit of the range of its result.
NodeId last_of(const Setting& setting, NodeId convolution) {
  std::vector<Use> readers;
  for_each_reader(setting, convolution, [&](const Use& use) { readers.push_back(use); });
  if (readers.size() != 1) return convolution;
  const std::string& type = setting.graph.node(readers[0].node).type;
  return type == "Relu" || type == "Clip" ? readers[0].node : convolution;
}

int data_inputs(const Setting& setting, const Node& node) {
  return static_cast<int>(std::ranges::count_if(node.inputs, [&](ValueId value) {
    return value != kNone && setting.in_flow(setting.graph.value(value).producer);
  }));
}

// Whether the model returns the result as it is, or after operations that have no other data and are no products.
bool is_returned(const Setting& setting, NodeId from) {
  std::vector<NodeId> open = {from};
  std::set<NodeId> seen;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    bool found = false;
    for_each_reader(setting, id, [&](const Use& use) {
      const Node& node = setting.graph.node(use.node);
      found = found || node.kind == OpKind::kResult;
      const bool goes_on = node.trait == Trait::kJoins || data_inputs(setting, node) == 1;
      if (goes_on && !computes_in_int8(node.kind) && node.kind != OpKind::kLstm && seen.insert(use.node).second)
        open.push_back(use.node);
    });
    if (found) return true;
  }
  return false;
}

// Whether the operation may read 8 bits. What bodies of operations read can't be quantized for them alone.
bool may_read_8_bits(const Setting& setting, NodeId id) {
  const std::string& type = setting.graph.node(id).type;
  if (type == "If" || type == "Loop" || type == "Scan") return false;
  const Exempt why = setting.exemptions[static_cast<std::size_t>(id)].why;
  return why == Exempt::kNo || why == Exempt::kByPattern;
}

// x * sigmoid(x) runs in 8 bits as a whole once the gate is quantized, too; otherwise each convolution in front of it
// changes the layout of its data forth and back.
void add_gates(const Setting& setting, std::vector<Use>& uses) {
  std::vector<Use> gates;
  for (const Use& use : uses) {
    if (setting.graph.node(use.node).type != "Sigmoid") continue;
    std::vector<Use> readers;
    for_each_reader(setting, use.node, [&](const Use& reader) { readers.push_back(reader); });
    const bool are_products = std::ranges::all_of(readers, [&](const Use& reader) {
      return setting.graph.node(reader.node).type == "Mul" && std::ranges::count(uses, reader.node, &Use::node) == 1;
    });
    if (are_products) gates.insert(gates.end(), readers.begin(), readers.end());
  }
  uses.insert(uses.end(), gates.begin(), gates.end());
}

}  // namespace

std::vector<Use> uses_to_quantize(const Setting& setting, NodeId convolution) {
  if (!setting.options.quantize_outputs && is_returned(setting, convolution)) return {};
  std::vector<Use> uses;
  std::vector<NodeId> open = {last_of(setting, convolution)};
  std::set<NodeId> seen;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    for_each_reader(setting, id, [&](const Use& use) {
      if (!moves_data(setting, use.node))
        uses.push_back(use);
      else if (seen.insert(use.node).second)
        open.push_back(use.node);
    });
  }
  add_gates(setting, uses);
  const bool all = std::ranges::all_of(uses, [&](const Use& use) { return may_read_8_bits(setting, use.node); });
  return all ? uses : std::vector<Use>();
}

}  // namespace tightrope
