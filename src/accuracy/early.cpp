// SPDX-License-Identifier: Apache-2.0
#include "accuracy/early.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "accuracy/health.h"
#include "accuracy/shards.h"
#include "base/shuffle.h"
#include "base/stopwatch.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr std::uint32_t kSeed = 7;
constexpr double kTie = 1e-6;  // of the metric

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool has_values(const Evaluation& evaluation, std::int64_t items) {
  return std::ssize(evaluation.values) == items && evaluation.items == items && is_mean_of_values(evaluation);
}

// Whether a part gave the values that all items gave; otherwise they depend on what else the function is given.
bool agrees(const Evaluation& part, const Evaluation& whole, std::span<const std::int64_t> positions) {
  constexpr double kTolerance = 1e-4;
  if (part.values.size() != positions.size()) return false;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const double value = whole.values[static_cast<std::size_t>(positions[i])];
    if (!(std::abs(part.values[i] - value) <= kTolerance * std::max(1.0, std::abs(value)))) return false;
  }
  return true;
}

}  // namespace

std::vector<double> drops_of(std::span<const double> original, std::span<const double> candidate,
                             bool higher_is_better) {
  std::vector<double> drops;
  for (std::size_t i = 0; i < candidate.size(); ++i)
    drops.push_back(higher_is_better ? original[i] - candidate[i] : candidate[i] - original[i]);
  return drops;
}

std::optional<Bounds> bounds_of(std::span<const double> original, std::span<const double> candidate) {
  std::set<double> values(original.begin(), original.end());
  values.insert(candidate.begin(), candidate.end());
  if (values.empty() || 2 * values.size() > original.size()) return std::nullopt;
  if (std::ranges::all_of(values, [](double value) { return value == 0 || value == 1; })) return Bounds{0, 1};
  if (values.size() == 1) return std::nullopt;  // they may be steps, but of what size?
  return Bounds{*values.begin(), *values.rbegin()};
}

Bounds bounds_of_drops(std::span<const double> original, const Bounds& values, bool higher_is_better) {
  const auto [least, most] = std::ranges::minmax_element(original);
  return higher_is_better ? Bounds{*least - values.high, *most - values.low}
                          : Bounds{values.low - *most, values.high - *least};
}

bool is_mean_of_values(const Evaluation& evaluation) {
  constexpr double kTolerance = 1e-6;
  if (evaluation.values.empty() || !evaluation.metrics.empty()) return false;
  const double mean = mean_of(evaluation.values);
  return std::abs(mean - evaluation.metric) <= kTolerance * std::max(std::abs(mean), std::abs(evaluation.metric));
}

std::vector<std::int64_t> shuffled(std::int64_t items) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(items));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(kSeed);
  shuffle(std::span(order), random);
  return order;
}

EarlyJudge::EarlyJudge(const Start& start, const Evaluation& quantized, const Means& means,
                       const AccuracyOptions& options)
    : original_(start.original),
      parts_(means.parts),
      memory_(means.memory),
      elsewhere_(means.elsewhere),
      higher_is_better_(options.higher_is_better) {
  const Evaluation& original = start.original;
  const std::int64_t items = parts_.items;
  if (!options.early_stopping || !options.limits.empty() || !parts_.evaluate || !parts_.random_access) return;
  if (!has_values(original, items) || !has_values(quantized, items) || !start.trial) return;
  if (!agrees(*start.trial, original, trial_items(parts_))) {
    log(LogLevel::kInfo,
        "[search] the values of single items are others when the function is given a few items than when it is given "
        "all: candidates are validated on all of them.");
    return;
  }
  limit_ = options.max_drop * (options.drop_type == DropType::kRelative ? std::abs(original.metric) : 1);
  values_ = bounds_of(original.values, quantized.values);
  if (values_) drops_ = bounds_of_drops(original.values, *values_, higher_is_better_);
  order_ = shuffled(items);
  is_possible_ = true;
}

