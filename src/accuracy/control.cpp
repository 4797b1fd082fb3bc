// SPDX-License-Identifier: Apache-2.0
#include "accuracy/control.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "accuracy/drop.h"
#include "accuracy/groups.h"
#include "accuracy/restore.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// Runs one stage of the story and notes how long it took.
template <typename Work>
auto timed(Report& report, std::string name, const Work& work) {
  const Stopwatch watch;
  auto result = work();
  report.stages.push_back({std::move(name), watch.seconds()});
  return result;
}

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

const char* name_of(DropType type) { return type == DropType::kAbsolute ? "absolute" : "relative"; }

// Names of the operations that run in 8 bits under `plan` but not under `candidate`, sorted.
std::vector<std::string> reverted_between(const Plan& plan, const Plan& candidate) {
  const std::vector<std::string> all = quantized_operations(plan);
  const std::vector<std::string> left = quantized_operations(candidate);
  std::vector<std::string> names;
  std::ranges::set_difference(all, left, std::back_inserter(names));
  return names;
}

Evaluation original_of(const Report& report) {
  const EvaluationRecord& record = report.evaluations.front();
  Evaluation original{record.metric, record.items, {}};
  for (const MetricRecord& metric : record.metrics) original.metrics.emplace(metric.name, metric.metric);
  return original;
}

// "metric 0.9", or "accuracy 0.9 and f1 0.8".
std::string metrics_text(const EvaluationRecord& record) {
  if (record.metrics.empty()) return fmt::format("metric {:.6g}", record.metric);
  std::vector<std::string> texts;
  for (const MetricRecord& metric : record.metrics)
    texts.push_back(fmt::format("{} {:.6g}", metric.name, metric.metric));
  return fmt::format("{}", fmt::join(texts, " and "));
}

// "absolute drop 0.02 above the limit 0.01", or the same of the metric that used up the most of its limit.
std::string drop_text(const EvaluationRecord& record, const Report& report) {
  const char* relation = record.drop <= report.max_drop ? "within" : "above";
  const auto limit = std::ranges::find(report.limits, record.binding, &LimitRecord::name);
  const auto metric = std::ranges::find(record.metrics, record.binding, &MetricRecord::name);
  if (limit == report.limits.end() || metric == record.metrics.end())
    return fmt::format("{} drop {:.6g} {} the limit {:.6g}", report.drop_type, record.drop, relation, report.max_drop);
  return fmt::format("{} drop of {} {:.6g} {} its limit {:.6g}", limit->drop_type, metric->name, metric->drop, relation,
                     limit->max_drop);
}

// Calls the user's function, or finds what it returned earlier, and keeps the books in the report.
class Validator {
 public:
  Validator(const Means& means, const AccuracyOptions& options, Report& report)
      : means_(means), options_(options), report_(report) {}

  const EvaluationRecord& operator()(const Plan& plan, std::string name, std::vector<std::string> reverted = {}) {
    std::optional<Evaluation> known = find(plan);
    const Evaluation found = known ? std::move(*known) : measure(plan, name);
    seconds_ = std::max(seconds_, found.seconds);
    check_items(found.items, name);
    check_metrics(found, options_, name);
    // The original against itself is 0, or an error where a drop has no meaning.
    Loss loss = loss_of(report_.evaluations.empty() ? found : original_of(report_), found, options_);
    if (!known && means_.memory.keep) means_.memory.keep(plan, found);
    const double metric = loss.binding.empty() ? found.metric : found.metrics.at(loss.binding);
    report_.evaluations.push_back({std::move(name), std::move(reverted), metric, loss.drop, found.items, found.seconds,
                                   std::move(loss.binding), std::move(loss.metrics)});
    return report_.evaluations.back();
  }

  bool has_time_for(const Plan& plan) const { return has_time(seconds_) || find(plan); }

  bool has_time(double seconds) const {
    return !options_.time_budget || means_.since.seconds() + seconds <= *options_.time_budget;
  }

 private:
  std::optional<Evaluation> find(const Plan& plan) const {
    return means_.memory.find ? means_.memory.find(plan) : std::nullopt;
  }

  Evaluation measure(const Plan& plan, std::string_view name) {
    const Stopwatch watch;
    Evaluation found = means_.evaluate(plan, name);
    found.seconds = watch.seconds();
    return found;
  }

