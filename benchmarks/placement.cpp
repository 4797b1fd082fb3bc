// SPDX-License-Identifier: Apache-2.0
// What placement costs: on a model, or on generated networks of growing size. Prints the best of several runs.
//
//   placement_benchmark [MODEL]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "openvino/op_table.h"
#include "tightrope/tightrope.h"

namespace {

using namespace tightrope;

double best_milliseconds(const Graph& graph, const QuantizeOptions& options) {
  constexpr int kRuns = 7;
  double best = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    if (place(graph, options).empty()) throw InternalError("the benchmark quantizes nothing");
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void report(const std::string& name, const Graph& graph) {
  QuantizeOptions reference;
  reference.placement = Placement::kReference;
  fmt::print("| {} | {} | {:.2f} | {:.2f} |\n", name, graph.nodes().size(), best_milliseconds(graph, {}),
             best_milliseconds(graph, reference));
}

class Network {
 public:
  Graph graph;

  ValueId add(const std::string& type, const std::vector<ValueId>& inputs) {
    Node node = node_of(openvino::find_row(type), fmt::format("{}_{}", type, graph.nodes().size()));
    node.rank = static_cast<std::int32_t>(graph.nodes().size());
    node.data_ports = {0};
    if (node.kind == OpKind::kConvolution) node.weights = {{1, {0}}};
    const NodeId id = graph.add_node(std::move(node));
    for (std::size_t port = 0; port < inputs.size(); ++port) graph.connect(inputs[port], id, static_cast<int>(port));
    Value value;
    value.name = graph.node(id).name;
    value.type = ElementType::kF32;
    value.shape = {1, 64, 32, 32};
    value.producer = id;
    return graph.add_value(std::move(value));
  }

  ValueId convolution(ValueId x) {
    const ValueId product = add("Convolution", {x, add("Constant", {})});
    return add("Add", {product, add("Constant", {})});
  }
};

// Residual blocks of two convolutions; in each fourth a concatenation with a pooled branch, which is read by all later
// blocks' gates as well.
Graph residual_network(std::size_t nodes) {
  Network net;
  ValueId x = net.add("Relu", {net.convolution(net.add("Parameter", {}))});
  for (int block = 0; net.graph.nodes().size() < nodes; ++block) {
    const ValueId branch = net.convolution(net.add("Relu", {net.convolution(x)}));
    x = net.add("Relu", {net.add("Add", {x, branch})});
    if (block % 4 == 3) x = net.convolution(net.add("Concat", {x, net.add("MaxPool", {x})}));
  }
  net.add("Result", {x});
  return std::move(net.graph);
}

}  // namespace

int main(int count, char** arguments) {
  fmt::print("| network | nodes | lean, ms | reference, ms |\n|---|---|---|---|\n");
  if (count > 1) {
    report(arguments[1], read_openvino(arguments[1])->graph());
    return 0;
  }
  for (const std::size_t nodes : {2500, 5000, 10000, 20000, 40000})
    report(fmt::format("{} nodes", nodes), residual_network(nodes));
}