// Puts the values of items of the order behind those in `part`.
bool EarlyJudge::read_to(std::size_t count, const Plan& plan, std::string_view name, Evaluation& part) {
  const std::span<const std::int64_t> wanted = std::span(order_).first(count).subspan(part.values.size());
  std::vector<std::int64_t> positions(wanted.begin(), wanted.end());
  std::ranges::sort(positions);
  const Stopwatch watch;
  auto found = evaluate_in_shards(elsewhere_, plan, name, positions);
  if (!found) found = parts_.evaluate(plan, name, positions);
  if (!found || found->values.size() != positions.size() || !is_mean_of_values(*found)) {
    is_possible_ = false;
    log(LogLevel::kInfo, fmt::format("[search] {}: the function gives no values for {} of the items; candidates are "
                                     "validated on all of them from now on.",
                                     name, positions.size()));
    return false;
  }
  for (const std::int64_t item : wanted) {
    const auto at = std::ranges::lower_bound(positions, item) - positions.begin();
    part.values.push_back(found->values[static_cast<std::size_t>(at)]);
  }
  part.seconds += watch.seconds();
  if (memory_.keep_part) memory_.keep_part(plan, part);
  return true;
}

// From the order of parts to that of the items.
Evaluation EarlyJudge::whole_of(const Evaluation& part) const {
  Evaluation whole;
  whole.items = parts_.items;
  whole.seconds = part.seconds;
  whole.values.resize(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) whole.values[static_cast<std::size_t>(order_[i])] = part.values[i];
  whole.metric = mean_of(whole.values);
  return whole;
}

double growth_of_looks(std::size_t items) {
  constexpr double kLeast = 1.4;
  constexpr double kSteps = 5;
  return std::max(kLeast, std::pow(kLastLook * static_cast<double>(items) / kFirstLook, 1 / kSteps));
}

std::optional<Evaluation> EarlyJudge::judge(const Plan& plan, std::string_view name) {
  if (!is_possible_ || plan.empty()) return std::nullopt;
  ++judged_;
  const double risk = kEarlyRisk / (static_cast<double>(judged_) * static_cast<double>(judged_ + 1));
  Evaluation part;
  if (memory_.find_part) part = memory_.find_part(plan).value_or(part);
  const bool is_known = memory_.find && memory_.find(plan);
  std::vector<double> originals;
  for (const std::int64_t item : order_) originals.push_back(original_.values[static_cast<std::size_t>(item)]);
  Bets bets(parts_.items, limit_, drops_);
  const auto see_to = [&](std::size_t count) {
    if (part.values.size() < count && (is_known || !read_to(count, plan, name, part))) return false;
    const auto seen = static_cast<std::size_t>(bets.seen());
    const auto drops = drops_of(std::span(originals).subspan(seen), std::span(part.values).first(count).subspan(seen),
                                higher_is_better_);
    const auto is_outside = [&](double value) { return values_ && (value < values_->low || value > values_->high); };
    if (std::ranges::any_of(std::span(part.values).first(count), is_outside)) return false;
    for (const double drop : drops) bets.see(drop);
    return true;
  };
  const auto estimate = [&] {
    Evaluation result;
    result.metric = original_.metric + (higher_is_better_ ? -bets.mean() : bets.mean());
    result.items = bets.seen();
    result.seconds = part.seconds;
    return result;
  };
  const double last = kLastLook * static_cast<double>(order_.size());
  const double growth = growth_of_looks(order_.size());
  for (double look = kFirstLook; look <= last; look = std::floor(look * growth)) {
    if (!see_to(static_cast<std::size_t>(look))) return std::nullopt;
    if (bets.verdict(risk) != Bets::Verdict::kOpen) return estimate();
  }
  if (!see_to(order_.size())) return std::nullopt;
  const Evaluation whole = whole_of(part);
  const double drop = higher_is_better_ ? original_.metric - whole.metric : whole.metric - original_.metric;
  // The function's own mean may be rounded otherwise, which only matters here.
  if (std::abs(drop - limit_) <= kTie * std::max(std::abs(original_.metric), limit_)) return std::nullopt;
  if (memory_.keep && !is_known) memory_.keep(plan, whole);
  return whole;
}

}  // namespace tightrope
