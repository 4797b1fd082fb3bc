// SPDX-License-Identifier: Apache-2.0
#include "accuracy/bets.h"

#include <algorithm>
#include <cmath>

namespace tightrope {
namespace {

constexpr double kLargestStake = 0.9;      // share of what can be lost in one bet
constexpr double kTrust = 3;               // how much farther out than those seen an unseen number may lie
constexpr std::int64_t kLookFirst = 4;     // numbers that say how far that is
constexpr double kPseudoDeviation = 0.25;  // in widths of the range, of one number more that the variance counts
constexpr int kBisections = 40;

double logarithm(double factor) { return std::log(std::max(factor, 1e-9)); }

}  // namespace

Bets::Bets(std::int64_t count, double limit, std::optional<Bounds> bounds)
    : count_(count), limit_(limit), bounds_(bounds) {}

// Where the next number is taken to lie.
std::optional<Bounds> Bets::range(double fair) const {
  if (bounds_) return bounds_;
  if (seen_ < kLookFirst) return std::nullopt;
  const double gap = std::abs(mean_ - fair);
  return Bounds{fair - kTrust * std::max(mean_ - smallest_, gap), fair + kTrust * std::max(largest_ - mean_, gap)};
}

void Bets::bet(double number, double fair, const Bounds& range) {
  const double pseudo = kPseudoDeviation * (range.high - range.low);
  const double variance = (squares_ + pseudo * pseudo) / static_cast<double>(seen_ + 1);
  const double gap = (mean_ - fair) * static_cast<double>(seen_) / static_cast<double>(seen_ + 1);
  if (!(variance > 0)) return;
  const double stake = gap / (variance + gap * gap);  // the capital grows fastest with it, about
  if (stake > 0 && fair > range.low)
    above_ += logarithm(1 + std::min(stake, kLargestStake / (fair - range.low)) * (number - fair));
  if (stake < 0 && fair < range.high)
    within_ += logarithm(1 - std::min(-stake, kLargestStake / (range.high - fair)) * (number - fair));
  most_above_ = std::max(most_above_, above_);
  most_within_ = std::max(most_within_, within_);
}

void Bets::see(double number) {
  // What the rest must have as its mean for the mean of all to be at the limit.
  const auto rest = static_cast<double>(count_ - seen_);
  const double fair = count_ == 0 ? limit_ : limit_ + (limit_ - mean_) * static_cast<double>(seen_) / rest;
  if (bounds_ && count_ > 0) {
    const double tolerance = 1e-9 * (bounds_->high - bounds_->low);
    surely_above_ = surely_above_ || fair < bounds_->low - tolerance;
    surely_within_ = surely_within_ || fair > bounds_->high + tolerance;
  }
  if (const auto where = range(fair)) bet(number, fair, *where);
  smallest_ = seen_ == 0 ? number : std::min(smallest_, number);
  largest_ = seen_ == 0 ? number : std::max(largest_, number);
  ++seen_;
  const double step = number - mean_;
  mean_ += step / static_cast<double>(seen_);
  squares_ += step * (number - mean_);
}

// What the numbers seen so far contradict is not said of all of them.
Bets::Verdict Bets::verdict(double risk) const {
  const double enough = -std::log(risk);
  if (mean_ > limit_ && (surely_above_ || most_above_ >= enough)) return Verdict::kAbove;
  if (mean_ <= limit_ && (surely_within_ || most_within_ >= enough)) return Verdict::kWithin;
  return Verdict::kOpen;
}

Bounds interval_of(std::span<const double> numbers, std::optional<Bounds> bounds, double risk) {
  const auto verdict_at = [&](double limit) {
    Bets bets(0, limit, bounds);
    for (const double number : numbers) bets.see(number);
    return bets.verdict(risk / 2);
  };
  double mean = 0;
  for (const double number : numbers) mean += number / static_cast<double>(numbers.size());
  const auto [smallest, largest] = std::ranges::minmax_element(numbers);
  const double width = *largest - *smallest;
  // Between a limit that is refuted and one that is not.
  const auto end = [&](double refuted, Bets::Verdict verdict) {
    double open = mean;
    for (int i = 0; i < kBisections; ++i) {
      const double middle = (refuted + open) / 2;
      (verdict_at(middle) == verdict ? refuted : open) = middle;
    }
    return open;
  };
  return {end(bounds ? bounds->low : mean - 2 * width, Bets::Verdict::kAbove),
          end(bounds ? bounds->high : mean + 2 * width, Bets::Verdict::kWithin)};
}

}  // namespace tightrope
