// SPDX-License-Identifier: Apache-2.0
// Runs calibration data through the base model and keeps what the ranges need.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "statistics/request.h"
#include "tightrope/model.h"

namespace tightrope {

struct Statistics {
  std::vector<Observed> observed;  // one per request
  std::vector<Sample> samples;     // at most `kept_samples` items, spread evenly over those that were read
  std::int64_t items = 0;
};

// Reads at most `subset_size` items, on `parallel` requests at a time (0: as many as the device likes). The result does
// not depend on the number of threads, nor memory on the number of items. Values that have to leave the graph whole are
// collected in several passes over the data where they would take too much memory at once.
// Throws InvalidArgument for a dataset without items, for a tensor of the model itself that has no elements on any
// item, and for NaN, naming the node. Infinities are kept.
Statistics collect(const Model& model, const Dataset& data, std::span<const StatisticRequest> requests,
                   std::int64_t subset_size, std::size_t kept_samples, int parallel = 0);

}  // namespace tightrope
