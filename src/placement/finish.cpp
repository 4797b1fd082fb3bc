// SPDX-License-Identifier: Apache-2.0
#include "placement/finish.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/walk.h"

namespace tightrope {
namespace {

// Leaves out the sites that are marked, and keeps links between the others true.
void erase_sites(std::vector<Site>& sites, const std::vector<bool>& leaves) {
  std::vector<std::size_t> moved_to(sites.size());
  std::vector<Site> rest;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    moved_to[i] = rest.size();
    if (!leaves[i]) rest.push_back(std::move(sites[i]));
  }
  for (Site& site : rest) {
    std::erase_if(site.below, [&](std::size_t other) { return leaves[other]; });
    for (std::size_t& other : site.below) other = moved_to[other];
  }
  sites = std::move(rest);
}

// The configurations of a table that suit everyone who shares its scale; signs aside, since a table has both.
std::vector<QuantizerConfig> common_with_table(const Site& table, const std::vector<const Site*>& sharers) {
  std::vector<QuantizerConfig> common;
  for (const QuantizerConfig& config : table.configs) {
    const bool suits_all = std::ranges::all_of(sharers, [&](const Site* sharer) {
      return std::ranges::any_of(sharer->configs, [&](QuantizerConfig other) {
        other.forced_sign = config.forced_sign;
        return other == config;
      });
    });
    if (suits_all && !config.per_channel) common.push_back(config);
  }
  return common;
}

bool makes_redundant(const QuantizerConfig& upper, const QuantizerConfig& lower) {
  return lower.bits == upper.bits && lower.narrow_range == upper.narrow_range &&
         (lower.mode == upper.mode || lower.mode == Mode::kAsymmetric) &&
         (lower.per_channel == upper.per_channel || lower.per_channel);
}

}  // namespace

void drop_lonely_elementwise(const Setting& setting, std::vector<Site>& sites) {
  std::map<NodeId, int> served;
  for (const Site& site : sites) {
    for (const NodeId id : site.operations) ++served[id];
  }
  std::vector<bool> leaves(sites.size(), false);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const Site& site = sites[i];
    leaves[i] = !site.moved && site.operations.size() == 1 && served[site.operations[0]] == 1 &&
                (setting.graph.node(site.operations[0]).roles & kIsElementwise) != 0;
  }
  erase_sites(sites, leaves);
}

void quantize_embeddings(const Setting& setting, std::vector<Site>& sites) {
  std::vector<bool> leaves(sites.size(), false);
  for (Site& table : sites) {
    if (table.kind != SiteKind::kWeight || setting.graph.node(table.node).trait != Trait::kLooksUp) continue;
    const auto output = std::ranges::find_if(
        sites, [&](const Site& site) { return site.kind == SiteKind::kOutput && site.node == table.node; });
    if (output == sites.end()) continue;
    std::vector<const Site*> sharers;
    for (const Site& site : sites) {
      if (&site == &*output || (output->scale != kNone && site.scale == output->scale)) sharers.push_back(&site);
    }
    const auto common = common_with_table(table, sharers);
    if (common.empty()) continue;
    for (Site& site : sites) {
      if (output->scale != kNone && site.scale == output->scale) site.configs = common;
    }
    table.configs = common;
    table.scale = output->scale;
    unite(table.operations, output->operations);
    leaves[static_cast<std::size_t>(output - sites.begin())] = true;
    output->scale = kNone;
  }
  erase_sites(sites, leaves);
}

void choose_configs(std::vector<Site>& sites) {
  for (Site& site : sites) {
    site.configs.resize(1);
    if (site.configs[0].per_channel) site.scale = kNone;
  }
  std::vector<bool> leaves(sites.size(), false);
  for (Site& site : sites) {
    for (const std::size_t lower : site.below) {
      if (!makes_redundant(site.configs[0], sites[lower].configs[0])) continue;
      leaves[lower] = true;
      unite(site.operations, sites[lower].operations);
    }
  }
  erase_sites(sites, leaves);
}

void make_products_symmetric(const Setting& setting, std::vector<Site>& sites) {
  for (Site& site : sites) {
    const bool feeds_product = std::ranges::any_of(site.operations, [&](NodeId id) {
      const Node& node = setting.graph.node(id);
      return node.kind == OpKind::kMatMul && node.weights.empty();
    });
    if (feeds_product && site.kind != SiteKind::kWeight) site.configs[0].mode = Mode::kSymmetric;
  }
}

namespace {

// What an operation reads of the data, each producer once.
std::vector<NodeId> producers_of(const Setting& setting, NodeId id) {
  std::vector<NodeId> producers;
  for_each_producer(setting.graph, setting.graph.node(id), [&](NodeId producer) {
    if (setting.in_flow(producer) && std::ranges::find(producers, producer) == producers.end())
      producers.push_back(producer);
  });
  return producers;
}

std::size_t consumer_count(const Setting& setting, NodeId id) {
  std::set<NodeId> consumers;
  for_each_use(setting.graph, setting.graph.node(id), [&](const Use& use) {
    if (setting.in_flow(use.node)) consumers.insert(use.node);
  });
  return consumers.size();
}

// True where a chain of operations with one producer each leads from a convolution or product to this one.
bool follows_product(const Setting& setting, NodeId id) {
  while (true) {
    const auto producers = producers_of(setting, id);
    if (producers.size() != 1) return false;
    id = producers[0];
    const OpKind kind = setting.graph.node(id).kind;
    if (is_convolution(kind) || kind == OpKind::kMatMul) return true;
  }
}

double elements_of(const Graph& graph, NodeId id) {
  double count = 1;
  for (const std::int64_t extent : graph.value(graph.node(id).outputs[0]).shape) count *= static_cast<double>(extent);
  return count;
}

}  // namespace

void keep_one_operand_of_additions(const Setting& setting, std::vector<Site>& sites) {
  std::map<NodeId, std::size_t> at_output;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].kind == SiteKind::kOutput) at_output[sites[i].node] = i;
  }
  std::vector<bool> leaves(sites.size(), false);
  for (NodeId id = 0; id < static_cast<NodeId>(setting.graph.nodes().size()); ++id) {
    if (!setting.in_flow(id) || setting.graph.node(id).kind != OpKind::kAdd) continue;
    std::vector<NodeId> producers = producers_of(setting, id);
    std::ranges::sort(producers, std::greater{});  // of equals the later one loses its quantizer
    if (producers.size() != 2 || !at_output.contains(producers[0]) || !at_output.contains(producers[1])) continue;
    if (consumer_count(setting, producers[0]) < consumer_count(setting, producers[1]))
      std::swap(producers[0], producers[1]);
    if (consumer_count(setting, producers[0]) > 1 && consumer_count(setting, producers[1]) == 1) {
      leaves[at_output[producers[1]]] = true;
      continue;
    }
    if (!follows_product(setting, producers[0]) || !follows_product(setting, producers[1])) continue;
    const bool first_is_larger = elements_of(setting.graph, producers[0]) >= elements_of(setting.graph, producers[1]);
    leaves[at_output[producers[first_is_larger ? 0 : 1]]] = true;
  }
  erase_sites(sites, leaves);
}

}  // namespace tightrope
