// SPDX-License-Identifier: Apache-2.0
#include "onnx/messages.h"

#include <queue>
#include <unordered_set>

#include "tightrope/error.h"

namespace tightrope::onnx {

const proto::AttributeProto* find_attribute(const proto::NodeProto& node, std::string_view name) {
  const auto found =
      std::ranges::find_if(node.attribute(), [&](const auto& attribute) { return attribute.name() == name; });
  return found == node.attribute().end() ? nullptr : &*found;
}

std::int64_t int_attribute(const proto::NodeProto& node, std::string_view name, std::int64_t otherwise) {
  const auto* found = find_attribute(node, name);
  return found == nullptr ? otherwise : found->i();
}

float float_attribute(const proto::NodeProto& node, std::string_view name, float otherwise) {
  const auto* found = find_attribute(node, name);
  return found == nullptr ? otherwise : found->f();
}

std::string_view text_attribute(const proto::NodeProto& node, std::string_view name, std::string_view otherwise) {
  const auto* found = find_attribute(node, name);
  return found == nullptr ? otherwise : std::string_view(found->s());
}

std::vector<std::int64_t> ints_attribute(const proto::NodeProto& node, std::string_view name) {
  const auto* found = find_attribute(node, name);
  if (found == nullptr) return {};
  return {found->ints().begin(), found->ints().end()};
}

void remove_attribute(proto::NodeProto& node, std::string_view name) {
  auto& attributes = *node.mutable_attribute();
  for (int i = attributes.size(); i-- > 0;) {
    if (attributes[i].name() == name) attributes.DeleteSubrange(i, 1);
  }
}

namespace {

proto::AttributeProto& new_attribute(proto::NodeProto& node, std::string_view name,
                                     proto::AttributeProto::AttributeType type) {
  remove_attribute(node, name);
  auto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(type);
  return attribute;
}

}  // namespace

void set_attribute(proto::NodeProto& node, std::string_view name, std::int64_t value) {
  new_attribute(node, name, proto::AttributeProto::INT).set_i(value);
}

void set_attribute(proto::NodeProto& node, std::string_view name, const std::vector<std::int64_t>& values) {
  auto& attribute = new_attribute(node, name, proto::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

void set_attribute(proto::NodeProto& node, std::string_view name, std::string_view text) {
  new_attribute(node, name, proto::AttributeProto::STRING).set_s(std::string(text));
}

const std::string& input_of(const proto::NodeProto& node, int port) {
  static const std::string kNothing;
  return port < node.input_size() ? node.input(port) : kNothing;
}

const std::string& output_of(const proto::NodeProto& node, int port) {
  static const std::string kNothing;
  return port < node.output_size() ? node.output(port) : kNothing;
}

bool is_standard(const proto::NodeProto& node, const proto::ModelProto& model) {
  const auto standard = [](std::string_view domain) { return domain.empty() || domain == "ai.onnx"; };
  return standard(node.domain()) && std::ranges::none_of(model.functions(), [&](const auto& function) {
           return standard(function.domain()) && function.name() == node.op_type();
         });
}

std::vector<std::string> captured_by(const proto::NodeProto& node) {
  std::vector<const proto::NodeProto*> open = {&node};
  std::unordered_set<std::string_view> given;  // inside; names are unique across bodies
  std::vector<const std::string*> read;
  const auto enter = [&](const proto::GraphProto& body) {
    for (const auto& input : body.input()) given.insert(input.name());
    for (const auto& initializer : body.initializer()) given.insert(initializer.name());
    for (const auto& initializer : body.sparse_initializer()) given.insert(initializer.values().name());
    for (const auto& output : body.output()) read.push_back(&output.name());
    for (const auto& inner : body.node()) {
      for (const auto& output : inner.output()) given.insert(output);
      for (const auto& input : inner.input()) read.push_back(&input);
      open.push_back(&inner);
    }
  };
  while (!open.empty()) {
    const proto::NodeProto& next = *open.back();
    open.pop_back();
    for (const auto& attribute : next.attribute()) {
      if (attribute.has_g()) enter(attribute.g());
      for (const auto& body : attribute.graphs()) enter(body);
    }
  }
  std::vector<std::string> captured;
  std::unordered_set<std::string_view> seen;
  for (const std::string* name : read) {
    if (!name->empty() && !given.contains(*name) && seen.insert(*name).second) captured.push_back(*name);
  }
  return captured;
}

std::unordered_set<std::string> read_values(const proto::GraphProto& graph) {
  std::unordered_set<std::string> names;
  for (const auto& output : graph.output()) names.insert(output.name());
  for (const auto& node : graph.node()) {
    names.insert(node.input().begin(), node.input().end());
    for (auto& name : captured_by(node)) names.insert(std::move(name));
  }
  return names;
}

namespace {

using TensorVisitor = std::function<void(proto::TensorProto&)>;

void visit_sparse(proto::SparseTensorProto& tensor, const TensorVisitor& visit) {
  if (tensor.has_values()) visit(*tensor.mutable_values());
  if (tensor.has_indices()) visit(*tensor.mutable_indices());
}

void visit_graph(proto::GraphProto& graph, const TensorVisitor& visit);

void visit_node(proto::NodeProto& node, const TensorVisitor& visit) {
  for (auto& attribute : *node.mutable_attribute()) {
    if (attribute.has_t()) visit(*attribute.mutable_t());
    for (auto& tensor : *attribute.mutable_tensors()) visit(tensor);
    if (attribute.has_sparse_tensor()) visit_sparse(*attribute.mutable_sparse_tensor(), visit);
    for (auto& tensor : *attribute.mutable_sparse_tensors()) visit_sparse(tensor, visit);
    if (attribute.has_g()) visit_graph(*attribute.mutable_g(), visit);
    for (auto& body : *attribute.mutable_graphs()) visit_graph(body, visit);
  }
}

// Not deeper than protobuf reads.
void visit_graph(proto::GraphProto& graph, const TensorVisitor& visit) {
  for (auto& tensor : *graph.mutable_initializer()) visit(tensor);
  for (auto& tensor : *graph.mutable_sparse_initializer()) visit_sparse(tensor, visit);
  for (auto& node : *graph.mutable_node()) visit_node(node, visit);
}

}  // namespace

void for_each_tensor(proto::ModelProto& model, const TensorVisitor& visit) {
  visit_graph(*model.mutable_graph(), visit);
  for (auto& function : *model.mutable_functions()) {
    for (auto& node : *function.mutable_node()) visit_node(node, visit);
  }
  for (auto& training : *model.mutable_training_info()) {
    if (training.has_initialization()) visit_graph(*training.mutable_initialization(), visit);
    if (training.has_algorithm()) visit_graph(*training.mutable_algorithm(), visit);
  }
}

std::string described(const proto::NodeProto& node) {
  const std::string& name = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
  return fmt::format("node '{}' ({})", name, node.op_type());
}

namespace {

// By the name of a value: the node that gives it, or kNone for inputs and initializers.
std::unordered_map<std::string_view, int> givers(const proto::GraphProto& graph) {
  std::unordered_map<std::string_view, int> found;
  const auto give = [&](const std::string& name, int node) {
    if (found.emplace(name, node).second) return;
    throw InvalidArgument(fmt::format("[model] value '{}' is given twice; names of values must be unique", name));
  };
  for (const auto& initializer : graph.initializer()) give(initializer.name(), kNone);
  for (const auto& initializer : graph.sparse_initializer()) give(initializer.values().name(), kNone);
  std::unordered_set<std::string_view> inputs;
  for (const auto& input : graph.input()) {
    if (!inputs.insert(input.name()).second) give(input.name(), kNone);
    found.emplace(input.name(), kNone);  // an initializer may be an input, too: its default
  }
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const auto& output : graph.node(i).output()) {
      if (!output.empty()) give(output, i);
    }
  }
  return found;
}

}  // namespace

std::vector<int> sorted_nodes(const proto::GraphProto& graph) {
  const auto given = givers(graph);
  for (const auto& output : graph.output()) {
    if (!given.contains(output.name()))
      throw InvalidArgument(fmt::format("[model] output '{}': nobody gives this value", output.name()));
  }
  const auto count = static_cast<std::size_t>(graph.node_size());
  std::vector<std::vector<int>> readers(count);
  std::vector<int> waits_for(count, 0);
  for (int i = 0; i < graph.node_size(); ++i) {
    const auto read = [&](const std::string& name, std::string_view who) {
      if (name.empty()) return;
      const auto found = given.find(name);
      if (found == given.end()) {
        throw InvalidArgument(
            fmt::format("[model] {}: {} reads '{}', which nobody gives; an input, an initializer or "
                        "an output of a node is needed",
                        described(graph.node(i)), who, name));
      }
      if (found->second == kNone) return;
      readers[static_cast<std::size_t>(found->second)].push_back(i);
      ++waits_for[static_cast<std::size_t>(i)];
    };
    for (const auto& input : graph.node(i).input()) read(input, "it");
    for (const auto& name : captured_by(graph.node(i))) read(name, "its body");
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (waits_for[static_cast<std::size_t>(i)] == 0) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const int reader : readers[static_cast<std::size_t>(order.back())]) {
      if (--waits_for[static_cast<std::size_t>(reader)] == 0) ready.push(reader);
    }
  }
  if (order.size() == count) return order;
  const auto stuck = std::ranges::find_if(waits_for, [](int waits) { return waits > 0; }) - waits_for.begin();
  throw InvalidArgument(
      fmt::format("[model] {}: it reads what is computed from its own output; a graph without cycles "
                  "is needed",
                  described(graph.node(static_cast<int>(stuck)))));
}

}  // namespace tightrope::onnx
