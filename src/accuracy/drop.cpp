// SPDX-License-Identifier: Apache-2.0
#include "accuracy/drop.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr int kDigits = 15;  // decimal digits that every double carries

// Rounds the difference of two numbers of this magnitude to the digits that both of them carry.
double without_rounding_error(double difference, double magnitude) {
  if (magnitude == 0) return difference;
  const double unit = std::pow(10.0, kDigits - 1 - std::floor(std::log10(magnitude)));
  const double rounded = std::round(difference * unit) / unit;
  return std::isfinite(rounded) ? rounded : difference;
}

}  // namespace

double drop_of(double original, double metric, DropType drop_type, bool higher_is_better) {
  const double loss = without_rounding_error(higher_is_better ? original - metric : metric - original,
                                             std::max(std::abs(original), std::abs(metric)));
  if (drop_type == DropType::kAbsolute) return loss;
  if (original == 0) {
    throw InvalidArgument(
        "[validation] original model: the metric is 0, and a drop relative to 0 has no meaning; use an absolute limit "
        "(drop_type absolute).");
  }
  const double share = loss / std::abs(original);
  return without_rounding_error(share, std::max(1.0, std::abs(share)));
}

Loss loss_of(const Evaluation& original, const Evaluation& candidate, const AccuracyOptions& options) {
  if (options.limits.empty())
    return {drop_of(original.metric, candidate.metric, options.drop_type, options.higher_is_better), {}, {}};
  Loss loss;
  for (const MetricLimit& limit : options.limits) {
    const double metric = candidate.metrics.at(limit.name);
    const double drop = drop_of(original.metrics.at(limit.name), metric, limit.drop_type, limit.higher_is_better);
    const double share = limit.max_drop > 0 ? drop / limit.max_drop : drop > 0 ? 1 + drop : drop;
    if (loss.metrics.empty() || share > loss.drop) {
      loss.drop = share;
      loss.binding = limit.name;
    }
    loss.metrics.push_back({limit.name, metric, drop});
  }
  return loss;
}

double limit_of(const AccuracyOptions& options) { return options.limits.empty() ? options.max_drop : 1; }

void check_metrics(const Evaluation& evaluation, const AccuracyOptions& options, std::string_view name) {
  const auto check_one = [&](double metric, std::string_view which) {
    if (std::isfinite(metric)) return;
    throw InvalidArgument(
        fmt::format("[validation] {}: the metric{} is {}; the validation function must return a finite number.", name,
                    which.empty() ? "" : fmt::format(" '{}'", which), metric));
  };
  std::vector<std::string> found;
  for (const auto& [metric, value] : evaluation.metrics) found.push_back(fmt::format("'{}'", metric));
  if (options.limits.empty()) {
    if (!found.empty()) {
      throw InvalidArgument(
          fmt::format("[validation] {}: the function returned metrics by name ({}), but max_drop is one number; limits "
                      "by name are needed, such as max_drop={{{}: {:.6g}}}.",
                      name, fmt::join(found, ", "), found.front(), options.max_drop));
    }
    return check_one(evaluation.metric, "");
  }
  for (const MetricLimit& limit : options.limits) {
    const auto metric = evaluation.metrics.find(limit.name);
    if (metric == evaluation.metrics.end()) {
      throw InvalidArgument(fmt::format(
          "[validation] {}: max_drop has a limit for '{}', but the function returned {}; that metric is needed.", name,
          limit.name, found.empty() ? "one number" : fmt::format("{}", fmt::join(found, ", "))));
    }
    check_one(metric->second, limit.name);
  }
}

}  // namespace tightrope
