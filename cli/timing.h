// SPDX-License-Identifier: Apache-2.0
// How fast models are, measured side by side: in turns, so that whatever else the machine does meets all of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "commands.h"
#include "tightrope/model.h"

namespace tightrope::cli {

struct Timing {
  double min = 0;         // milliseconds of one item, alone on the device
  double median = 0;      // likewise
  double throughput = 0;  // items a second, several at a time; the best of all turns
};

// In the order of the models. Latency takes `seconds`, and throughput as much again, or is left out.
std::vector<Timing> time_side_by_side(std::span<const std::unique_ptr<Model>> models, std::span<const Sample> items,
                                      const Execution& execution, double seconds, bool with_throughput);

}  // namespace tightrope::cli
