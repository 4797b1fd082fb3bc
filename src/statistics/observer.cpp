// SPDX-License-Identifier: Apache-2.0
#include "statistics/observer.h"

#include <fmt/format.h>

#include "kernels/channels.h"
#include "kernels/quantile.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool is_quantile(Statistic statistic) {
  return statistic == Statistic::kQuantile || statistic == Statistic::kAbsQuantile;
}

// A reduction in the graph would not give it.
bool needs_elements(const EndStatistic& end) {
  return is_quantile(end.statistic) || end.statistic == Statistic::kRaw ||
         (end.statistic == Statistic::kMean && end.clip < kInfinity);
}

bool has_nan(std::span<const float> values) {
  return std::ranges::any_of(values, [](float value) { return std::isnan(value); });
}

void clip(std::span<float> values, float limit) {
  if (limit == kInfinity) return;
  for (float& value : values) value = std::clamp(value, -limit, limit);
}

// The elements that agree in their places along the kept axes, side by side: [groups][elements of each].
class Groups {
 public:
  Groups(const Tensor& tensor, std::span<const int> kept_axes) : count_(channel_count(tensor.shape(), kept_axes)) {
    if (tensor.type() == ElementType::kF32) {
      values_ = tensor.as<float>();
    } else {
      copy_ = tensor.to_floats();
      values_ = copy_;
    }
    length_ = values_.size() / count_;
    if (!are_contiguous(tensor.shape(), kept_axes)) gather(tensor.shape(), kept_axes);
  }

  std::size_t count() const { return count_; }
  std::span<const float> all() const { return values_; }
  std::span<const float> operator[](std::size_t group) const { return values_.subspan(group * length_, length_); }

 private:
  static bool are_contiguous(const Shape& shape, std::span<const int> kept_axes) {
    for (int axis = 0, end = kept_axes.empty() ? 0 : kept_axes.back(); axis < end; ++axis) {
      if (std::ranges::find(kept_axes, axis) == kept_axes.end() && shape[static_cast<std::size_t>(axis)] != 1)
        return false;
    }
    return true;
  }

  void gather(const Shape& shape, std::span<const int> kept_axes) {
    std::vector<float> gathered(values_.size());
    std::vector<std::size_t> filled(count_, 0);
    for_each_run(shape, kept_axes, [&](std::size_t offset, std::size_t length, std::size_t group, std::size_t step) {
      for (std::size_t i = 0; i < length; ++i, group += step)
        gathered[group * length_ + filled[group]++] = values_[offset + i];
    });
    copy_ = std::move(gathered);
    values_ = copy_;
  }

  std::size_t count_;
  std::size_t length_ = 0;
  std::vector<float> copy_;
  std::span<const float> values_;
};

// What a reduction in the graph gives, or what is computed of elements: by group, or empty where nobody asks for it.
struct Reduced {
  std::vector<float> low;
  std::vector<float> high;
  std::vector<float> mean;
};

float magnitude_of(float low, float high) { return std::max(std::abs(low), std::abs(high)); }

std::vector<float> magnitudes_of(const Reduced& reduced, float limit) {
  std::vector<float> result(reduced.low.size());
  std::ranges::transform(reduced.low, reduced.high, result.begin(), magnitude_of);
  clip(result, limit);
  return result;
}

// An end, where no elements are needed.
std::vector<float> end_of(const EndStatistic& end, const Reduced& reduced) {
  if (end.statistic == Statistic::kAbsMax) return magnitudes_of(reduced, end.clip);
  std::vector<float> result = end.statistic == Statistic::kMin   ? reduced.low
                              : end.statistic == Statistic::kMax ? reduced.high
                                                                 : reduced.mean;
  clip(result, end.clip);
  return result;
}

float mean_of(std::span<const float> values, float limit) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(std::clamp(value, -limit, limit));
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

Reduced extremes_by_group(const Groups& groups) {
  Reduced reduced;
  for (std::size_t g = 0; g < groups.count(); ++g) {
    float low = kInfinity;
    float high = -kInfinity;
    for (const float value : groups[g]) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
    reduced.low.push_back(low);
    reduced.high.push_back(high);
  }
  return reduced;
}

std::vector<float> means_by_group(const Groups& groups, float limit) {
  std::vector<float> means;
  for (std::size_t g = 0; g < groups.count(); ++g) means.push_back(mean_of(groups[g], limit));
  return means;
}

// One entry of each list per group.
std::vector<std::vector<float>> quantiles_by_group(const Groups& groups, std::span<const double> probabilities,
                                                   Statistic statistic) {
  std::vector<std::vector<float>> result(probabilities.size());
  for (std::size_t g = 0; g < groups.count(); ++g) {
    const auto found = quantiles_of(groups[g], probabilities, statistic == Statistic::kAbsQuantile);
    for (std::size_t i = 0; i < found.size(); ++i) result[i].push_back(found[i]);
  }
  return result;
}

