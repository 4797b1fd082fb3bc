// SPDX-License-Identifier: Apache-2.0
// Small arrangements of operations: those that run as one operation, and those that stay in floating point.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tightrope/graph.h"

namespace tightrope {

// Which target devices know a pattern.
enum PatternDevice : std::uint8_t { kOnCpu = 1, kOnCpuSpr = 2, kOnGpu = 4, kOnNpu = 8 };
inline constexpr std::uint8_t kEverywhere = kOnCpu | kOnCpuSpr | kOnGpu | kOnNpu;

// A row of a pattern table.
//
// `structure` lists chains, separated by ";". In a chain, "A > B" means that B reads A once, "A => B" twice. A word is
//   Add|Multiply    an operation of one of these types
//   LINEAR ...      ... or of a class: LINEAR, ACTIVATION, ARITHMETIC, ELEMENTWISE
//   ?               any operation
//   *               any operation, which does not become part of the match
//   -Add            an operation that must be there, but does not become part of the match
//   a:Add           an operation that later chains call "a"
// The first word of the first chain must be no "*".
struct PatternRow {
  std::string_view name;
  std::string_view structure;
  std::uint8_t devices = kEverywhere;
  bool only_transformers = false;
};

std::span<const PatternRow> fused_patterns(Vocabulary vocabulary);
std::span<const PatternRow> ignored_patterns(Vocabulary vocabulary);
std::span<const PatternRow> fused_patterns_of_onnx();
std::span<const PatternRow> ignored_patterns_of_onnx();

struct PatternMatch {
  std::string_view name;
  std::vector<NodeId> nodes;  // members in the order of the structure; the first one is read from outside
};

// Matches that have no member in common, larger patterns first, then in the order of the rows, then by Node::rank.
// Operations outside `flow` do not exist here, and a match has the edges of its pattern and no others inside.
// With `closed`, members other than the ends have no neighbours outside: only the first is read from outside, only the
// last is read by others. Near-linear in the size of the graph.
std::vector<PatternMatch> find_patterns(const Graph& graph, const std::vector<bool>& flow,
                                        std::span<const PatternRow> rows, bool closed);

}  // namespace tightrope
