// SPDX-License-Identifier: Apache-2.0
#include "placement/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "devices/tables.h"
#include "graph/site.h"

namespace tightrope {
namespace {

class Explanation {
 public:
  Explanation(const Setting& setting, const std::vector<Site>& sites)
      : setting_(setting),
        graph_(setting.graph),
        sites_(sites),
        fusions_(setting.is_reference() ? setting.fusions : fusions(graph_, setting.flow, setting.options)),
        serving_(graph_.nodes().size()) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      for (const NodeId id : sites[i].operations) serving_[static_cast<std::size_t>(id)].push_back(i);
    }
  }

  Decision of(NodeId id) const {
    const auto& serving = serving_[static_cast<std::size_t>(id)];
    if (serving.empty()) return why_float(id);
    Decision decision{true, rule_of_seed(id), {}};
    decision.why = graph_.node(id).kind == OpKind::kResult ? "Is returned in 8 bits." : "Runs in 8 bits.";
    for (const std::size_t site : serving) decision.why += " " + sentence(sites_[site], id);
    return decision;
  }

 private:
  std::string named(NodeId id) const { return fmt::format("'{}' ({})", graph_.node(id).name, graph_.node(id).type); }

  std::string rule_of_seed(NodeId id) const {
    const Node& node = graph_.node(id);
    if (node.kind == OpKind::kResult) return "quantized outputs";
    if (setting_.is_reference()) return "device table";
    if (node.trait == Trait::kLooksUp) return "smaller in 8 bits";
    if ((node.roles & kIsAverage) != 0) return "average of a convolution";
    return computes_in_int8(node.kind) ? "faster in 8 bits" : "fuses with a convolution";
  }

  // Where a quantizer sits, and why there.
  std::string sentence(const Site& site, NodeId for_node) const {
    const QuantizerConfig& config = site.configs[0];
    const std::string what =
        fmt::format("{} bits, {}, {}", config.bits, config.mode == Mode::kSymmetric ? "symmetric" : "asymmetric",
                    config.per_channel ? "per channel" : "per tensor");
    if (site.kind == SiteKind::kWeight) {
      const std::string whose = site.node == for_node ? "Its weight" : fmt::format("The table of {}", named(site.node));
      return fmt::format("{} at input {} is quantized: {}.", whose, site.port, what);
    }
    if (site.kind == SiteKind::kInput)
      return fmt::format("An activation is quantized at input {} of {}: {}; {}.", site.port,
                         site.node == for_node ? "the operation itself" : named(site.node), what, reason(site));
    return fmt::format("An activation is quantized where {} gives it: {}; {}.", named(site.node), what, reason(site));
  }

  std::string reason(const Site& site) const {
    const Node& node = graph_.node(site.node);
    const Value& tensor = graph_.value(value_at(node, site.kind, site.port));
    const Node& producer = graph_.node(tensor.producer);
    switch (site.stop) {
      case Stop::kOtherConsumer: {
        const bool reads_it =
            std::ranges::any_of(tensor.uses, [&](const Use& use) { return use.node == site.stopper; });
        const std::string what = reads_it ? "the same tensor" : fmt::format("another output of {}", producer.type);
        return fmt::format("not further up, because {} reads {} in floating point", named(site.stopper), what);
      }
      case Stop::kConfigurations:
        return fmt::format("not further up, because the readers of what {} gives {}", named(tensor.producer),
                           setting_.options.propagation_rule == PropagationRule::kMergeAllInOne
                               ? "agree on no configuration"
                               : "keep quantizers of their own under the propagation rule");
      case Stop::kUnequalElements:
        return fmt::format("not further up, because not all that {} takes in is data in floating point",
                           named(tensor.producer));
      case Stop::kProducer:
        break;
    }
    return end_of_way(tensor.producer);
  }

  // Why a quantizer can't pass the operation.
  std::string end_of_way(NodeId id) const {
    const Node& node = graph_.node(id);
    if (node.kind == OpKind::kParameter) return "that is an input of the model";
    if (node.kind == OpKind::kState) return "that is a state of the model";
    if (node.kind == OpKind::kEmbedding) return "that is a row of its table";
    const bool moves = node.trait == Trait::kMovesData || node.trait == Trait::kJoins;
    if (moves && setting_.is_exempt(id))
      return fmt::format("not further up, because {} {}", node.type, why_exempt(id).why);
    return fmt::format("not further up, because {} changes values", node.type);
  }

