// SPDX-License-Identifier: Apache-2.0
// Early stopping and the interval of the drop, simulated on values per item of real models:
//
//   interval_study_benchmark [ORDERS=500] < VALUES
//
// VALUES are lines "case NAME LIMIT", "original VALUE...", "candidate VALUE..."; higher values are better.
// interval_study.py makes them and calls this. Everything printed is the same everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <random>
#include <sstream>

#include "accuracy/bets.h"
#include "accuracy/early.h"

namespace {

using tightrope::Bets;
using tightrope::Bounds;
using Numbers = std::vector<double>;

constexpr double kRisk = 0.05;

double mean_of(const Numbers& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

double deviation_of(const Numbers& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += (number - mean_of(numbers)) * (number - mean_of(numbers));
  return std::sqrt(sum / static_cast<double>(numbers.size()));
}

Numbers in_order(const Numbers& numbers, std::mt19937& random) {
  Numbers result = numbers;
  for (std::size_t left = result.size(); left > 1; --left) std::swap(result[left - 1], result[random() % left]);
  return result;
}

// What a candidate's drops are, and what is known of them beforehand.
struct Candidate {
  Numbers drops;
  std::optional<Bounds> bounds;      // of these items
  std::optional<Bounds> any_bounds;  // of any item
};

// As the judge of candidates looks: after more and more items, up to about half of them.
struct Decision {
  Bets::Verdict verdict = Bets::Verdict::kOpen;
  double share = 1;  // of the items that were needed
};
Decision decide(const Numbers& drops, const Candidate& candidate, double limit, double risk) {
  Bets bets(std::ssize(drops), limit, candidate.bounds);
  const auto items = static_cast<double>(drops.size());
  double look = tightrope::kFirstLook;
  for (const double drop : drops) {
    bets.see(drop);
    if (static_cast<double>(bets.seen()) < look) continue;
    const Bets::Verdict verdict = bets.verdict(risk);
    if (verdict != Bets::Verdict::kOpen) return {verdict, static_cast<double>(bets.seen()) / items};
    look = std::floor(look * tightrope::growth_of_looks(drops.size()));
    if (look > tightrope::kLastLook * items) break;
  }
  return {};
}

// The share of orders in which the mean itself, as the limit, is refuted on either side: what an interval would miss.
double missed(const Candidate& candidate, int orders) {
  int count = 0;
  std::mt19937 random(11);
  const double mean = mean_of(candidate.drops);
  for (int i = 0; i < orders; ++i) {
    const Numbers drops = in_order(candidate.drops, random);
    // A little off, since what is at the limit exactly is within it.
    const double off = 1e-9 + 1e-9 * std::abs(mean);
    const bool above = decide(drops, candidate, mean + off, kRisk / 2).verdict == Bets::Verdict::kAbove;
    const bool within = decide(drops, candidate, mean - off, kRisk / 2).verdict == Bets::Verdict::kWithin;
    count += above || within ? 1 : 0;
  }
  return static_cast<double>(count) / orders;
}

// The same of the interval that the report has, of as many items drawn from the items as a population.
double missed_by_report(const Candidate& candidate, std::size_t items, int draws, double& width) {
  int count = 0;
  std::mt19937 random(12);
  const double mean = mean_of(candidate.drops);
  width = 0;
  for (int i = 0; i < draws; ++i) {
    Numbers drawn(items);
    for (double& drop : drawn) drop = candidate.drops[random() % candidate.drops.size()];
    const Bounds interval = tightrope::interval_of(drawn, candidate.any_bounds, kRisk);
    count += mean < interval.low - 1e-12 || mean > interval.high + 1e-12 ? 1 : 0;
    width += (interval.high - interval.low) / draws;
  }
  return static_cast<double>(count) / draws;
}

// Looks from the first candidate of a run, and from the tenth, whose risk is smaller.
void study(const std::string& name, double limit, const Candidate& candidate, int orders) {
  const double mean = mean_of(candidate.drops);
  double shares[2] = {0, 0};
  int wrong = 0;
  for (const int position : {1, 10}) {
    std::mt19937 random(13);
    for (int i = 0; i < orders; ++i) {
      const Decision decision =
          decide(in_order(candidate.drops, random), candidate, limit, kRisk / (position * (position + 1)));
      shares[position == 1 ? 0 : 1] += decision.share / orders;
      const auto right = mean > limit ? Bets::Verdict::kAbove : Bets::Verdict::kWithin;
      wrong += decision.verdict != Bets::Verdict::kOpen && decision.verdict != right ? 1 : 0;
    }
  }
  double width = 0;
  const double by_report = missed_by_report(candidate, candidate.drops.size(), orders, width);
  fmt::print("| {} | {:.4f} | {:.4f} | {} | {:.2f} | {:.2f} | {} | {:.3f} | {:.3f} | {:.4f} |\n", name, mean,
             deviation_of(candidate.drops), limit, shares[0], shares[1], wrong, missed(candidate, orders), by_report,
             width / 2);
}

Numbers numbers_in(std::istringstream& line) {
  Numbers numbers;
  for (double number = 0; line >> number;) numbers.push_back(number);
  return numbers;
}

}  // namespace

int main(int argc, char** argv) {
  const int orders = argc > 1 ? std::atoi(argv[1]) : 500;
  fmt::print(
      "| case | drop | deviation of an item | limit | items needed, 1st candidate | 10th | wrong of {} | missed while "
      "looking | missed by the report | half of its width |\n|---|---|---|---|---|---|---|---|---|---|\n",
      2 * orders);
  std::string name;
  double limit = 0;
  Numbers original;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string kind;
    line >> kind;
    if (kind == "case") line >> name >> limit;
    if (kind == "original") original = numbers_in(line);
    if (kind != "candidate") continue;
    const Numbers values = numbers_in(line);
    Candidate candidate{tightrope::drops_of(original, values, true), {}, {}};
    if (const auto bounds = tightrope::bounds_of(original, values)) {
      candidate.bounds = tightrope::bounds_of_drops(original, *bounds, true);
      candidate.any_bounds = {bounds->low - bounds->high, bounds->high - bounds->low};
    }
    study(name, limit, candidate, orders);
  }
  return 0;
}
