// SPDX-License-Identifier: Apache-2.0
// What is to be observed of a value, and what was.
#pragma once

#include <limits>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/options.h"

namespace tightrope {

// How one end of a range is observed.
struct EndStatistic {
  Statistic statistic = Statistic::kMin;
  Aggregator aggregator = Aggregator::kMin;
  double outlier_probability = 0;                       // 0 where neither the statistic nor the aggregator uses it
  float clip = std::numeric_limits<float>::infinity();  // elements are clipped to [-clip, clip]

  bool operator==(const EndStatistic&) const = default;
};

// The ends of a range, or means of one value, per channel where axes are kept.
struct StatisticRequest {
  ValueId value = kNone;
  std::vector<int> channel_axes;
  bool mean = false;  // the mean over items of the items' means, instead of the ends
  EndStatistic low{Statistic::kMin, Aggregator::kMin};
  EndStatistic high{Statistic::kMax, Aggregator::kMax};
  bool per_sample = false;  // each entry along axis 0 counts as an item; axis 0 is no channel axis
  bool in_graph = true;     // false: whole values leave the graph, and are reduced outside

  bool operator==(const StatisticRequest&) const = default;
};

// One entry, or one per channel. Empty is what was not asked for, and what no item had elements for in a branch of an
// If.
//
// `magnitude` is the end of a range around zero: of the items' largest magnitudes where `high` is of the items' maxima
// or magnitudes, and the larger magnitude of both ends otherwise.
struct Observed {
  std::vector<float> low;
  std::vector<float> high;
  std::vector<float> magnitude;
  std::vector<float> mean;
};

// What an estimator observes, with the extremes of extremes where it leaves the choice.
EndStatistic lower_end(const EndEstimator& estimator);
EndStatistic upper_end(const EndEstimator& estimator);

}  // namespace tightrope
