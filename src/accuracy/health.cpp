// SPDX-License-Identifier: Apache-2.0
#include "accuracy/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "accuracy/drop.h"
#include "base/stopwatch.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr std::int64_t kFewestItems = 100;
constexpr std::int64_t kShare = 60;  // one item of so many: three trials are 5 %
constexpr std::int64_t kLeast = 3;
constexpr std::int64_t kMost = 16;
constexpr std::int64_t kReadAhead = 2;  // items that are read for one that is tried, without random access

constexpr double kNoise = 0.01;         // of the limit: less is no reason for a warning
constexpr double kRounding = 1e-6;      // of the metric: that of parallel sums
constexpr double kClearlyBetter = 0.1;  // of the metric, and more than the limit

// By the user's directions, in units of the limits; of several metrics each.
struct Change {
  std::string name;  // of the metric; empty for a single one
  double from = 0;
  double to = 0;
  double drop = 0;
  double limit = 0;
  bool higher_is_better = true;
};

std::vector<Change> changes_between(const Evaluation& a, const Evaluation& b, const AccuracyOptions& options) {
  if (options.limits.empty()) {
    return {{"", a.metric, b.metric, drop_of(a.metric, b.metric, options.drop_type, options.higher_is_better),
             options.max_drop, options.higher_is_better}};
  }
  std::vector<Change> changes;
  for (const MetricLimit& limit : options.limits) {
    const double from = a.metrics.at(limit.name);
    const double to = b.metrics.at(limit.name);
    changes.push_back({limit.name, from, to, drop_of(from, to, limit.drop_type, limit.higher_is_better), limit.max_drop,
                       limit.higher_is_better});
  }
  return changes;
}

std::string metric_text(const Change& change) {
  return change.name.empty() ? "the metric" : fmt::format("the metric '{}'", change.name);
}

void warn_of_noise(const Change& change, std::size_t items) {
  const double noise = std::abs(change.drop);
  const double size = std::max(std::abs(change.from), std::abs(change.to));
  if (std::abs(change.from - change.to) <= kRounding * size || noise <= kNoise * change.limit) return;
  log(LogLevel::kWarning,
      fmt::format("[validation] {} of one and the same model on the same {} items is {:.6g} and then {:.6g}: the "
                  "function is not repeatable. The difference is {}; drops can't be told more exactly than that. Fixed "
                  "seeds are needed where it draws random numbers.",
                  metric_text(change), items, change.from, change.to,
                  change.limit > 0 ? fmt::format("{:.3g} times the limit", noise / change.limit)
                                   : fmt::format("{:.3g}, and the limit is 0", noise)));
}

void warn_of_direction(const Change& change, std::string_view found, std::string_view otherwise) {
  const double gain = std::abs(change.to - change.from);
  if (change.drop >= 0 || -change.drop <= change.limit || gain <= kClearlyBetter * std::abs(change.from)) return;
  log(LogLevel::kWarning,
      fmt::format("[validation] {}: {} is {:.6g} instead of {:.6g}, and {} counts as better. If it is the other way "
                  "round, as for error rates, higher_is_better={} is needed; otherwise {}.",
                  found, metric_text(change), change.to, change.from, change.higher_is_better ? "higher" : "lower",
                  change.higher_is_better ? "False" : "True", otherwise));
}

bool is_finite(const Evaluation& evaluation) {
  const auto finite = [](const auto& metric) { return std::isfinite(metric.second); };
  return evaluation.metrics.empty() ? std::isfinite(evaluation.metric)
                                    : std::ranges::all_of(evaluation.metrics, finite);
}

}  // namespace

std::vector<std::int64_t> trial_items(const Parts& parts) {
  std::vector<std::int64_t> positions;
  if (!parts.evaluate || parts.items < kFewestItems) return positions;
  const std::int64_t count = std::clamp(parts.items / kShare, kLeast, kMost);
  const std::int64_t span = parts.random_access ? parts.items : std::min(parts.items, count * kReadAhead);
  for (std::int64_t i = 0; i < count; ++i) positions.push_back(i * span / count);
  return positions;
}

HealthCheck::HealthCheck(const Means& means, const AccuracyOptions& options)
    : means_(means), options_(options), positions_(trial_items(means.parts)) {
  if (!means.memory.find || !means.memory.find({})) return;
  positions_.clear();
  if (means.memory.find_part) original_ = means.memory.find_part({});
}

std::optional<Evaluation> HealthCheck::try_on(const Plan& plan, std::string_view name) {
  if (positions_.empty()) return std::nullopt;
  auto found = means_.parts.evaluate(plan, name, positions_);
  if (found && !is_finite(*found)) {
    log(LogLevel::kInfo,
        fmt::format("[validation] the metric of the {} is not finite on {} items.", name, positions_.size()));
    found.reset();
  }
  if (!found) positions_.clear();
  if (found && !values_are_finite(*found)) found->values.clear();
  return found;
}

std::optional<Evaluation> HealthCheck::try_original() {
  const Stopwatch watch;
  auto first = try_on({}, "original model on a few items");
  if (!first) return std::nullopt;
  first->seconds = watch.seconds();
  check_metrics(*first, options_, "original model on a few items");
  if (first->items == 0) {
    log(LogLevel::kInfo,
        "[validation] the function reads none of the items that it is given: it can't be tried on a few of them.");
    positions_.clear();
    return first;
  }
  const Stopwatch watch_again;
  const auto second = try_on({}, "original model on the same items");
  preparation_ = std::max(first->seconds - watch_again.seconds(), 0.0);
  if (!second) return std::nullopt;
  if (second->items < first->items) {
    throw InvalidArgument(
        fmt::format("[validation] the validation data gave {} items when {} were asked for, and {} when the same were "
                    "asked for again; they must be readable again from the start (a generator can be read once: pass a "
                    "list, or an object whose __iter__ starts over).",
                    first->items, positions_.size(), second->items));
  }
  try {
    for (const Change& change : changes_between(*first, *second, options_)) warn_of_noise(change, positions_.size());
  } catch (const InvalidArgument&) {
    positions_.clear();  // no drop relative to a metric that is 0 on these items
  }
  original_ = *first;
  if (means_.memory.keep_part) means_.memory.keep_part({}, *first);
  return std::nullopt;
}

std::optional<Evaluation> HealthCheck::try_damaged() {
  const Plan damaged = positions_.empty() || !means_.damaged ? Plan() : means_.damaged();
  if (damaged.empty()) return std::nullopt;
  const auto found = try_on(damaged, "damaged model");
  if (!found) return std::nullopt;
  check_metrics(*found, options_, "damaged model");
  for (const Change& change : changes_between(*original_, *found, options_)) {
    warn_of_direction(
        change,
        fmt::format("a model with damaged weights scores better than the original on {} items", positions_.size()),
        "these items may be too few to tell");
  }
  return found;
}

void warn_of_gain(const Evaluation& original, const Evaluation& quantized, const AccuracyOptions& options) {
  for (const Change& change : changes_between(original, quantized, options))
    warn_of_direction(change, "the quantized model scores far better than the original", "that is luck");
}

}  // namespace tightrope
