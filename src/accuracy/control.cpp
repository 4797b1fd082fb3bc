// SPDX-License-Identifier: Apache-2.0
#include "accuracy/control.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "accuracy/deployed.h"
#include "accuracy/drop.h"
#include "accuracy/early.h"
#include "accuracy/groups.h"
#include "accuracy/health.h"
#include "accuracy/interval.h"
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

struct Trial {
  EvaluationRecord record;
  Evaluation found;
};

// Calls the user's function, or finds what it returned earlier, and keeps the books in the report.
class Validator {
 public:
  // The first evaluation is that of the original, unless it was made already.
  Validator(const Means& means, const AccuracyOptions& options, Report& report, Evaluation original = {})
      : means_(means), options_(options), report_(report), original_(std::move(original)) {
    seconds_ = original_.seconds;
  }

  // `given`: what the function has returned for the plan, where it was called already.
  Trial operator()(const Plan& plan, std::string name, std::vector<std::string> reverted = {},
                   const std::optional<Evaluation>& given = std::nullopt) {
    std::optional<Evaluation> known = find(plan);
    const Evaluation found = known ? std::move(*known) : given ? *given : measure(plan, name);
    seconds_ = std::max(seconds_, found.seconds);
    check_items(found.items, name);
    check_metrics(found, options_, name);
    if (report_.evaluations.empty()) original_ = found;
    Trial trial = record(found, std::move(name), std::move(reverted), false);
    if (!known && means_.memory.keep) means_.memory.keep(plan, found);
    return trial;
  }

  // Of an evaluation on a part of the items, or in parts.
  Trial record(const Evaluation& found, std::string name, std::vector<std::string> reverted, bool early) {
    // The original against itself is 0, or an error where a drop has no meaning.
    Loss loss = loss_of(original_, found, options_);
    const double metric = loss.binding.empty() ? found.metric : found.metrics.at(loss.binding);
    report_.evaluations.push_back({std::move(name), std::move(reverted), metric, loss.drop, found.items, found.seconds,
                                   std::move(loss.binding), std::move(loss.metrics), early});
    return {report_.evaluations.back(), found};
  }

  const Evaluation& original() const { return original_; }

  // An evaluation on a part of the items may be followed by one on all of them.
  bool has_time_for(const Plan& plan, bool early) const {
    return has_time(early ? 2 * seconds_ : seconds_) || find(plan);
  }

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
    if (!values_are_finite(found)) found.values.clear();
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
  Evaluation original_;
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
      fmt::format("[validation] the metric seems to be a share of the {} items: one item changes it by {:.4g}, more "
                  "than max_drop {:.4g}; at least {:.0f} items or a larger max_drop are needed to tell a drop of that "
                  "size.",
                  original.items, step, options.max_drop, std::ceil(1 / options.max_drop)));
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

// Groups that there was no time for get the mean of the others. Time for one validation is left.
std::vector<double> scores_of(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const Validator& validate, Report& report) {
  const double validation = report.evaluations.back().seconds;
  const auto has_time = [&](double seconds) { return validate.has_time(seconds + validation); };
  std::vector<double> scores;
  if (has_time(0)) scores = timed(report, "ranking", [&] { return means.rank(plan, groups, has_time); });
  if (scores.size() == groups.size()) return scores;
  log(LogLevel::kWarning,
      fmt::format("[ranking] the time budget left time for {} of {} groups; the others count as harmful as these on "
                  "average.",
                  scores.size(), groups.size()));
  const double mean =
      scores.empty() ? 1 : std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  scores.resize(groups.size(), mean);
  return scores;
}