  void check_items(std::int64_t items, std::string_view name) {
    if (report_.evaluations.empty()) return;
    const EvaluationRecord& first = report_.evaluations.front();
    if (first.items > 0 && items == 0) {
      throw InvalidArgument(
          fmt::format("[validation] {}: no item was left, while {} read {}; the validation data must be readable again "
                      "from the start "
                      "(a generator can be read once: pass a list, or an object whose __iter__ starts over).",
                      name, first.name, first.items));
    }
    if (items == first.items || warned_) return;
    warned_ = true;
    log(LogLevel::kWarning,
        fmt::format(
            "[validation] {}: {} items were read, but {} for the {}; drops are comparable only on the same data.", name,
            items, first.items, first.name));
  }

  const Means& means_;
  const AccuracyOptions& options_;
  Report& report_;
  double seconds_ = 0;  // the longest evaluation so far
  bool warned_ = false;
};

bool is_share(double metric, std::int64_t items) {
  const double count = metric * static_cast<double>(items);
  return items > 0 && metric >= 0 && metric <= 1 && std::abs(count - std::round(count)) < 1e-6;
}

// A limit below the weight of one item allows no mistake at all: seldom what was meant.
void warn_of_few_items(const EvaluationRecord& original, const EvaluationRecord& quantized,
                       const AccuracyOptions& options) {
  if (!options.limits.empty()) return;
  if (!is_share(original.metric, original.items) || !is_share(quantized.metric, original.items)) return;
  const double step = 1.0 / static_cast<double>(original.items);
  if (options.drop_type != DropType::kAbsolute || options.max_drop <= 0 || options.max_drop >= step) return;
  log(LogLevel::kWarning,
      fmt::format(
          "[validation] the metric seems to be a share of the {} items: one item changes it by {:.4g}, more than "
          "max_drop {:.4g}; use more validation data or a larger max_drop.",
          original.items, step, options.max_drop));
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

// About as long as a ranking takes: each group is compiled, and run on some items; a fraction of a validation at least.
double ranking_seconds(const EvaluationRecord& quantized, std::size_t groups, std::int64_t samples) {
  if (quantized.items <= 0) return 0;
  const double share = static_cast<double>(samples) / static_cast<double>(quantized.items);
  return static_cast<double>(groups + 1) * quantized.seconds * std::min(share, 1.0);
}

std::vector<double> scores_of(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const Validator& validate, Report& report) {
  const EvaluationRecord& quantized = report.evaluations.back();
  const double seconds = ranking_seconds(quantized, groups.size(), means.ranking_samples);
  if (validate.has_time(seconds + quantized.seconds))
    return timed(report, "ranking", [&] { return means.rank(plan, groups); });
  log(LogLevel::kWarning,
      fmt::format(
          "[ranking] left out: about {:.0f} s are more than the time budget leaves; all groups count as equally "
          "harmful.",
          seconds));
  return std::vector<double>(groups.size(), 1);
}

// The tuned plan and its evaluation where that is better, with which everything goes on.
Plan tuned_or_same(const Plan& plan, const Means& means, Validator& validate, Report& report,
                   EvaluationRecord& quantized) {
  if (!means.tune || quantized.drop <= report.max_drop || !validate.has_time_for(plan)) return plan;
  Plan tuned = timed(report, "tuning", [&] { return means.tune(plan); });
  if (tuned == plan || !validate.has_time_for(tuned)) return plan;
  const EvaluationRecord trial = validate(tuned, "tuned model");
  const bool is_better = trial.drop < quantized.drop;
  log(LogLevel::kInfo, fmt::format("[tuning] {}, {}; {}.", metrics_text(trial), drop_text(trial, report),
                                   is_better ? "it takes the place of the quantized model" : "it is not used"));
  if (!is_better) return plan;
  quantized = trial;
  return tuned;
}

// The ranking and the search. Validates candidates, fills in groups, and returns what the search found.
RestoreResult search(const Plan& plan, std::span<const Group> groups, const Means& means, Validator& validate,
                     const AccuracyOptions& options, Report& report,
                     std::map<std::vector<bool>, EvaluationRecord>& trials) {
  const double initial_drop = report.evaluations.back().drop;
  const std::vector<double> scores = scores_of(plan, groups, means, validate, report);
  std::vector<double> prices;
  const std::size_t operations = quantized_operations(plan).size();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    prices.push_back(price(groups[g]));
    report.groups.push_back({groups[g].operations, scores[g], false});
  }

  std::size_t candidates = 0;
  bool is_late = false;
  const EvaluateSet evaluate_set = [&](const std::vector<bool>& reverted) -> std::optional<double> {
    const Plan candidate = without_orphans(without(plan, groups, reverted, options.restore_mode));
    is_late = !validate.has_time_for(candidate);
    if (is_late) return std::nullopt;
    const EvaluationRecord& trial =
        validate(candidate, fmt::format("candidate {}", ++candidates), reverted_between(plan, candidate));
    trials.emplace(reverted, trial);
    if (std::ranges::all_of(reverted, std::identity{})) report.drop_reverted = trial.drop;
    log_trial(trial, report, operations);
    progress("search", candidates, 0);
    return trial.drop;
  };
  RestoreResult found = timed(report, "search", [&] {
    return restore(prices, scores, initial_drop, report.max_drop, options.max_num_iterations, evaluate_set);
  });
  if (is_late)
    found.stopped =
        fmt::format("The time budget of {:.6g} s left no time for another validation.", *options.time_budget);
  return found;
}

