// SPDX-License-Identifier: Apache-2.0
// Whether the mean of many numbers is above a limit, decided on as few of them as possible.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tightrope/report.h"

namespace tightrope {

struct Bounds {
  double low = 0;
  double high = 0;
};

// Numbers are seen one after the other, in an order that chance has chosen. Two players bet on each before it is seen,
// one that the mean of all is above the limit, the other that it isn't; in a game that is fair while they are wrong.
// The chance that a wrong one ever multiplies its capital by 1 / risk is at most the risk, however often one looks.
//
// That holds for numbers within `bounds`. Without bounds it holds as long as no number lies farther out than thrice as
// far from the mean as any that was seen before it. Formula: docs/algorithms.md#early-stopping
class Bets {
 public:
  enum class Verdict { kOpen, kAbove, kWithin };

  // Of `count` numbers, which all will have been seen in the end; 0: drawn from endlessly many.
  Bets(std::int64_t count, double limit, std::optional<Bounds> bounds);

  void see(double number);
  Verdict verdict(double risk) const;
  std::int64_t seen() const { return seen_; }
  double mean() const { return mean_; }  // of those that were seen

 private:
  std::optional<Bounds> range(double fair) const;
  void bet(double number, double fair, const Bounds& range);

  std::int64_t count_;
  double limit_;
  std::optional<Bounds> bounds_;
  std::int64_t seen_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // sum of squared deviations from the mean
  double smallest_ = 0;
  double largest_ = 0;
  double above_ = 0;  // logarithms of the capitals
  double within_ = 0;
  double most_above_ = 0;
  double most_within_ = 0;
  bool surely_above_ = false;  // whatever the rest is
  bool surely_within_ = false;
};

// Where the mean of endlessly many numbers lies from which these were drawn, each end missed with half the risk.
Bounds interval_of(std::span<const double> numbers, std::optional<Bounds> bounds, double risk);

}  // namespace tightrope