// The tuned plan and its evaluation where that is better, with which everything goes on.
Plan tuned_or_same(const Plan& plan, const Means& means, Validator& validate, Report& report, Trial& quantized) {
  if (!means.tune || quantized.record.drop <= report.max_drop || !validate.has_time_for(plan, false)) return plan;
  Plan tuned = timed(report, "tuning", [&] { return means.tune(plan); });
  if (tuned == plan || !validate.has_time_for(tuned, false)) return plan;
  const Trial trial = validate(tuned, "tuned model");
  const bool is_better = trial.record.drop < quantized.record.drop;
  log(LogLevel::kInfo, fmt::format("[tuning] {}, {}; {}.", metrics_text(trial.record), drop_text(trial.record, report),
                                   is_better ? "it takes the place of the quantized model" : "it is not used"));
  if (!is_better) return plan;
  quantized = trial;
  return tuned;
}

// What reverting each group costs; with latency as the objective also what the groups save, in the report.
std::vector<double> prices_of(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const AccuracyOptions& options, Report& report) {
  if (options.objective == Objective::kLatency && means.latency) {
    const std::vector<double> savings =
        timed(report, "latencies", [&] { return savings_of(plan, groups, options.restore_mode, means.latency); });
    for (std::size_t g = 0; g < groups.size(); ++g) report.groups[g].saving = savings[g];
    return prices_from(savings);
  }
  std::vector<double> prices;
  for (const Group& group : groups) prices.push_back(price(group));
  return prices;
}

// Reverts in addition what saved nothing, if the model is faster for it and still within the limit.
void revert_idle(RestoreResult& found, const Plan& plan, std::span<const Group> groups, const Means& means,
                 const AccuracyOptions& options, const Report& report, const EvaluateSet& evaluate_set) {
  std::vector<bool> more = found.best.reverted;
  for (std::size_t g = 0; g < groups.size(); ++g) more[g] = more[g] || report.groups[g].saving.value_or(1) <= 0;
  if (!found.met || more == found.best.reverted) return;
  const auto plan_of = [&](const std::vector<bool>& reverted) {
    return without_orphans(without(plan, groups, reverted, options.restore_mode));
  };
  const std::vector<double> seconds = means.latency(std::array{plan_of(found.best.reverted), plan_of(more)});
  if (seconds[1] >= seconds[0]) return;
  const std::optional<double> drop = evaluate_set(more);
  if (!drop || *drop > report.max_drop) return;
  found.best = {more, *drop};
  found.minimal = false;
  found.stopped += " Operations that cost more time in 8 bits than in floating point were reverted as well.";
}

// Of the sets that were measured on all items the cheapest within the limit, else the one with the lowest drop.
Candidate best_in_full(const std::map<std::vector<bool>, Trial>& trials, const Report& report) {
  const auto key = [&](const auto& entry) {
    const EvaluationRecord& record = entry.second.record;
    const bool met = record.drop <= report.max_drop;
    return std::tuple(record.early, !met, met ? static_cast<double>(record.reverted.size()) : 0, record.drop);
  };
  const auto best = std::ranges::min_element(trials, {}, key);
  return {best->first, best->second.record.drop};
}

