// SPDX-License-Identifier: Apache-2.0
// Patterns are parsed into small graphs. A search starts at every operation that can be the first member, and maps the
// next member among the neighbours of those that it has.
#include "placement/patterns.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "graph/walk.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

struct Member {
  std::vector<int> types;  // indices of type names
  std::uint32_t roles = 0;
  bool any = false;
  bool counts = true;    // becomes part of the match
  bool context = false;  // "*": exempt from everything
};

struct Edge {
  int from;
  int to;
  int count;
};

struct Pattern {
  std::string_view name;
  std::vector<Member> members;
  std::vector<Edge> edges;
  int size = 0;  // members but contexts
};

// Numbers for the type names of a graph and of patterns.
class TypeNumbers {
 public:
  int operator[](std::string_view type) {
    return numbers_.emplace(type, static_cast<int>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, int, std::less<>> numbers_;
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Cuts `text` at the first `separator`; what stands before it is returned, what stands behind it is left.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const auto end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + separator.size());
  return trimmed(taken);
}

class PatternParser {
 public:
  explicit PatternParser(TypeNumbers& types) : types_(types) {}

  Pattern parse(const PatternRow& row) {
    pattern_ = {row.name, {}, {}, 0};
    labels_.clear();
    std::string_view rest = row.structure;
    while (!rest.empty()) parse_chain(take_until(rest, ";"));
    for (const Member& member : pattern_.members) pattern_.size += member.context ? 0 : 1;
    return std::move(pattern_);
  }

 private:
  void parse_chain(std::string_view chain) {
    int previous = kNone;
    int count = 1;
    while (!chain.empty()) {
      std::string_view word = take_until(chain, ">");
      const int next_count = word.ends_with('=') ? 2 : 1;
      if (next_count == 2) word = trimmed(word.substr(0, word.size() - 1));
      const int member = parse_word(word);
      if (previous != kNone) pattern_.edges.push_back({previous, member, count});
      previous = member;
      count = next_count;
    }
  }

  int parse_word(std::string_view word) {
    if (const auto known = labels_.find(word); known != labels_.end()) return known->second;
    const auto index = static_cast<int>(pattern_.members.size());
    if (const auto colon = word.find(':'); colon != std::string_view::npos) {
      labels_.emplace(word.substr(0, colon), index);
      word = word.substr(colon + 1);
    }
    Member member;
    if (word.starts_with('-')) {
      member.counts = false;
      word.remove_prefix(1);
    }
    if (word == "*") member.context = true, member.counts = false;
    if (word == "?") member.any = true;
    while (!word.empty() && !member.context && !member.any) add_alternative(take_until(word, "|"), member);
    pattern_.members.push_back(std::move(member));
    return index;
  }

  void add_alternative(std::string_view name, Member& member) {
    constexpr std::array<std::pair<std::string_view, Role>, 4> kClasses = {{{"LINEAR", kIsLinear},
                                                                            {"ACTIVATION", kIsActivation},
                                                                            {"ARITHMETIC", kIsArithmetic},
                                                                            {"ELEMENTWISE", kIsElementwise}}};
    for (const auto& [word, role] : kClasses) {
      if (word == name) member.roles |= role;
    }
    if (std::ranges::none_of(kClasses, [&](const auto& entry) { return entry.first == name; }))
      member.types.push_back(types_[name]);
  }

  TypeNumbers& types_;
  Pattern pattern_;
  std::map<std::string_view, int> labels_;
};

class Matcher {
 public:
  Matcher(const Graph& graph, const std::vector<bool>& flow, TypeNumbers& types)
      : graph_(graph), flow_(flow), taken_(flow.size(), false), by_rank_(flow.size()) {
    for (const Node& node : graph.nodes()) {
      // An embedding is no ordinary Gather here.
      types_.push_back(types[node.kind == OpKind::kEmbedding ? "Embedding" : std::string_view(node.type)]);
    }
    std::iota(by_rank_.begin(), by_rank_.end(), 0);
    std::ranges::stable_sort(by_rank_, {}, [&](NodeId id) { return graph.node(id).rank; });
  }

  void find(const Pattern& pattern, bool closed, std::vector<PatternMatch>& found) {
    pattern_ = &pattern;
    closed_ = closed;
    mapping_.assign(pattern.members.size(), kNone);
    for (const NodeId id : by_rank_) {
      if (!fits(id, pattern.members[0])) continue;
      mapping_[0] = id;
      if (extend(1)) accept(found);
      mapping_[0] = kNone;
    }
  }

 private:
  bool in_flow(NodeId id) const { return flow_[static_cast<std::size_t>(id)]; }

  bool fits(NodeId id, const Member& member) const {
    if (!in_flow(id)) return false;
    if (member.context) return true;
    if (member.counts && taken_[static_cast<std::size_t>(id)]) return false;
    return member.any || (graph_.node(id).roles & member.roles) != 0 ||
           std::ranges::find(member.types, types_[static_cast<std::size_t>(id)]) != member.types.end();
  }

