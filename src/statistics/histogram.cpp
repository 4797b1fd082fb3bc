// SPDX-License-Identifier: Apache-2.0
#include "statistics/histogram.h"

#include <cstdint>
#include <numeric>

namespace tightrope {
namespace {

constexpr std::size_t kBins = 2048;
constexpr std::size_t kLevels = 256;
constexpr std::size_t kParts = 16;  // of a bin, when it moves to a wider range
constexpr double kStep = 1e-5;      // of all values

std::size_t bin_of(double value, double low, double scale) {
  return std::min(static_cast<std::size_t>(std::max((value - low) * scale, 0.0)), kBins - 1);
}

double cube(double value) { return value * value * value; }

// The squared error of values spread evenly between two distances from a level, times their density.
double error_between(double from, double to) { return (cube(to) - cube(from)) / 3; }

// The squared error of rounding to levels in the middle of kLevels cells that divide the bins from `first` to `last`;
// what lies outside goes to the outermost cells. The unit is the width of a bin.
double rounding_error(const std::vector<double>& bins, std::size_t first, std::size_t last) {
  const std::size_t width = last - first + 1;  // kLevels cells; in units of 1 / kLevels bins a cell has this width
  const double cell = static_cast<double>(width) / static_cast<double>(kLevels);
  const double whole_cell = error_between(-cell / 2, cell / 2);
  const auto centre = [&](std::size_t index) { return (static_cast<double>(index) + 0.5) * cell; };
  double error = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    if (bins[i] == 0) continue;
    const double begin = static_cast<double>(i) - static_cast<double>(first);
    if (i < first || i > last) {
      const double level = centre(i < first ? 0 : kLevels - 1);
      error += bins[i] * error_between(begin - level, begin + 1 - level);
      continue;
    }
    const std::size_t from = (i - first) * kLevels / width;
    const std::size_t to = std::min((i - first + 1) * kLevels / width, kLevels - 1);
    if (from == to) {
      error += bins[i] * error_between(begin - centre(from), begin + 1 - centre(from));
    } else {
      error +=
          bins[i] * (error_between(begin - centre(from), cell / 2) + static_cast<double>(to - from - 1) * whole_cell +
                     error_between(-cell / 2, begin + 1 - centre(to)));
    }
  }
  return error;
}

// Gives up bins from both ends, those with the fewest values first, until the error rises.
std::pair<std::size_t, std::size_t> best_bins(const std::vector<double>& bins) {
  std::vector<double> sums(kBins);
  std::partial_sum(bins.begin(), bins.end(), sums.begin());
  const double total = sums.back();
  double below = 0;  // the shares of all values between which the bins lie
  double above = 1;
  std::size_t first = 0;
  std::size_t last = kBins - 1;
  double least = std::numeric_limits<double>::infinity();
  while (below < above) {
    std::size_t left = first;
    std::size_t right = last;
    while (left < last && sums[left] < (below + kStep) * total) ++left;
    while (right > first && sums[right] > (above - kStep) * total) --right;
    const bool moves_left = left - first > last - right;
    if (moves_left)
      below += kStep;
    else
      above -= kStep;
    if (moves_left ? left == first : right == last) continue;
    const double error = rounding_error(bins, moves_left ? left : first, moves_left ? last : right);
    if (error > least) break;
    least = error;
    (moves_left ? first : last) = moves_left ? left : right;
  }
  return {first, last};
}

}  // namespace

void Histogram::widen_to(double low, double high) {
  if (low == low_ && high == high_) return;
  const double scale = static_cast<double>(kBins) / (high - low);
  std::vector<double> wider(kBins, 0);
  if (low_ == high_) {
    wider[bin_of(low_, low, scale)] = std::accumulate(bins_.begin(), bins_.end(), 0.0);
  } else {
    const double part = (high_ - low_) / static_cast<double>(kBins * kParts);
    for (std::size_t i = 0; i < kBins * kParts; ++i) {
      if (bins_[i / kParts] == 0) continue;
      const double middle = low_ + (static_cast<double>(i) + 0.5) * part;
      wider[bin_of(middle, low, scale)] += bins_[i / kParts] / static_cast<double>(kParts);
    }
  }
  bins_ = std::move(wider);
  low_ = low;
  high_ = high;
}

void Histogram::add(std::span<const float> values) {
  float least = std::numeric_limits<float>::infinity();
  float most = -least;
  for (const float value : values) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  const auto low = static_cast<double>(std::clamp(least, lowest_, highest_));
  const auto high = static_cast<double>(std::clamp(most, lowest_, highest_));
  if (bins_.empty()) {
    bins_.assign(kBins, 0);
    low_ = low;
    high_ = high;
  }
  if (!std::isfinite(low_) || !std::isfinite(high_) || !std::isfinite(low) || !std::isfinite(high)) {
    low_ = std::min(low_, low);
    high_ = std::max(high_, high);
    return;
  }
  widen_to(std::min(low_, low), std::max(high_, high));
  const double scale = high_ > low_ ? static_cast<double>(kBins) / (high_ - low_) : 0;
  std::vector<std::uint64_t> counts(kBins, 0);
  for (const float value : values)
    ++counts[bin_of(static_cast<double>(std::clamp(value, lowest_, highest_)), low_, scale)];
  for (std::size_t i = 0; i < kBins; ++i) bins_[i] += static_cast<double>(counts[i]);
}

std::pair<float, float> Histogram::best_range() const {
  if (low_ == high_ || !std::isfinite(low_) || !std::isfinite(high_))
    return {static_cast<float>(low_), static_cast<float>(high_)};
  const auto [first, last] = best_bins(bins_);
  const double width = (high_ - low_) / static_cast<double>(kBins);
  return {static_cast<float>(low_ + width * static_cast<double>(first)),
          static_cast<float>(low_ + width * static_cast<double>(last + 1))};
}

}  // namespace tightrope