// The ranking and the search. Validates candidates, fills in groups, and returns what the search found: a set that was
// measured on all items.
RestoreResult search(const Plan& plan, std::span<const Group> groups, const Means& means, Validator& validate,
                     EarlyJudge& early, const AccuracyOptions& options, Report& report,
                     std::map<std::vector<bool>, Trial>& trials) {
  const double initial_drop = trials.at(std::vector<bool>(groups.size(), false)).record.drop;
  const std::vector<double> scores = scores_of(plan, groups, means, validate, report);
  const std::size_t operations = quantized_operations(plan).size();
  for (std::size_t g = 0; g < groups.size(); ++g) report.groups.push_back({groups[g].operations, scores[g], false});
  const std::vector<double> prices = prices_of(plan, groups, means, options, report);

  const auto plan_of = [&](const std::vector<bool>& reverted) {
    return without_orphans(without(plan, groups, reverted, options.restore_mode));
  };
  std::size_t candidates = 0;
  bool is_late = false;
  const EvaluateSet evaluate_set = [&](const std::vector<bool>& reverted) -> std::optional<double> {
    if (const auto known = trials.find(reverted); known != trials.end()) return known->second.record.drop;
    const Plan candidate = plan_of(reverted);
    const bool is_everything = std::ranges::all_of(reverted, std::identity{});
    is_late = !validate.has_time_for(candidate, early.is_possible());
    if (is_late) return std::nullopt;
    const std::string name = fmt::format("candidate {}", ++candidates);
    const std::vector<std::string> names = reverted_between(plan, candidate);
    const auto judged = is_everything ? std::nullopt : early.judge(candidate, name);
    const Trial trial = judged ? validate.record(*judged, name, names, true) : validate(candidate, name, names);
    trials.emplace(reverted, trial);
    if (is_everything) report.drop_reverted = trial.record.drop;
    log_trial(trial.record, report, operations);
    progress("search", candidates, 0);
    return trial.record.drop;
  };
  const EvaluateSet in_full = [&](const std::vector<bool>& reverted) -> std::optional<double> {
    const auto known = trials.find(reverted);
    if (known != trials.end() && !known->second.record.early) return known->second.record.drop;
    const Plan candidate = plan_of(reverted);
    if (!validate.has_time_for(candidate, false)) return std::nullopt;
    const Trial trial =
        validate(candidate, fmt::format("candidate {}", ++candidates), reverted_between(plan, candidate));
    trials.insert_or_assign(reverted, trial);
    log_trial(trial.record, report, operations);
    return trial.record.drop;
  };
  const auto search_it = [&] {
    for (;;) {
      RestoreResult found =
          restore(prices, scores, initial_drop, report.max_drop, options.max_num_iterations, evaluate_set);
      const auto best = trials.find(found.best.reverted);
      if (!best->second.record.early) {
        revert_idle(found, plan, groups, means, options, report, in_full);
        return found;
      }
      // On all items it may turn out to be another drop; then the search goes on from what it knows.
      const Plan candidate = plan_of(best->first);
      if (!validate.has_time_for(candidate, false)) {
        is_late = true;
        found.best = best_in_full(trials, report);
        found.met = found.best.drop <= report.max_drop;
        found.minimal = false;
        return found;
      }
      best->second = validate(candidate, best->second.record.name + " on all items", best->second.record.reverted);
      log_trial(best->second.record, report, operations);
    }
  };
  RestoreResult found = timed(report, "search", search_it);
  if (is_late)
    found.stopped =
        fmt::format("The time budget of {:.6g} s left no time for another validation.", *options.time_budget);
  return found;
}

// True where the returned model is not faster than the original. The difference has to be more than noise.
bool is_slow(const Report& report) {
  constexpr double kLeastGain = 0.98;
  return report.latency && report.latency->final > kLeastGain * report.latency->original;
}

void compare_latencies(const Plan& plan, const Plan& best, const Means& means, Report& report) {
  if (!means.latency) return;
  std::vector<Plan> plans = {Plan{}, plan};
  if (best != plan) plans.push_back(best);
  const std::vector<double> seconds = timed(report, "latencies", [&] { return means.latency(plans); });
  report.latency = {seconds[0], seconds[1], seconds.back()};
  const std::string text =
      fmt::format("[latency] original {:.3g} ms, quantized {:.3g} ms, result {:.3g} ms per inference", 1e3 * seconds[0],
                  1e3 * seconds[1], 1e3 * seconds.back());
  if (is_slow(report)) {
    log(LogLevel::kWarning, text + ": on this machine 8 bits do not pay for this model; the original is as fast.");
  } else {
    log(LogLevel::kInfo, text + ".");
  }
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

// What is said of the plan that is returned.
void describe(Report& report, const Plan& plan, const Plan& best, const EvaluationRecord& final) {
  if (final.metrics.empty()) report.final_metric = final.metric;
  report.final_metrics = final.metrics;
  report.drop = final.drop;
  report.quantized = quantized_operations(best);
  report.reverted = reverted_between(plan, best);
}

}  // namespace