  // How often `to` reads `from`.
  int edges_between(NodeId from, NodeId to) const {
    int count = 0;
    for_each_producer(graph_, graph_.node(to), [&](NodeId producer) { count += producer == from ? 1 : 0; });
    return count;
  }

  std::vector<NodeId> neighbours(NodeId id, bool consumers) const {
    std::vector<NodeId> found;
    const auto add = [&](NodeId other) {
      if (in_flow(other)) found.push_back(other);
    };
    const Node& node = graph_.node(id);
    if (consumers)
      for_each_use(graph_, node, [&](const Use& use) { add(use.node); });
    else
      for_each_producer(graph_, node, add);
    std::ranges::sort(found, {}, [&](NodeId other) { return std::pair(graph_.node(other).rank, other); });
    found.erase(std::ranges::unique(found).begin(), found.end());
    return found;
  }

  // Maps the members from `next` on; members before it are mapped.
  bool extend(int next) {
    const Pattern& pattern = *pattern_;
    if (next == static_cast<int>(pattern.members.size())) return has_no_other_edges() && (!closed_ || is_closed());
    const auto mapped = [&](int member) { return mapping_[static_cast<std::size_t>(member)]; };
    const auto link = std::ranges::find_if(pattern.edges, [&](const Edge& edge) {
      return (edge.to == next && edge.from < next) || (edge.from == next && edge.to < next);
    });
    if (link == pattern.edges.end()) throw InternalError("[placement] a pattern is not connected in its order");
    const bool downwards = link->to == next;
    for (const NodeId id : neighbours(mapped(downwards ? link->from : link->to), downwards)) {
      if (std::ranges::find(mapping_, id) != mapping_.end() ||
          !fits(id, pattern.members[static_cast<std::size_t>(next)]))
        continue;
      mapping_[static_cast<std::size_t>(next)] = id;
      if (has_edges_of(next) && extend(next + 1)) return true;
      mapping_[static_cast<std::size_t>(next)] = kNone;
    }
    return false;
  }

  bool has_edges_of(int member) const {
    return std::ranges::all_of(pattern_->edges, [&](const Edge& edge) {
      if (std::max(edge.from, edge.to) != member) return true;
      return edges_between(mapping_[static_cast<std::size_t>(edge.from)],
                           mapping_[static_cast<std::size_t>(edge.to)]) == edge.count;
    });
  }

  bool has_no_other_edges() const {
    int wanted = 0;
    for (const Edge& edge : pattern_->edges) wanted += edge.count;
    int found = 0;
    for (const NodeId to : mapping_) {
      for_each_producer(graph_, graph_.node(to), [&](NodeId producer) {
        found += std::ranges::find(mapping_, producer) != mapping_.end() ? 1 : 0;
      });
    }
    return found == wanted;
  }

  bool is_closed() const {
    const auto inside = [&](NodeId id) { return std::ranges::find(mapping_, id) != mapping_.end(); };
    for (std::size_t i = 0; i < mapping_.size(); ++i) {
      if (pattern_->members[i].context) continue;
      const bool is_first =
          std::ranges::none_of(pattern_->edges, [&](const Edge& e) { return e.to == static_cast<int>(i); });
      const bool is_last =
          std::ranges::none_of(pattern_->edges, [&](const Edge& e) { return e.from == static_cast<int>(i); });
      if (!is_first && !std::ranges::all_of(neighbours(mapping_[i], false), inside)) return false;
      if (!is_last && !std::ranges::all_of(neighbours(mapping_[i], true), inside)) return false;
    }
    return true;
  }

  void accept(std::vector<PatternMatch>& found) {
    PatternMatch match{pattern_->name, {}};
    for (std::size_t i = 0; i < mapping_.size(); ++i) {
      if (!pattern_->members[i].counts) continue;
      match.nodes.push_back(mapping_[i]);
      taken_[static_cast<std::size_t>(mapping_[i])] = true;
    }
    std::fill(mapping_.begin() + 1, mapping_.end(), kNone);
    found.push_back(std::move(match));
  }

  const Graph& graph_;
  const std::vector<bool>& flow_;
  std::vector<int> types_;  // by node
  std::vector<bool> taken_;
  std::vector<NodeId> by_rank_;
  const Pattern* pattern_ = nullptr;
  bool closed_ = false;
  std::vector<NodeId> mapping_;  // by member
};

}  // namespace

std::vector<PatternMatch> find_patterns(const Graph& graph, const std::vector<bool>& flow,
                                        std::span<const PatternRow> rows, bool closed) {
  TypeNumbers types;
  PatternParser parser(types);
  std::vector<Pattern> patterns;
  for (const PatternRow& row : rows) patterns.push_back(parser.parse(row));
  std::ranges::stable_sort(patterns, std::greater{}, &Pattern::size);
  Matcher matcher(graph, flow, types);
  std::vector<PatternMatch> found;
  for (const Pattern& pattern : patterns) matcher.find(pattern, closed, found);
  return found;
}

}  // namespace tightrope
