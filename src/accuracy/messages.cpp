// SPDX-License-Identifier: Apache-2.0
#include "accuracy/messages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "tightrope/log.h"

namespace tightrope {
namespace {

std::string first_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  if (names.empty()) return {};
  const std::span<const std::string> shown = std::span(names).first(std::min(names.size(), kShown));
  const std::string more = names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
  return fmt::format(": {}{}", fmt::join(shown, ", "), more);
}

// Four digits, not below the number: a limit to type in.
std::string rounded_up(double drop) {
  const double unit = std::pow(10.0, 3 - std::floor(std::log10(std::abs(drop))));
  return drop == 0 ? "0" : fmt::format("{:.4g}", std::ceil(drop * unit) / unit);
}

bool is_share(double metric, std::int64_t items) {
  const double count = metric * static_cast<double>(items);
  return items > 0 && metric >= 0 && metric <= 1 && std::abs(count - std::round(count)) < 1e-6;
}

std::string accepting_limit(const Report& report) {
  if (report.limits.empty()) return "max_drop " + rounded_up(*report.drop);
  std::vector<std::string> limits;
  for (std::size_t i = 0; i < report.final_metrics.size(); ++i) {
    const MetricRecord& metric = report.final_metrics[i];
    if (metric.drop > report.limits[i].max_drop)
      limits.push_back(fmt::format("{} for '{}'", rounded_up(metric.drop), metric.name));
  }
  return fmt::format("max_drop {}", fmt::join(limits, " and "));
}

}  // namespace

std::string metrics_text(const EvaluationRecord& record) {
  if (record.metrics.empty()) return fmt::format("metric {:.6g}", record.metric);
  std::vector<std::string> texts;
  for (const MetricRecord& metric : record.metrics)
    texts.push_back(fmt::format("{} {:.6g}", metric.name, metric.metric));
  return fmt::format("{}", fmt::join(texts, " and "));
}

std::string drop_text(const EvaluationRecord& record, const Report& report) {
  const char* relation = record.drop <= report.max_drop ? "within" : "above";
  const auto limit = std::ranges::find(report.limits, record.binding, &LimitRecord::name);
  const auto metric = std::ranges::find(record.metrics, record.binding, &MetricRecord::name);
  if (limit == report.limits.end() || metric == record.metrics.end())
    return fmt::format("{} drop {:.6g} {} the limit {:.6g}", report.drop_type, record.drop, relation, report.max_drop);
  return fmt::format("{} drop of {} {:.6g} {} its limit {:.6g}", limit->drop_type, metric->name, metric->drop, relation,
                     limit->max_drop);
}

void log_original(const EvaluationRecord& original) {
  const std::string items = original.items > 0 ? fmt::format(" on {} items", original.items) : "";
  log(LogLevel::kInfo, fmt::format("[validation] original model: {}{}.", metrics_text(original), items));
}

void log_trial(const EvaluationRecord& trial, const Report& report, std::size_t operations) {
  log(LogLevel::kInfo,
      fmt::format("[search] {}: {}, {}, {} of {} operations reverted{}.", trial.name, metrics_text(trial),
                  drop_text(trial, report), trial.reverted.size(), operations, first_of(trial.reverted)));
}

void log_result(const Report& report, bool met) {
  const std::size_t all = report.quantized.size() + report.reverted.size();
  log(met ? LogLevel::kInfo : LogLevel::kWarning,
      fmt::format("[search] limit {}: {} {:.6g}, {} of {} operations reverted{}. {}", met ? "met" : "not met",
                  report.limits.empty() ? "drop" : "largest share of a limit", *report.drop, report.reverted.size(),
                  all, first_of(report.reverted), report.stopped));
}

void warn_of_few_items(const EvaluationRecord& original, const EvaluationRecord& quantized,
                       const AccuracyOptions& options) {
  if (!options.limits.empty()) return;
  if (!is_share(original.metric, original.items) || !is_share(quantized.metric, original.items)) return;
  const double step = 1.0 / static_cast<double>(original.items);
  if (options.drop_type != DropType::kAbsolute || options.max_drop <= 0 || options.max_drop >= step) return;
  log(LogLevel::kWarning,
      fmt::format("[validation] the metric seems to be a share of the {} items: one item changes it by {:.4g}, more "
                  "than max_drop {:.4g}; at least {:.0f} items or a larger max_drop are needed to tell a drop of that "
                  "size.",
                  original.items, step, options.max_drop, std::ceil(1 / options.max_drop)));
}

std::string shortfall_of(const Report& report) {
  if (report.limits.empty()) {
    return fmt::format(
        "[accuracy control] the {} drop of the best model found is {:.6g}; at most {:.6g} was asked for.",
        report.drop_type, report.drop.value_or(0), report.max_drop);
  }
  std::vector<std::string> broken;
  for (std::size_t i = 0; i < report.final_metrics.size(); ++i) {
    const MetricRecord& metric = report.final_metrics[i];
    const LimitRecord& limit = report.limits[i];
    if (metric.drop > limit.max_drop)
      broken.push_back(fmt::format("the {} drop of '{}' is {:.6g}, at most {:.6g} was asked for", limit.drop_type,
                                   metric.name, metric.drop, limit.max_drop));
  }
  return fmt::format("[accuracy control] in the best model found {}.", fmt::join(broken, ", and "));
}

std::string advice_for(const Report& report) {
  if (report.status != "not met" || !report.drop) return {};
  if (report.drop_reverted && *report.drop_reverted > report.max_drop) {
    return fmt::format(
        "With everything reverted the {} is still {:.6g}: raise max_drop, let weights be reverted too if they were "
        "kept in 8 bits, and make sure that the metric of one and the same model is always the same.",
        report.limits.empty() ? "drop" : "largest share of a limit used up", *report.drop_reverted);
  }
  const std::string accept = fmt::format("{} accepts the best model that was found", accepting_limit(report));
  if (report.quantized.empty()) return fmt::format("Nothing was quantized, so nothing can be reverted; {}.", accept);
  return fmt::format("Raise max_num_iterations or time_budget so that more candidates are validated; {}.", accept);
}

}  // namespace tightrope