  // `why` lacks its subject and its full stop.
  Decision why_exempt(NodeId id) const {
    const Exemption& exemption = setting_.exemptions[static_cast<std::size_t>(id)];
    switch (exemption.why) {
      case Exempt::kByUser:
        return {false, "ignored scope", "is in the ignored scope"};
      case Exempt::kByPattern:
        return {false, fmt::format("ignored pattern {}", exemption.pattern),
                fmt::format("is part of the pattern {}, which loses accuracy in 8 bits", exemption.pattern)};
      case Exempt::kInTransformer:
        return {false, "model type", "stays in floating point in transformers"};
      case Exempt::kPostProcessing:
        return {false, "post-processing",
                fmt::format("is post-processing: no weights lie between it and an output on a path with {}",
                            named(exemption.other))};
      case Exempt::kNo:
        break;
    }
    return {};
  }

  Decision why_float(NodeId id) const {
    const Node& node = graph_.node(id);
    if (!setting_.in_flow(id)) return why_no_data(node);
    if (node.kind == OpKind::kParameter) return {false, "input", "It is an input of the model."};
    if (node.kind == OpKind::kResult) return {false, "output", "It is an output of the model."};
    if (setting_.is_exempt(id)) {
      Decision decision = why_exempt(id);
      decision.why = fmt::format("{} {}.", node.type, decision.why);
      return decision;
    }
    const Fusion& fusion = fusions_[static_cast<std::size_t>(id)];
    if (fusion.first != kNone && fusion.first != id)
      return {false, "fused", fmt::format("It runs as part of {}, pattern {}.", named(fusion.first), fusion.pattern)};
    if (node.trait == Trait::kMovesData || node.trait == Trait::kJoins)
      return {false, "moves data",
              "It only moves data: quantizers pass through it, and it runs in 8 bits where its input is in 8 bits."};
    if (node.trait == Trait::kOpaque) return {false, "no kernel", fmt::format("{} has no 8-bit kernel.", node.type)};
    if (operands(node).empty())
      return {false, "no data", "No input that could be quantized carries floating-point data of known rank."};
    return setting_.is_reference() ? why_not_in_reference(node) : why_not_lean(node);
  }

  Decision why_no_data(const Node& node) const {
    if (node.kind == OpKind::kConstant) return {false, "constant", "It is a constant."};
    if (node.kind == OpKind::kShapeOf) return {false, "shapes", "It computes a shape."};
    return {false, "no data", "No data reach it: it computes constants or shapes."};
  }

  // The inputs that could be quantized.
  std::vector<ValueId> operands(const Node& node) const {
    std::vector<ValueId> found;
    for (int port = 0; port < static_cast<int>(node.inputs.size()); ++port) {
      const ValueId value = node.inputs[static_cast<std::size_t>(port)];
      if (setting_.takes_quantizer(node, port) && setting_.is_quantizable(value)) found.push_back(value);
    }
    return found;
  }

  Decision why_not_in_reference(const Node& node) const {
    for (const ValueId operand : operands(node)) {
      for (const Use& use : graph_.value(operand).uses) {
        const Node& reader = graph_.node(use.node);
        if (setting_.options.target_device != TargetDevice::kCpuSpr || reader.kind != OpKind::kAdd ||
            operands(reader).size() < 2)
          continue;
        return {false, "dropped",
                fmt::format("{} reads the same tensor: on CPU_SPR an addition takes one operand as the operation in "
                            "front gives it, in floating point.",
                            named(use.node))};
      }
    }
    return {false, "lonely elementwise",
            "Only one of its operands can be quantized, and for this operation alone: it gains nothing from 8 bits."};
  }

  Decision why_not_lean(const Node& node) const {
    if (node.kind == OpKind::kMatMul || node.kind == OpKind::kAttention)
      return {false, "operand", "Not both of its operands are floating-point data of known rank or constants."};
    if (computes_in_int8(node.kind)) return {false, "weight", "Its weight is no floating-point constant."};
    return {false, "lean",
            fmt::format("{} runs no faster in 8 bits by itself, and a quantizer would cost accuracy.", node.type)};
  }

  const Setting& setting_;
  const Graph& graph_;
  const std::vector<Site>& sites_;
  std::vector<Fusion> fusions_;
  std::vector<std::vector<std::size_t>> serving_;  // sites by node
};

}  // namespace

std::vector<Decision> explain(const Setting& setting, const std::vector<Site>& sites) {
  const Explanation explanation(setting, sites);
  std::vector<Decision> decisions;
  for (NodeId id = 0; id < static_cast<NodeId>(setting.graph.nodes().size()); ++id)
    decisions.push_back(explanation.of(id));
  return decisions;
}

}  // namespace tightrope
