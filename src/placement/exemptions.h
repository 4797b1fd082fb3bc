// SPDX-License-Identifier: Apache-2.0
// Operations that get no quantizers of their own although the device could run them in 8 bits.
#pragma once

#include <string_view>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/options.h"

namespace tightrope {

enum class Exempt : std::uint8_t {
  kNo,
  kByUser,          // in the ignored scope
  kByPattern,       // part of an ignored pattern
  kInTransformer,   // of a type that stays in floating point in transformers
  kPostProcessing,  // between the last weights and an output, on a path with a selection by score
};

struct Exemption {
  Exempt why = Exempt::kNo;
  std::string_view pattern;  // for kByPattern
  NodeId other = kNone;      // for kPostProcessing: a selecting operation
};

// One entry per node. Where several reasons hold, the first in the order of Exempt counts.
// Throws what ignored_nodes() throws.
std::vector<Exemption> exemptions(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options);

// True for fused attention, and for products behind a softmax as attention has them.
bool has_attention(const Graph& graph);

// By node: the first operation of the fused ones that it is part of (itself for the first), or kNone; and the pattern.
struct Fusion {
  NodeId first = kNone;
  std::string_view pattern;
};
std::vector<Fusion> fusions(const Graph& graph, const std::vector<bool>& flow, const QuantizeOptions& options);

}  // namespace tightrope
