// SPDX-License-Identifier: Apache-2.0
#include "accuracy/interval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "accuracy/bets.h"
#include "accuracy/early.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr double kConfidence = 0.95;
constexpr std::size_t kFewestItems = 8;
constexpr double kMostItems = 1e15;

}  // namespace

std::optional<IntervalRecord> interval_of_drop(const Evaluation& original, const Evaluation& candidate,
                                               const AccuracyOptions& options) {
  const std::size_t items = original.values.size();
  if (items < kFewestItems || candidate.values.size() != items) return std::nullopt;
  if (!is_mean_of_values(original) || !is_mean_of_values(candidate)) return std::nullopt;
  const std::vector<double> drops = drops_of(original.values, candidate.values, options.higher_is_better);
  std::vector<double> shuffled_drops;  // bets need an order that knows nothing of the items
  for (const std::int64_t item : shuffled(std::ssize(drops)))
    shuffled_drops.push_back(drops[static_cast<std::size_t>(item)]);
  const auto values = bounds_of(original.values, candidate.values);
  const double spread = values ? values->high - values->low : 0;
  const Bounds interval =
      interval_of(shuffled_drops, values ? std::optional(Bounds{-spread, spread}) : std::nullopt, 1 - kConfidence);
  if (!values && std::ranges::count(drops, drops.front()) == std::ssize(drops))
    return std::nullopt;  // nothing is known
  const double unit = options.drop_type == DropType::kRelative ? std::abs(original.metric) : 1;
  if (unit == 0) return std::nullopt;
  IntervalRecord record{interval.low / unit, interval.high / unit, kConfidence, 0};
  // Half of its width shrinks as one over the root of the items.
  const double half = (record.high - record.low) / 2 / options.max_drop;
  if (options.max_drop > 0)
    record.items_needed =
        static_cast<std::int64_t>(std::min(std::ceil(static_cast<double>(items) * half * half), kMostItems));
  return record;
}

void log_interval(const Report& report, std::int64_t items) {
  if (!report.interval) return;
  const IntervalRecord& interval = *report.interval;
  const std::string text = fmt::format(
      "[validation] on all data of this kind the drop is between {:.3g} and {:.3g}, with {:.3g} % confidence",
      interval.low, interval.high, 100 * interval.confidence);
  const bool is_wide = report.max_drop > 0 && interval.items_needed > items;
  if (!is_wide) return log(LogLevel::kInfo, text + ".");
  log(LogLevel::kWarning,
      fmt::format("{}: {} items can't tell a drop of {:.4g} from none; about {} could. On these items the drop is what "
                  "was measured.",
                  text, items, report.max_drop, interval.items_needed));
}

}  // namespace tightrope
