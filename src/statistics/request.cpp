// SPDX-License-Identifier: Apache-2.0
#include "statistics/request.h"

namespace tightrope {
namespace {

bool uses_probability(const EndStatistic& end) {
  return end.statistic == Statistic::kQuantile || end.statistic == Statistic::kAbsQuantile ||
         end.aggregator == Aggregator::kMeanNoOutliers || end.aggregator == Aggregator::kMedianNoOutliers;
}

EndStatistic end_of(const EndEstimator& estimator, EndStatistic end) {
  // The search by output errors starts from the extremes.
  if (estimator.aggregator != Aggregator::kOutputError) end.aggregator = estimator.aggregator.value_or(end.aggregator);
  if (end.aggregator == Aggregator::kHistogram) end.statistic = Statistic::kRaw;
  end.statistic = estimator.statistic.value_or(end.statistic);
  // The extremes of all elements are those of the items' extremes, which need no elements outside of the graph.
  if (end.statistic == Statistic::kRaw && end.aggregator == Aggregator::kMin) end.statistic = Statistic::kMin;
  if (end.statistic == Statistic::kRaw && end.aggregator == Aggregator::kMax) end.statistic = Statistic::kMax;
  if (uses_probability(end)) end.outlier_probability = estimator.outlier_probability;
  if (estimator.clipping_value) end.clip = static_cast<float>(*estimator.clipping_value);
  return end;
}

}  // namespace

EndStatistic lower_end(const EndEstimator& estimator) { return end_of(estimator, {Statistic::kMin, Aggregator::kMin}); }

EndStatistic upper_end(const EndEstimator& estimator) { return end_of(estimator, {Statistic::kMax, Aggregator::kMax}); }

}  // namespace tightrope
