// SPDX-License-Identifier: Apache-2.0
// Runs calibration data through the base model and keeps what the ranges need, reduced inside the graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tightrope/model.h"
#include "tightrope/options.h"

namespace tightrope {

// Extremes or means of one value, per channel where axes are kept.
struct StatisticRequest {
  ValueId value = kNone;
  std::vector<int> channel_axes;
  bool mean = false;                   // the mean over items of the items' means, instead of extremes
  Aggregator low = Aggregator::kMin;   // of the items' minima
  Aggregator high = Aggregator::kMax;  // of the items' maxima

  bool operator==(const StatisticRequest&) const = default;
};

// One entry, or one per channel. Empty is what was not asked for, and what no item had elements for in a branch of an
// If.
struct Observed {
  std::vector<float> low;
  std::vector<float> high;
  std::vector<float> magnitude;  // of the items' largest magnitudes, aggregated as `high`
  std::vector<float> mean;
};

struct Statistics {
  std::vector<Observed> observed;  // one per request
  std::vector<Sample> samples;     // at most `kept_samples` items, spread evenly over those that were read
  std::int64_t items = 0;
};

// Reads at most `subset_size` items, as many at a time as the device likes unless told. The result does not depend on
// the number of threads. Throws InvalidArgument for a dataset without items, for a tensor of the model itself that has
// no elements on any item, and for NaN, naming the node. Infinities are kept.
Statistics collect(const Model& model, const Dataset& data, std::span<const StatisticRequest> requests,
                   std::int64_t subset_size, std::size_t kept_samples, int items_at_a_time = 0);

}  // namespace tightrope
