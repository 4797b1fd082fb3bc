// SPDX-License-Identifier: Apache-2.0
// Reduces each item's share of one request to a few numbers at once, and combines those of all items.
#pragma once

#include <span>
#include <vector>

#include "statistics/histogram.h"
#include "statistics/request.h"
#include "statistics/sketch.h"
#include "tightrope/model.h"

namespace tightrope {

// Entries of any number of items -> one number per channel, in bounded memory. Sums are in double, in the order of the
// items.
class Aggregate {
 public:
  Aggregate(Aggregator aggregator, double outlier_probability)
      : aggregator_(aggregator), outlier_probability_(outlier_probability) {}

  // [channels][entries of the item]
  void add(std::span<const float> entries, std::size_t channels);

  std::vector<float> result() const;  // empty where nothing was added

 private:
  bool is_sketched() const;

  Aggregator aggregator_;
  double outlier_probability_;
  std::vector<double> folded_;  // extremes or sums, by channel
  std::size_t count_ = 0;       // entries of a channel
  std::vector<QuantileSketch> sketches_;
};

class Observer {
 public:
  // `value`: what the graph says of the request's.
  Observer(const StatisticRequest& request, const Value& value);

  // What the graph has to give for it.
  const std::vector<Probe>& probes() const { return probes_; }
  bool takes_whole() const { return probes_[0].reduction == Probe::Reduction::kWhole; }

  // The outputs for probes() on one item. False where they hold NaN, which means do not tell.
  bool add(std::span<const Tensor> outputs);

  bool has_seen() const { return has_seen_; }
  Observed result() const;

 private:
  bool add_reduced(std::span<const Tensor> outputs);
  bool add_whole(const Tensor& value);
  bool add_raw(const Tensor& value);
  void add_ends(std::span<const float> low, std::span<const float> high, std::span<const float> magnitude,
                std::size_t channels);  // [channels][entries] each; empty where an end looks at the elements

  StatisticRequest request_;
  std::vector<int> kept_axes_;
  std::vector<Probe> probes_;
  Aggregate low_;
  Aggregate high_;
  Aggregate magnitude_;
  Aggregate mean_{Aggregator::kMean, 0};
  std::vector<Histogram> histograms_;  // by channel
  bool has_seen_ = false;
};

// What a request would have observed, had `value` been the only item: weights. Throws InvalidArgument for elements that
// are not finite.
Observed observe(const Tensor& value, StatisticRequest request);

}  // namespace tightrope
