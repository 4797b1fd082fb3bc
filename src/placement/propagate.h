// SPDX-License-Identifier: Apache-2.0
// Quantizers move from the inputs of the operations that want them up to where the tensor is made.
#pragma once

#include <vector>

#include "placement/exemptions.h"
#include "tightrope/graph.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// What placement knows before quantizers move.
struct Setting {
  const Graph& graph;
  const QuantizeOptions& options;
  std::vector<bool> flow;  // see graph/data_flow.h
  std::vector<Exemption> exemptions;
  std::vector<Fusion> fusions;  // nothing fused in lean placement, which puts no quantizers inside

  bool in_flow(NodeId id) const { return flow[static_cast<std::size_t>(id)]; }
  bool is_exempt(NodeId id) const { return exemptions[static_cast<std::size_t>(id)].why != Exempt::kNo; }
  NodeId fused_into(NodeId id) const { return fusions[static_cast<std::size_t>(id)].first; }
  // An operation that may ask for quantizers: one of its own, or the first of those that run as one.
  bool leads(NodeId id) const {
    return in_flow(id) && !is_exempt(id) && (fused_into(id) == kNone || fused_into(id) == id);
  }
  bool is_reference() const { return options.placement == Placement::kReference; }

  // ONNX Runtime's convolutions run in 8 bits only between quantizers; OpenVINO's may give floating point.
  bool quantizes_results() const { return graph.vocabulary == Vocabulary::kOnnx; }

  // An operation all of whose inputs need one scale; none in lean placement, where no such operation has two
  // quantizers.
  bool takes_one_scale(NodeId id) const;

  // An input that gets a quantizer if its operation does. Attention takes queries and keys as integers, and its values,
  // too, as 8-bit floating point.
  bool takes_quantizer(const Node& node, int port) const;

  // A tensor of data that a quantizer can be put on.
  bool is_quantizable(ValueId value) const;
};

// An input that wants a quantizer, with one of these configurations, best first.
struct Seed {
  Use input;
  std::vector<QuantizerConfig> configs;
  NodeId operation = kNone;  // what runs in 8 bits thanks to it; kNone: the one that has the input
};

// Why a quantizer went no further up.
enum class Stop : std::uint8_t {
  kProducer,         // what makes the tensor changes values, or is an input of the model
  kOtherConsumer,    // somebody else reads the tensor, or another output of its producer, in floating point
  kConfigurations,   // the consumers have no configuration in common, or may not share one
  kUnequalElements,  // the operation that moves the elements also takes in others
};

// Where a quantizer came to rest.
struct Site {
  SiteKind kind = SiteKind::kOutput;
  NodeId node = kNone;
  int port = 0;                          // kNone: every output that is used, each for itself
  std::vector<QuantizerConfig> configs;  // best first, never empty
  std::vector<NodeId> operations;        // ascending; what it was put there for
  int scale = kNone;                     // sites with the same number share one scale
  bool moved = false;                    // through an operation that moves data, or together with another one
  std::vector<std::size_t> below;        // sites on the way down that requantize what this one gives
  Stop stop = Stop::kProducer;
  NodeId stopper = kNone;  // for kOtherConsumer
};

// Adds the nodes to `into`; both ascending.
void unite(std::vector<NodeId>& into, const std::vector<NodeId>& nodes);

// Settles every seed, one pass over the nodes, consumers before producers.
std::vector<Site> propagate(const Setting& setting, const std::vector<Seed>& seeds);

}  // namespace tightrope