// Both ends, one entry per group; empty where an end looks at the elements themselves.
std::vector<std::vector<float>> ends_by_group(const StatisticRequest& request, const Groups& groups,
                                              const Reduced& extremes) {
  const std::vector<EndStatistic> ends = {request.low, request.high};
  const std::vector<double> probabilities = {ends[0].outlier_probability, 1 - ends[1].outlier_probability};
  std::vector<std::vector<float>> result(2);
  if (is_quantile(ends[0].statistic) && ends[0].statistic == ends[1].statistic) {  // one walk for both
    result = quantiles_by_group(groups, probabilities, ends[0].statistic);
  } else {
    for (std::size_t i = 0; i < 2; ++i) {
      if (is_quantile(ends[i].statistic))
        result[i] = quantiles_by_group(groups, std::span(probabilities).subspan(i, 1), ends[i].statistic)[0];
      else if (ends[i].statistic == Statistic::kMean)
        result[i] = means_by_group(groups, ends[i].clip);
      else if (ends[i].statistic != Statistic::kRaw)
        result[i] = end_of(ends[i], extremes);
    }
  }
  for (std::size_t i = 0; i < 2; ++i) clip(result[i], ends[i].clip);
  return result;
}

std::vector<float> transposed(std::span<const float> values, std::size_t rows) {
  const std::size_t columns = values.size() / rows;
  std::vector<float> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i % columns * rows + i / columns] = values[i];
  return result;
}

}  // namespace

bool Aggregate::is_sketched() const {
  return aggregator_ != Aggregator::kMin && aggregator_ != Aggregator::kMax && aggregator_ != Aggregator::kMean;
}

void Aggregate::add(std::span<const float> entries, std::size_t channels) {
  if (count_ > 0 && channels != std::max(folded_.size(), sketches_.size()))
    throw InternalError("[statistics] the number of channels changed between items");
  const std::size_t length = entries.size() / channels;
  if (count_ == 0 && is_sketched()) sketches_.resize(channels);
  if (count_ == 0 && !is_sketched())
    folded_.assign(channels, aggregator_ == Aggregator::kMin   ? std::numeric_limits<double>::infinity()
                             : aggregator_ == Aggregator::kMax ? -std::numeric_limits<double>::infinity()
                                                               : 0);
  count_ += length;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto values = entries.subspan(c * length, length);
    if (is_sketched()) {
      sketches_[c].add(values);
      continue;
    }
    for (const float entry : values) {
      const auto value = static_cast<double>(entry);
      folded_[c] = aggregator_ == Aggregator::kMin   ? std::min(folded_[c], value)
                   : aggregator_ == Aggregator::kMax ? std::max(folded_[c], value)
                                                     : folded_[c] + value;
    }
  }
}

std::vector<float> Aggregate::result() const {
  std::vector<float> result;
  const double divisor = aggregator_ == Aggregator::kMean ? static_cast<double>(count_) : 1.0;
  for (const double value : folded_) result.push_back(static_cast<float>(value / divisor));
  for (const QuantileSketch& sketch : sketches_) {
    const bool is_mean = aggregator_ == Aggregator::kMeanNoOutliers;
    const double probability = aggregator_ == Aggregator::kMedian ? 0 : outlier_probability_;
    result.push_back(is_mean ? tightrope::mean_of(sketch, probability) : median_of(sketch, probability));
  }
  return result;
}

Observer::Observer(const StatisticRequest& request, const Value& value)
    : request_(request),
      low_(request.low.aggregator, request.low.outlier_probability),
      high_(request.high.aggregator, request.high.outlier_probability),
      magnitude_(high_) {
  const bool has_samples = value.known_rank && !value.shape.empty() &&
                           std::ranges::find(request_.channel_axes, 0) == request_.channel_axes.end();
  request_.per_sample = request_.per_sample && has_samples && !request_.mean;
  kept_axes_ = request_.channel_axes;
  if (request_.per_sample) kept_axes_.insert(kept_axes_.begin(), 0);
  const auto ask_for = [&](Probe::Reduction reduction, const std::vector<int>& kept) {
    probes_.push_back({request_.value, reduction, kept});
  };
  const bool needs_all = !request_.mean && (needs_elements(request_.low) || needs_elements(request_.high));
  if (!request_.in_graph || needs_all) {
    ask_for(Probe::Reduction::kWhole, {});
    return;
  }
  if (!request_.mean) {
    ask_for(Probe::Reduction::kMin, kept_axes_);
    ask_for(Probe::Reduction::kMax, kept_axes_);
  }
  if (request_.mean || request_.low.statistic == Statistic::kMean || request_.high.statistic == Statistic::kMean)
    ask_for(Probe::Reduction::kMean, kept_axes_);
}

bool Observer::add(std::span<const Tensor> outputs) {
  return takes_whole() ? add_whole(outputs[0]) : add_reduced(outputs);
}

