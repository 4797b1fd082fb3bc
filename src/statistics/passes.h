// SPDX-License-Identifier: Apache-2.0
// What is observed together: whole values take much memory, so not all of them leave the graph at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "statistics/observer.h"
#include "tightrope/model.h"

namespace tightrope {

struct Pass {
  std::vector<std::size_t> observers;  // indices
  int parallel = 0;                    // requests at a time; 0: as many as the device likes
};

// At least one pass, each observer in one of them; reductions in the graph are in the first. `sample` shows the extents
// that the graph leaves open. `parallel` is the limit that the user has set, 0: none.
std::vector<Pass> plan_passes(const Model& model, std::span<const Observer> observers, const Sample& sample,
                              int parallel);

}  // namespace tightrope
