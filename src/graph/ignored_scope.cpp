// SPDX-License-Identifier: Apache-2.0
#include "graph/ignored_scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/nearest.h"
#include "graph/walk.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

std::vector<std::string> node_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.push_back(node.name);
  return names;
}

std::vector<std::string> node_types(const Graph& graph) {
  std::vector<std::string> types;
  for (const Node& node : graph.nodes()) types.push_back(node.type);
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());
  return types;
}

std::string unmatched(std::string_view what, std::string_view wanted, const std::vector<std::string>& known) {
  const auto nearest = nearest_names(wanted, known, 3);
  return fmt::format("[ignored scope] {} '{}' matches nothing in the model; the nearest are '{}'", what, wanted,
                     fmt::join(nearest, "', '"));
}

// Marks every node that `start` reaches, itself included, following `next`.
template <typename Next>
std::vector<bool> reach(const Graph& graph, std::vector<NodeId> start, Next&& next) {
  std::vector<bool> seen(graph.nodes().size(), false);
  while (!start.empty()) {
    const NodeId id = start.back();
    start.pop_back();
    if (seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = true;
    next(graph.node(id), start);
  }
  return seen;
}

// True where the rule names what the model had: then there is nothing to ignore, and nothing wrong.
template <typename Matches>
bool any_folded(const Graph& graph, const Matches& matches) {
  return std::ranges::any_of(graph.folded, matches);
}

bool is_folded(const Graph& graph, const std::string& name) {
  return any_folded(graph, [&](const FoldedOperation& operation) { return operation.name == name; });
}

std::vector<NodeId> find_all(const Graph& graph, const std::vector<std::string>& names, bool validate) {
  std::vector<NodeId> ids;
  for (const std::string& name : names) {
    const NodeId id = graph.find(name);
    if (id == kNone && validate && !is_folded(graph, name))
      throw InvalidArgument(unmatched("subgraph end", name, node_names(graph)));
    if (id != kNone) ids.push_back(id);
  }
  return ids;
}

// Nodes on a path from an input to an output: those that an input reaches and that reach an output.
bool mark_subgraph(const Graph& graph, const Subgraph& rule, bool validate, std::vector<bool>& ignored) {
  const auto forward =
      reach(graph, find_all(graph, rule.inputs, validate), [&](const Node& node, std::vector<NodeId>& open) {
        for_each_use(graph, node, [&](const Use& use) { open.push_back(use.node); });
      });
  const auto backward =
      reach(graph, find_all(graph, rule.outputs, validate), [&](const Node& node, std::vector<NodeId>& open) {
        for_each_producer(graph, node, [&](NodeId producer) { open.push_back(producer); });
      });
  bool any = false;
  for (std::size_t i = 0; i < ignored.size(); ++i) {
    if (!forward[i] || !backward[i]) continue;
    ignored[i] = true;
    any = true;
  }
  return any;
}

bool mark_pattern(const Graph& graph, const std::string& pattern, std::vector<bool>& ignored) {
  try {
    const std::regex expression(pattern);
    const auto matches = [&](const std::string& name) {
      return std::regex_search(name, expression, std::regex_constants::match_continuous);
    };
    bool any = any_folded(graph, [&](const FoldedOperation& operation) { return matches(operation.name); });
    for (std::size_t i = 0; i < ignored.size(); ++i) {
      if (!matches(graph.nodes()[i].name)) continue;
      ignored[i] = true;
      any = true;
    }
    return any;
  } catch (const std::regex_error& error) {
    throw InvalidArgument(
        fmt::format("[ignored scope] pattern '{}' is no regular expression: {}", pattern, error.what()));
  }
}

bool mark_type(const Graph& graph, const std::string& type, std::vector<bool>& ignored) {
  bool any = any_folded(graph, [&](const FoldedOperation& operation) { return operation.type == type; });
  for (std::size_t i = 0; i < ignored.size(); ++i) {
    if (graph.nodes()[i].type != type) continue;
    ignored[i] = true;
    any = true;
  }
  return any;
}

}  // namespace

std::vector<bool> ignored_nodes(const Graph& graph, const IgnoredScope& scope) {
  std::vector<bool> ignored(graph.nodes().size(), false);
  for (const std::string& name : scope.names) {
    const NodeId id = graph.find(name);
    if (id != kNone) {
      ignored[static_cast<std::size_t>(id)] = true;
    } else if (scope.validate && !is_folded(graph, name)) {
      throw InvalidArgument(unmatched("name", name, node_names(graph)));
    }
  }
  for (const std::string& pattern : scope.patterns) {
    if (!mark_pattern(graph, pattern, ignored) && scope.validate) {
      throw InvalidArgument(unmatched("pattern", pattern, node_names(graph)));
    }
  }
  for (const std::string& type : scope.types) {
    if (!mark_type(graph, type, ignored) && scope.validate)
      throw InvalidArgument(unmatched("type", type, node_types(graph)));
  }
  for (const Subgraph& rule : scope.subgraphs) {
    const auto gone = [&](const std::string& name) { return is_folded(graph, name); };
    const bool reduced = std::ranges::any_of(rule.inputs, gone) || std::ranges::any_of(rule.outputs, gone);
    if (!mark_subgraph(graph, rule, scope.validate, ignored) && scope.validate && !reduced) {
      throw InvalidArgument(
          fmt::format("[ignored scope] no path leads from the subgraph's inputs '{}' to its outputs '{}'",
                      fmt::join(rule.inputs, "', '"), fmt::join(rule.outputs, "', '")));
    }
  }
  return ignored;
}

}  // namespace tightrope