bool Observer::add_reduced(std::span<const Tensor> outputs) {
  Reduced reduced;
  (request_.mean ? reduced.mean : reduced.low) = outputs[0].to_floats();
  if (request_.mean) {
    if (!reduced.mean.empty()) mean_.add(reduced.mean, reduced.mean.size());
    return true;
  }
  reduced.high = outputs[1].to_floats();
  if (has_nan(reduced.low) || has_nan(reduced.high)) return false;
  // A tensor without elements has its minimum above its maximum, one of a branch that did not run has none.
  if (reduced.low.empty() || reduced.low[0] > reduced.high[0]) return true;
  if (outputs.size() > 2) reduced.mean = outputs[2].to_floats();
  if (has_nan(reduced.mean)) return false;
  const std::size_t samples = request_.per_sample ? static_cast<std::size_t>(outputs[0].shape()[0]) : 1;
  for (std::vector<float>* values : {&reduced.low, &reduced.high, &reduced.mean}) {
    if (!values->empty()) *values = transposed(*values, samples);
  }
  add_ends(end_of(request_.low, reduced), end_of(request_.high, reduced), magnitudes_of(reduced, request_.high.clip),
           reduced.low.size() / samples);
  return true;
}

bool Observer::add_whole(const Tensor& value) {
  if (value.size() == 0) return true;
  if (request_.mean) {
    const std::vector<float> means = means_by_group(Groups(value, kept_axes_), kInfinity);
    mean_.add(means, means.size());
    return true;
  }
  const auto is_raw = [](const EndStatistic& end) { return end.statistic == Statistic::kRaw; };
  if (is_raw(request_.low) || is_raw(request_.high)) {
    if (!add_raw(value)) return false;
  }
  if (!is_raw(request_.low) || !is_raw(request_.high)) {
    const Groups groups(value, kept_axes_);
    if (has_nan(groups.all())) return false;
    const bool needs_extremes = !is_quantile(request_.low.statistic) || !is_quantile(request_.high.statistic);
    Reduced extremes;
    if (needs_extremes) extremes = extremes_by_group(groups);
    std::vector<std::vector<float>> parts = ends_by_group(request_, groups, extremes);
    parts.push_back(magnitudes_of(extremes, request_.high.clip));
    const std::size_t samples = request_.per_sample ? static_cast<std::size_t>(value.shape()[0]) : 1;
    for (std::vector<float>& part : parts) part = transposed(part, samples);
    add_ends(parts[0], parts[1], parts[2], groups.count() / samples);
  }
  return true;
}

bool Observer::add_raw(const Tensor& value) {
  const Groups channels(value, request_.channel_axes);
  if (has_nan(channels.all())) return false;
  has_seen_ = true;
  const auto is_histogram = [](const EndStatistic& end) { return end.aggregator == Aggregator::kHistogram; };
  if (is_histogram(request_.low) || is_histogram(request_.high)) {
    histograms_.resize(channels.count(), Histogram(-request_.low.clip, request_.high.clip));
    for (std::size_t c = 0; c < channels.count(); ++c) histograms_[c].add(channels[c]);
  }
  for (const auto& [end, aggregate] : {std::pair(&request_.low, &low_), std::pair(&request_.high, &high_)}) {
    if (end->statistic != Statistic::kRaw || is_histogram(*end)) continue;
    if (end->clip == kInfinity) {
      aggregate->add(channels.all(), channels.count());
    } else {
      std::vector<float> clipped(channels.all().begin(), channels.all().end());
      clip(clipped, end->clip);
      aggregate->add(clipped, channels.count());
    }
  }
  return true;
}

void Observer::add_ends(std::span<const float> low, std::span<const float> high, std::span<const float> magnitude,
                        std::size_t channels) {
  has_seen_ = true;
  if (!low.empty()) low_.add(low, channels);
  if (!high.empty()) high_.add(high, channels);
  if (request_.high.statistic == Statistic::kMax) magnitude_.add(magnitude, channels);
}

Observed Observer::result() const {
  Observed observed{low_.result(), high_.result(), magnitude_.result(), mean_.result()};
  for (const Histogram& histogram : histograms_) {
    const auto [low, high] = histogram.best_range();
    if (request_.low.aggregator == Aggregator::kHistogram) observed.low.push_back(low);
    if (request_.high.aggregator == Aggregator::kHistogram) observed.high.push_back(high);
  }
  const Statistic of_high = request_.high.statistic;
  if (of_high == Statistic::kAbsMax || of_high == Statistic::kAbsQuantile) {
    observed.magnitude = observed.high;
  } else if (of_high != Statistic::kMax) {
    observed.magnitude.resize(observed.low.size());
    std::ranges::transform(observed.low, observed.high, observed.magnitude.begin(), magnitude_of);
  }
  return observed;
}

Observed observe(const Tensor& value, StatisticRequest request) {
  request.per_sample = false;
  request.in_graph = false;
  Observer observer(request, Value{});
  const bool has_numbers = observer.add(std::span(&value, 1));
  Observed observed = observer.result();
  for (std::size_t c = 0; c < observed.magnitude.size(); ++c) {
    if (!std::isfinite(observed.magnitude[c]))
      throw InvalidArgument(fmt::format("[ranges] channel {} of the weight is not finite", c));
  }
  if (!has_numbers) throw InvalidArgument("[ranges] the weight is not finite");
  return observed;
}

}  // namespace tightrope