Start evaluate_original(const Means& means, const AccuracyOptions& options) {
  Start start;
  Report& report = start.report;
  report.drop_type = name_of(options.drop_type);
  report.higher_is_better = options.higher_is_better;
  report.max_drop = limit_of(options);
  for (const MetricLimit& limit : options.limits)
    report.limits.push_back({limit.name, limit.max_drop, name_of(limit.drop_type), limit.higher_is_better});
  start.is_known = means.memory.find && means.memory.find({});
  HealthCheck health(means, options);
  std::optional<Evaluation> own;
  // Stages are the same where the original is known already, so that runs that go on end with the same report.
  const bool has_trial = !trial_items(means.parts).empty();
  if (has_trial) own = timed(report, "trial of the function", [&] { return health.try_original(); });
  Validator validate(means, options, report);
  const Trial original =
      timed(report, "validation of the original", [&] { return validate({}, "original model", {}, own); });
  if (original.record.metrics.empty()) report.original_metric = original.record.metric;
  log_original(original.record);
  if (has_trial) timed(report, "trial of a damaged model", [&] { return health.try_damaged(); });
  start.trial = health.original();
  start.preparation = health.preparation();
  start.original = validate.original();
  return start;
}

Controlled control_accuracy(const Plan& first, const Means& means, const AccuracyOptions& options, Start start) {
  Report& report = start.report;
  Validator validate(means, options, report, start.original);
  Trial quantized =
      timed(report, "validation of the quantized model", [&] { return validate(first, "quantized model"); });
  if (quantized.record.metrics.empty()) report.quantized_metric = quantized.record.metric;
  warn_of_few_items(report.evaluations.front(), quantized.record, options);
  if (!start.trial) warn_of_gain(start.original, quantized.found, options);
  log_trial(quantized.record, report, quantized_operations(first).size());
  const Plan plan = tuned_or_same(first, means, validate, report, quantized);

  const std::vector<Group> groups = form_groups(plan);
  const std::vector<bool> nothing(groups.size(), false);
  std::map<std::vector<bool>, Trial> trials{{nothing, quantized}};

  const bool for_speed = options.objective == Objective::kLatency && means.latency;
  RestoreResult found{{nothing, quantized.record.drop}, quantized.record.drop <= report.max_drop, true, 0, {}};
  if (found.met && !for_speed) {
    found.stopped = "With everything in 8 bits the drop is within the limit.";
  } else if (options.max_num_iterations <= 0) {
    found.minimal = false;
    found.stopped = "max_num_iterations is 0: nothing was reverted.";
  } else if (groups.empty()) {
    found.minimal = false;
    found.stopped = "Nothing was quantized, so nothing can be reverted.";
  } else {
    EarlyJudge early(start, quantized.found, means, options);
    found = search(plan, groups, means, validate, early, options, report, trials);
  }

  Plan best = without_orphans(without(plan, groups, found.best.reverted, options.restore_mode));
  report.status = found.met ? "met" : "not met";
  report.stopped = found.stopped;
  report.minimal = found.minimal;
  const auto& [final, evaluation] = trials.at(found.best.reverted);
  for (std::size_t g = 0; g < report.groups.size(); ++g) report.groups[g].reverted = found.best.reverted[g];
  describe(report, plan, best, final);
  log_result(report, found.met);
  report.interval = interval_of_drop(start.original, evaluation, options);
  log_interval(report, final.items);
  const auto measure_it = [&] { return measure_deployed(best, start.original, evaluation, means, options); };
  report.deployed = options.measure_deployed ? timed(report, "validation as deployed", measure_it) : measure_it();
  compare_latencies(plan, best, means, report);
  if (for_speed && found.met && report.max_drop >= 0 && is_slow(report)) {
    best = Plan{};
    report.stopped = "In 8 bits the model is not faster than the original on this machine, so this is the original.";
    report.minimal = false;
    for (GroupRecord& group : report.groups) group.reverted = true;
    describe(report, plan, best, report.evaluations.front());
  }
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
