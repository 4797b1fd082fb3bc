// SPDX-License-Identifier: Apache-2.0
#include "statistics/sketch.h"

#include "kernels/quantile.h"

namespace tightrope {
namespace {

using Weighted = std::vector<std::pair<float, std::size_t>>;  // sorted

std::size_t total_of(const Weighted& values) {
  std::size_t total = 0;
  for (const auto& [value, weight] : values) total += weight;
  return total;
}

float at_rank(const Weighted& values, std::size_t rank) {
  for (const auto& [value, weight] : values) {
    if (rank < weight) return value;
    rank -= weight;
  }
  return values.back().first;
}

float quantile(const Weighted& values, double probability) {
  const Position position = position_of(probability, total_of(values));
  return between(at_rank(values, position.rank), at_rank(values, position.rank + 1), position.weight);
}

Weighted without_outliers(const QuantileSketch& sketch, double probability) {
  Weighted values = sketch.sorted();
  if (probability <= 0) return values;
  const float low = quantile(values, probability);
  const float high = quantile(values, 1 - probability);
  Weighted kept;
  std::ranges::copy_if(values, std::back_inserter(kept),
                       [&](const auto& entry) { return entry.first >= low && entry.first <= high; });
  return kept.empty() ? values : kept;  // of two values and p near a half, nothing would be left
}

}  // namespace

void QuantileSketch::add(std::span<const float> values) {
  for (const float value : values) put(0, value);
  count_ += values.size();
}

void QuantileSketch::put(std::size_t index, float value) {
  if (index == levels_.size()) levels_.emplace_back();
  levels_[index].values.push_back(value);
  if (levels_[index].values.size() <= kExact) return;
  std::vector<float> full = std::move(levels_[index].values);
  levels_[index].values = {full.back()};  // an even number is halved
  full.pop_back();
  std::ranges::sort(full);
  for (std::size_t i = levels_[index].odd ? 1 : 0; i < full.size(); i += 2) put(index + 1, full[i]);
  levels_[index].odd = !levels_[index].odd;
}

std::vector<std::pair<float, std::size_t>> QuantileSketch::sorted() const {
  Weighted all;
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    for (const float value : levels_[i].values) all.emplace_back(value, std::size_t{1} << i);
  }
  std::ranges::sort(all);
  return all;
}

float median_of(const QuantileSketch& sketch, double outlier_probability) {
  return quantile(without_outliers(sketch, outlier_probability), 0.5);
}

float mean_of(const QuantileSketch& sketch, double outlier_probability) {
  const Weighted values = without_outliers(sketch, outlier_probability);
  double sum = 0;
  for (const auto& [value, weight] : values) sum += static_cast<double>(value) * static_cast<double>(weight);
  return static_cast<float>(sum / static_cast<double>(total_of(values)));
}

}  // namespace tightrope
