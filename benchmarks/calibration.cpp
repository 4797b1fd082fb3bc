// SPDX-License-Identifier: Apache-2.0
// What collecting minima and maxima costs: the base model with reductions in its graph against the plain model, on the
// same items and the same parallel requests.
//
//   calibration_benchmark MODEL [ITEMS] [FRAMEWORK]
//
// FRAMEWORK is openvino, or onnx for ONNX Runtime, which TIGHTROPE_ONNXRUNTIME names.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>
#include <string_view>

#include "base/reading.h"
#include "graph/site.h"
#include "tightrope/tightrope.h"

namespace {

using namespace tightrope;

struct Cost {
  double wall;
  double cpu;
};

// Uniform values; open extents become 1 on axis 0 and 48 elsewhere.
Sample random_sample(const Graph& graph, std::mt19937& random) {
  Sample sample;
  for (const Node& node : graph.nodes()) {
    if (node.kind != OpKind::kParameter) continue;
    Shape shape = graph.value(node.outputs[0]).shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] < 0) shape[axis] = axis == 0 ? 1 : 48;
    }
    std::vector<float> values(element_count(shape));
    std::uniform_real_distribution<float> uniform(0, 1);
    std::generate(values.begin(), values.end(), [&] { return uniform(random); });
    sample.inputs.push_back({node.name, Tensor::copy_of(std::span<const float>(values), shape)});
  }
  return sample;
}

Cost run(Session& session, const std::vector<Sample>& samples) {
  const auto wall = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  session.run_all(reader_of(samples), "benchmark", [](std::size_t, std::vector<Tensor>) {});
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count(),
          static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}

std::vector<Probe> probes_for(const Graph& graph) {
  std::vector<Probe> probes;
  for (const Quantizer& quantizer : place(graph).quantizers) {
    if (quantizer.kind == SiteKind::kWeight) continue;
    for (const auto reduction : {Probe::Reduction::kMin, Probe::Reduction::kMax}) {
      probes.push_back({value_of(quantizer, graph), reduction, quantizer.channel_axes});
    }
  }
  return probes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: calibration_benchmark MODEL [ITEMS] [openvino|onnx]\n");
    return 2;
  }
  const auto model = argc > 3 && std::string_view(argv[3]) == "onnx" ? read_onnx(argv[1]) : read_openvino(argv[1]);
  const std::size_t items = argc > 2 ? std::stoul(argv[2]) : 100;
  std::mt19937 random(0);
  std::vector<Sample> samples(items, random_sample(model->graph(), random));

  CompileOptions options;
  options.throughput = true;
  const auto plain = model->compile(options);
  const auto probed = model->compile(options, probes_for(model->graph()));
  run(*plain, samples);
  run(*probed, samples);
  Cost best_plain{1e9, 1e9};
  Cost best_probed{1e9, 1e9};
  constexpr int kRounds = 7;
  for (int round = 0; round < kRounds; ++round) {
    const Cost a = run(*plain, samples);
    const Cost b = run(*probed, samples);
    best_plain = {std::min(best_plain.wall, a.wall), std::min(best_plain.cpu, a.cpu)};
    best_probed = {std::min(best_probed.wall, b.wall), std::min(best_probed.cpu, b.cpu)};
  }
  fmt::print("{}: {} items, plain {:.1f} ms, with statistics {:.1f} ms per item; ratio {:.2f} wall, {:.2f} CPU\n",
             argv[1], items, 1e3 * best_plain.wall / static_cast<double>(items),
             1e3 * best_probed.wall / static_cast<double>(items), best_probed.wall / best_plain.wall,
             best_probed.cpu / best_plain.cpu);
  return 0;
}
