// SPDX-License-Identifier: Apache-2.0
#include "accuracy/latency.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "base/shuffle.h"
#include "base/stopwatch.h"

namespace tightrope {
namespace {

constexpr int kLeastRounds = 3;
constexpr std::size_t kAtATime = 8;  // compiled models that are held at once
constexpr double kIdlePrice = 0.01;  // of the mean price, for what saves nothing

}  // namespace

std::vector<double> latencies(std::span<const std::unique_ptr<Session>> sessions, const Sample& sample,
                              double seconds) {
  std::vector<double> least(sessions.size(), std::numeric_limits<double>::infinity());
  std::vector<std::size_t> order(sessions.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(0);
  for (const auto& session : sessions) session->run(sample);  // the first inference is a slow one
  const Stopwatch all;
  const double budget = seconds * static_cast<double>(sessions.size());
  for (int round = 0; round < kLeastRounds || all.seconds() < budget; ++round) {
    shuffle(std::span(order), random);
    for (const std::size_t i : order) {
      const Stopwatch watch;
      sessions[i]->run(sample);
      least[i] = std::min(least[i], watch.seconds());
    }
  }
  return least;
}

std::vector<double> savings_of(const Plan& plan, std::span<const Group> groups, RestoreMode mode,
                               const Latency& latency) {
  std::vector<double> savings;
  while (savings.size() < groups.size()) {
    std::vector<Plan> plans = {plan};
    for (std::size_t g = savings.size(); g < groups.size() && plans.size() <= kAtATime; ++g) {
      std::vector<bool> reverted(groups.size(), false);
      reverted[g] = true;
      plans.push_back(without_orphans(without(plan, groups, reverted, mode)));
    }
    const std::vector<double> seconds = latency(plans);
    for (std::size_t i = 1; i < plans.size(); ++i) savings.push_back(seconds[i] - seconds[0]);
  }
  return savings;
}

std::vector<double> prices_from(std::span<const double> savings) {
  double sum = 0;
  for (const double saving : savings) sum += std::max(saving, 0.0);
  const double least = sum > 0 ? kIdlePrice * sum / static_cast<double>(savings.size()) : 1;
  std::vector<double> prices;
  for (const double saving : savings) prices.push_back(std::max(saving, least));
  return prices;
}

}  // namespace tightrope