void log_result(const Report& report, bool met) {
  const std::size_t all = report.quantized.size() + report.reverted.size();
  log(met ? LogLevel::kInfo : LogLevel::kWarning,
      fmt::format("[search] limit {}: {} {:.6g}, {} of {} operations reverted{}. {}", met ? "met" : "not met",
                  report.limits.empty() ? "drop" : "largest share of a limit", *report.drop, report.reverted.size(),
                  all, first_of(report.reverted), report.stopped));
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

Report evaluate_original(const Means& means, const AccuracyOptions& options) {
  Report report;
  report.drop_type = name_of(options.drop_type);
  report.higher_is_better = options.higher_is_better;
  report.max_drop = limit_of(options);
  for (const MetricLimit& limit : options.limits)
    report.limits.push_back({limit.name, limit.max_drop, name_of(limit.drop_type), limit.higher_is_better});
  Validator validate(means, options, report);
  const EvaluationRecord original =
      timed(report, "validation of the original", [&] { return validate({}, "original model"); });
  if (original.metrics.empty()) report.original_metric = original.metric;
  log_original(original);
  return report;
}

Controlled control_accuracy(const Plan& first, const Means& means, const AccuracyOptions& options, Report report) {
  Validator validate(means, options, report);
  EvaluationRecord quantized =
      timed(report, "validation of the quantized model", [&] { return validate(first, "quantized model"); });
  if (quantized.metrics.empty()) report.quantized_metric = quantized.metric;
  warn_of_few_items(report.evaluations.front(), quantized, options);
  log_trial(quantized, report, quantized_operations(first).size());
  const Plan plan = tuned_or_same(first, means, validate, report, quantized);

  const std::vector<Group> groups = form_groups(plan);
  const std::vector<bool> nothing(groups.size(), false);
  std::map<std::vector<bool>, EvaluationRecord> trials{{nothing, quantized}};

  RestoreResult found{{nothing, quantized.drop}, quantized.drop <= report.max_drop, true, 0, {}};
  if (found.met) {
    found.stopped = "With everything in 8 bits the drop is within the limit.";
  } else if (options.max_num_iterations <= 0) {
    found.minimal = false;
    found.stopped = "max_num_iterations is 0: nothing was reverted.";
  } else if (groups.empty()) {
    found.minimal = false;
    found.stopped = "Nothing was quantized, so nothing can be reverted.";
  } else {
    found = search(plan, groups, means, validate, options, report, trials);
  }

  Plan best = without_orphans(without(plan, groups, found.best.reverted, options.restore_mode));
  report.status = found.met ? "met" : "not met";
  report.stopped = found.stopped;
  report.minimal = found.minimal;
  const EvaluationRecord& final = trials.at(found.best.reverted);
  if (final.metrics.empty()) report.final_metric = final.metric;
  report.final_metrics = final.metrics;
  report.drop = found.best.drop;
  for (std::size_t g = 0; g < report.groups.size(); ++g) report.groups[g].reverted = found.best.reverted[g];
  report.quantized = quantized_operations(best);
  report.reverted = reverted_between(plan, best);
  log_result(report, found.met);
  return {std::move(best), std::move(report), found.met};
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
