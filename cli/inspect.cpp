// SPDX-License-Identifier: Apache-2.0
// The command 'inspect': what placement decided for each operation, in one or both placements.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "files.h"
#include "formats.h"
#include "tightrope/quantize.h"

namespace tightrope::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Inspected {
  std::string placement;
  ExplainedPlan result;

  const Decision& decision(NodeId id) const { return result.decisions[static_cast<std::size_t>(id)]; }
};

std::vector<Inspected> place_all(const Graph& graph, const InspectCommand& command) {
  std::vector<Inspected> all;
  for (const auto& [placement, name] : {std::pair(Placement::kLean, "lean"), {Placement::kReference, "reference"}}) {
    if (!command.both_placements && placement != command.options.placement) continue;
    QuantizeOptions options = command.options;
    options.placement = placement;
    all.push_back({name, place_and_explain(graph, options)});
  }
  return all;
}

// Operations that compute on data, or the one that is asked for.
std::vector<NodeId> operations_of(const Graph& graph, const std::vector<Inspected>& all, const std::string& asked) {
  if (!asked.empty()) return {graph.find_or_throw(asked)};
  std::vector<NodeId> ids;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const std::string& rule = all.front().decision(id).rule;
    if (rule != "constant" && rule != "shapes" && rule != "no data" && rule != "input" && rule != "output")
      ids.push_back(id);
  }
  return ids;
}

std::string_view word(const Decision& decision) { return decision.in_int8 ? "int8" : "float"; }

std::string description(const Quantizer& quantizer) {
  constexpr std::string_view kKinds[] = {"output", "input", "weight"};
  const QuantizerConfig& config = quantizer.config;
  return fmt::format("{} {} of {}: {} bits, {}, {}{}", kKinds[static_cast<std::size_t>(quantizer.kind)], quantizer.port,
                     quantizer.node, config.bits, config.mode == Mode::kSymmetric ? "symmetric" : "asymmetric",
                     config.per_channel ? "per channel" : "per tensor", quantizer.half_range ? ", half range" : "");
}

void print_list(const Graph& graph, const std::vector<NodeId>& ids, const std::vector<Inspected>& all,
                std::ostream& out) {
  for (const Inspected& one : all) out << fmt::format("{:<11}", one.placement);
  out << "operation\n";
  for (const NodeId id : ids) {
    for (const Inspected& one : all) out << fmt::format("{:<11}", word(one.decision(id)));
    out << fmt::format("{} ({})\n", graph.node(id).name, graph.node(id).type);
    if (all.size() > 1) continue;
    for (const Quantizer& quantizer : all[0].result.plan.quantizers) {
      if (std::ranges::binary_search(quantizer.operations, graph.node(id).name))
        out << fmt::format("             {}\n", description(quantizer));
    }
  }
  for (const Inspected& one : all) {
    const auto in_int8 = std::ranges::count_if(ids, [&](NodeId id) { return one.decision(id).in_int8; });
    out << fmt::format("{}: {} of {} operations would run in 8 bits, with {} quantizers\n", one.placement, in_int8,
                       ids.size(), one.result.plan.quantizers.size());
  }
}

void print_explanation(const Node& node, NodeId id, const std::vector<Inspected>& all, std::ostream& out) {
  out << fmt::format("{} ({})\n", node.name, node.type);
  for (const Inspected& one : all) {
    const Decision& decision = one.decision(id);
    out << fmt::format("  {}: {}, rule '{}'. {}\n", one.placement, word(decision), decision.rule, decision.why);
  }
}

void print_json(const Graph& graph, const std::vector<NodeId>& ids, const std::vector<Inspected>& all, Json json,
                std::ostream& out) {
  json["operations"] = Json::array();
  for (const NodeId id : ids) {
    Json operation{{"name", graph.node(id).name}, {"type", graph.node(id).type}};
    for (const Inspected& one : all) {
      const Decision& decision = one.decision(id);
      operation[one.placement] = {{"int8", decision.in_int8}, {"rule", decision.rule}, {"why", decision.why}};
    }
    json["operations"].push_back(std::move(operation));
  }
  for (const Inspected& one : all) {
    Json quantizers = Json::parse(to_json(one.result.plan))["quantizers"];
    for (Json& quantizer : quantizers) quantizer.erase("range");  // still empty
    json["quantizers"][one.placement] = std::move(quantizers);
  }
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace

void inspect_file(const InspectCommand& command, std::ostream& out) {
  check_input(command.model, "model");
  const auto model = read_model(command.model, format_for(command.model, command.to));
  const Graph& graph = model->graph();
  const std::vector<Inspected> all = place_all(graph, command);
  const std::vector<NodeId> ids = operations_of(graph, all, command.explain);
  if (command.json) {
    print_json(graph, ids, all, {{"model", command.model.string()}, {"framework", model->framework()}}, out);
  } else if (command.explain.empty()) {
    print_list(graph, ids, all, out);
  } else {
    print_explanation(graph.node(ids[0]), ids[0], all, out);
  }
}

}  // namespace tightrope::cli
