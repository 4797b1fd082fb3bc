// SPDX-License-Identifier: Apache-2.0
#include "statistics/passes.h"

#include <thread>

namespace tightrope {
namespace {

constexpr std::size_t kBytes = std::size_t{256} << 20U;  // of whole values that are held at a time

// One item's bytes of each value that leaves the graph whole. Open extents are those of `sample`, found by reducing all
// other axes.
std::map<ValueId, std::size_t> bytes_of_values(const Model& model, std::span<const Observer> observers,
                                               const Sample& sample) {
  std::map<ValueId, std::size_t> elements;
  std::vector<Probe> open;
  for (const Observer& observer : observers) {
    const ValueId id = observer.probes()[0].value;
    if (!observer.takes_whole() || elements.contains(id)) continue;
    const Value& value = model.graph().value(id);
    std::size_t& count = elements[id];
    count = value.known_rank ? 1 : kBytes / sizeof(float) / 2;
    if (!value.known_rank) continue;
    for (std::size_t axis = 0; axis < value.shape.size(); ++axis) {
      if (value.shape[axis] < 0)
        open.push_back({id, Probe::Reduction::kMax, {static_cast<int>(axis)}});
      else
        count *= static_cast<std::size_t>(value.shape[axis]);
    }
  }
  if (!open.empty()) {
    const std::vector<Tensor> outputs = model.compile({}, open)->run(sample);
    for (std::size_t i = 0; i < open.size(); ++i) elements[open[i].value] *= outputs[i].size();
  }
  for (auto& [id, count] : elements) count *= sizeof(float);
  return elements;
}

}  // namespace

std::vector<Pass> plan_passes(const Model& model, std::span<const Observer> observers, const Sample& sample,
                              int parallel) {
  const std::map<ValueId, std::size_t> bytes = bytes_of_values(model, observers, sample);
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<Pass> passes = {{{}, parallel}};
  std::map<ValueId, std::size_t> pass_of;
  std::size_t held = 0;  // by the last pass, for one item
  for (const auto& [value, size] : bytes) {
    if (held > 0 && held + size > kBytes) {
      passes.push_back({{}, parallel});
      held = 0;
    }
    held += size;
    pass_of[value] = passes.size() - 1;
    if (2 * held * cores > kBytes) {  // finished items wait for earlier ones
      const auto fitting = static_cast<int>(std::max<std::size_t>(kBytes / (2 * held), 1));
      passes.back().parallel = parallel == 0 ? fitting : std::min(parallel, fitting);
    }
  }
  for (std::size_t i = 0; i < observers.size(); ++i) {
    const Observer& observer = observers[i];
    passes[observer.takes_whole() ? pass_of.at(observer.probes()[0].value) : 0].observers.push_back(i);
  }
  return passes;
}

}  // namespace tightrope
