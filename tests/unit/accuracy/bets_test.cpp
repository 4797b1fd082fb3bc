// SPDX-License-Identifier: Apache-2.0
#include "accuracy/bets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace tightrope {
namespace {

using Numbers = std::vector<double>;
using Verdict = Bets::Verdict;

double mean_of(const Numbers& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

// Items that got worse, got better, and stayed: +1, -1, 0.
Numbers flips(std::size_t count, std::size_t worse, std::size_t better) {
  Numbers numbers(count, 0);
  std::fill_n(numbers.begin(), worse, 1);
  std::fill_n(numbers.rbegin(), better, -1);
  return numbers;
}

Numbers skewed(std::size_t count) {
  std::mt19937 random(3);
  std::exponential_distribution<double> exponential(2);
  Numbers numbers(count);
  std::ranges::generate(numbers, [&] { return exponential(random) - 0.1; });
  return numbers;
}

struct Outcome {
  Verdict verdict = Verdict::kOpen;
  std::int64_t seen = 0;
};

// Looks after each number but the last, with which everything is known, until one side has won.
Outcome decide(const Numbers& numbers, double limit, std::optional<Bounds> bounds, double risk) {
  Bets bets(std::ssize(numbers), limit, bounds);
  for (const double number : std::span(numbers).first(numbers.size() - 1)) {
    bets.see(number);
    if (bets.verdict(risk) != Verdict::kOpen) break;
  }
  return {bets.verdict(risk), bets.seen()};
}

// The share of random orders in which the verdict is this one.
double share_of(Verdict verdict, Numbers numbers, double limit, std::optional<Bounds> bounds, double risk) {
  constexpr int kOrders = 2000;
  std::mt19937 random(1);
  int count = 0;
  for (int i = 0; i < kOrders; ++i) {
    std::ranges::shuffle(numbers, random);
    count += decide(numbers, limit, bounds, risk).verdict == verdict ? 1 : 0;
  }
  return static_cast<double>(count) / kOrders;
}

constexpr Bounds kShares{-1, 1};

TEST(Bets, SayWrongThingsNoMoreOftenThanTheRiskHoweverOftenOneLooks) {
  for (const Numbers& numbers : {flips(300, 30, 3), flips(300, 6, 6), flips(200, 100, 0)}) {
    EXPECT_LE(share_of(Verdict::kAbove, numbers, mean_of(numbers) + 1e-6, kShares, 0.1), 0.1);
    EXPECT_LE(share_of(Verdict::kWithin, numbers, mean_of(numbers) - 1e-6, kShares, 0.1), 0.1);
  }
}

TEST(Bets, SayWrongThingsSeldomOfNumbersWithoutBounds) {
  const Numbers numbers = skewed(200);
  EXPECT_LE(share_of(Verdict::kAbove, numbers, mean_of(numbers) + 1e-6, std::nullopt, 0.1), 0.1);
  EXPECT_LE(share_of(Verdict::kWithin, numbers, mean_of(numbers) - 1e-6, std::nullopt, 0.1), 0.1);
}

TEST(Bets, TellFarMeansFromFewNumbers) {
  std::mt19937 random(2);
  Numbers bad = flips(1000, 210, 10);
  std::ranges::shuffle(bad, random);
  const Outcome rejected = decide(bad, 0.01, kShares, 0.025);
  EXPECT_EQ(rejected.verdict, Verdict::kAbove);
  EXPECT_LT(rejected.seen, 200);
  const Outcome accepted = decide(skewed(500), 3, std::nullopt, 0.025);
  EXPECT_EQ(accepted.verdict, Verdict::kWithin);
  EXPECT_LT(accepted.seen, 100);
}

TEST(Bets, KnowWhenTheRestCannotChangeTheMeanAnyMore) {
  Numbers numbers(100, 0);
  std::fill_n(numbers.begin(), 60, 1);
  // A risk that no capital is large enough for.
  const Outcome outcome = decide(numbers, 0.1, Bounds{0, 1}, 1e-300);
  EXPECT_EQ(outcome.verdict, Verdict::kAbove);
  EXPECT_EQ(outcome.seen, 12);  // eleven ones are a mean of more than 0.1, whatever follows
}

TEST(Bets, DoNotSayWhatTheNumbersSoFarContradict) {
  Bets bets(0, 0.5, Bounds{0, 1});
  for (int i = 0; i < 30; ++i) bets.see(1);
  EXPECT_EQ(bets.verdict(0.05), Verdict::kAbove);
  for (int i = 0; i < 40; ++i) bets.see(0);
  EXPECT_NE(bets.verdict(0.05), Verdict::kAbove);
}

TEST(IntervalOf, HoldsTheMeanThatNumbersAreDrawnFromAndShrinksWithTheirNumber) {
  constexpr int kRuns = 300;
  const Numbers population = flips(1000, 40, 10);
  std::mt19937 random(4);
  const auto study = [&](std::size_t count) {
    int held = 0;
    double width = 0;
    for (int run = 0; run < kRuns; ++run) {
      Numbers numbers(count);
      std::ranges::generate(numbers, [&] { return population[random() % population.size()]; });
      const Bounds interval = interval_of(numbers, kShares, 0.05);
      held += interval.low <= 0.03 && 0.03 <= interval.high ? 1 : 0;
      width += (interval.high - interval.low) / kRuns;
    }
    EXPECT_GE(held, kRuns * 95 / 100);
    return width;
  };
  const double wide = study(100);
  EXPECT_LT(study(900), wide / 2);
}

}  // namespace
}  // namespace tightrope
