// SPDX-License-Identifier: Apache-2.0
// Correlation of outputs with labels: Pearson, Spearman.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

// From 1 on; equal values share the mean of their ranks.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) ranks[order[i]] = static_cast<double>(first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}

double pearson(const std::vector<double>& a, const std::vector<double>& b) {
  const auto count = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / count;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / count;
  double product = 0, first = 0, second = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += (a[i] - mean_a) * (b[i] - mean_b);
    first += (a[i] - mean_a) * (a[i] - mean_a);
    second += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return product / std::sqrt(first * second);
}

class CorrelationMeter : public Meter {
 public:
  explicit CorrelationMeter(bool of_ranks) : of_ranks_(of_ranks) {}

  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override {
    const Tensor& label = label_of(name(), item, sample, "a number");
    if (label.size() != outputs.front().size()) {
      refuse(name(), item,
             fmt::format("the label has shape {} and the model's output {}; equally many numbers are needed",
                         to_string(label.shape()), to_string(outputs.front().shape())));
    }
    for (const double value : outputs.front().to_doubles()) got_.push_back(value);
    for (const double value : label.to_doubles()) wanted_.push_back(value);
    if (std::ranges::any_of(got_, [](double value) { return std::isnan(value); }) && of_ranks_)
      refuse(name(), item, "an output is not a number");
  }

  Validation result() const override {
    const auto differs = [&](double value) { return value != wanted_.front(); };
    if (std::ranges::none_of(wanted_, differs))
      throw InvalidArgument(fmt::format("[metric {}] all labels are equal; two different ones are needed", name()));
    return of_ranks_ ? pearson(ranks_of(got_), ranks_of(wanted_)) : pearson(got_, wanted_);
  }

 private:
  const char* name() const { return of_ranks_ ? "spearman" : "pearson"; }

  bool of_ranks_;
  std::vector<double> got_;
  std::vector<double> wanted_;
};

}  // namespace

std::unique_ptr<Meter> begin_correlation(bool of_ranks) { return std::make_unique<CorrelationMeter>(of_ranks); }

}  // namespace tightrope
