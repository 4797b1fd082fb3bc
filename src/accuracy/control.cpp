// SPDX-License-Identifier: Apache-2.0
#include "accuracy/control.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <numeric>

#include "accuracy/candidates.h"
#include "accuracy/deployed.h"
#include "accuracy/drop.h"
#include "accuracy/early.h"
#include "accuracy/fates.h"
#include "accuracy/groups.h"
#include "accuracy/health.h"
#include "accuracy/interval.h"
#include "accuracy/messages.h"
#include "accuracy/repairs.h"
#include "accuracy/restore.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr std::string_view kStopped = "A callback stopped the search.";

const char* name_of(DropType type) { return type == DropType::kAbsolute ? "absolute" : "relative"; }

// Groups that there was no time for get the mean of the others. Time for one validation, of so many seconds, is left.
std::vector<double> scores_of(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const Validator& validate, double validation, Report& report) {
  const auto has_time = [&](double seconds) { return validate.has_time(seconds + validation); };
  std::vector<double> scores;
  if (has_time(0)) scores = timed(report, "ranking", means.watch, [&] { return means.rank(plan, groups, has_time); });
  if (scores.size() == groups.size()) return scores;
  const bool is_stopped = means.watch.is_stopped();
  log(is_stopped ? LogLevel::kInfo : LogLevel::kWarning,
      fmt::format("[ranking] {} {} of {} groups; the others count as harmful as these on average.",
                  is_stopped ? "it was stopped after" : "the time budget left time for", scores.size(), groups.size()));
  const double mean =
      scores.empty() ? 1 : std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  scores.resize(groups.size(), mean);
  return scores;
}

// What reverting each group costs; with latency as the objective also what the groups save, in the report.
std::vector<double> prices_of(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const AccuracyOptions& options, Report& report) {
  if (options.objective == Objective::kLatency && means.latency && !means.watch.is_stopped()) {
    const std::vector<double> savings = timed(report, "latencies", means.watch, [&] {
      return savings_of(plan, groups, options.restore_mode, means.latency);
    });
    for (std::size_t g = 0; g < groups.size(); ++g) report.groups[g].saving = savings[g];
    return prices_from(savings);
  }
  std::vector<double> prices;
  for (const Group& group : groups) prices.push_back(price(group));
  return prices;
}

// Reverts in addition what saved nothing, if the model is faster for it and still within the limit.
void revert_idle(RestoreResult& found, Candidates& candidates, const Means& means, const Report& report) {
  std::vector<bool> more = found.best.reverted;
  for (std::size_t g = 0; g < more.size(); ++g) more[g] = more[g] || report.groups[g].saving.value_or(1) <= 0;
  if (!found.met || more == found.best.reverted) return;
  const std::vector<double> seconds =
      means.latency(std::array{candidates.plan_of(found.best.reverted), candidates.plan_of(more)});
  if (seconds[1] >= seconds[0]) return;
  const std::optional<double> drop = candidates.drop_on_all_items(more);
  if (!drop || *drop > report.max_drop) return;
  found.best = {more, *drop};
  found.minimal = false;
  found.stopped += " Operations that cost more time in 8 bits than in floating point were reverted as well.";
}

// The search, until it ends with a set that was measured on all items.
RestoreResult search(std::span<const double> prices, std::span<const double> scores, double initial_drop,
                     std::int64_t max_validations, Candidates& candidates, const Report& report) {
  for (;;) {
    RestoreResult found = restore(prices, scores, initial_drop, report.max_drop, max_validations,
                                  [&](const std::vector<bool>& reverted) { return candidates.drop(reverted); });
    if (!candidates.trial(found.best.reverted).record.early) return found;
    // On all items it may turn out to be another drop; then the search goes on from what it knows.
    if (candidates.drop_on_all_items(found.best.reverted)) continue;
    found.best = candidates.best_on_all_items();
    found.met = found.best.drop <= report.max_drop;
    found.minimal = false;
    return found;
  }
}

// The ranking and the search; fills in the groups of the report.
RestoreResult rank_and_search(const Plan& plan, std::span<const Group> groups, const Means& means,
                              const Validator& validate, const Trial& quantized, const AccuracyOptions& options,
                              Candidates& candidates, Report& report) {
  const std::vector<double> scores = scores_of(plan, groups, means, validate, quantized.record.seconds, report);
  for (std::size_t g = 0; g < groups.size(); ++g) report.groups.push_back({groups[g].operations, scores[g], false});
  const std::vector<double> prices = prices_of(plan, groups, means, options, report);
  means.watch.tell({.kind = Event::Kind::kRanking, .groups = report.groups});
  const bool has_repaired = report.evaluations.size() > 2;
  RestoreResult found = timed(report, "search", means.watch, [&] {
    RestoreResult result = search(prices, scores, quantized.record.drop,
                                  options.max_num_iterations - (has_repaired ? 1 : 0), candidates, report);
    revert_idle(result, candidates, means, report);
    return result;
  });
  if (candidates.is_late()) {
    found.stopped =
        means.watch.is_stopped()
            ? kStopped
            : fmt::format("The time budget of {:.6g} s left no time for another validation.", *options.time_budget);
  }
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
  const std::vector<double> seconds = timed(report, "latencies", means.watch, [&] { return means.latency(plans); });
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

// What is said of the plan that is returned.
void describe(Report& report, const Plan& plan, const Plan& best, const EvaluationRecord& final) {
  if (final.metrics.empty()) report.final_metric = final.metric;
  report.final_metrics = final.metrics;
  report.drop = final.drop;
  report.quantized = quantized_operations(best);
  report.reverted = reverted_between(plan, best);
}

void describe_original(Report& report, const Plan& plan) {
  report.interval.reset();
  report.deployed.reset();
  report.stopped = "In 8 bits the model is not faster than the original on this machine, so this is the original.";
  report.minimal = false;
  report.repairs.clear();
  for (GroupRecord& group : report.groups) {
    group.reverted = true;
    group.why = "It was reverted since the model is not faster with 8 bits.";
  }
  describe(report, plan, Plan{}, report.evaluations.front());
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
  if (has_trial) own = timed(report, "trial of the function", means.watch, [&] { return health.try_original(); });
  Validator validate(means, options, report);
  const Trial original =
      timed(report, "validation of the original", means.watch, [&] { return validate({}, "original model", {}, own); });
  if (original.record.metrics.empty()) report.original_metric = original.record.metric;
  log_original(original.record);
  if (has_trial) timed(report, "trial of a damaged model", means.watch, [&] { return health.try_damaged(); });
  start.trial = health.original();
  start.preparation = health.preparation();
  start.original = validate.original();
  return start;
}

Controlled control_accuracy(const Plan& first, const Means& means, const AccuracyOptions& options, Start start) {
  Report& report = start.report;
  Validator validate(means, options, report, start.original);
  Trial quantized = timed(report, "validation of the quantized model", means.watch,
                          [&] { return validate(first, "quantized model"); });
  if (quantized.record.metrics.empty()) report.quantized_metric = quantized.record.metric;
  warn_of_few_items(report.evaluations.front(), quantized.record, options);
  if (!start.trial) warn_of_gain(start.original, quantized.found, options);
  log_trial(quantized.record, report, quantized_operations(first).size());
  const Plan plan = repaired_or_same(first, means, validate, options, report, quantized);

  const std::vector<Group> groups = form_groups(plan);
  EarlyJudge early(start, quantized.found, means, options);
  Candidates candidates(plan, groups, validate, early, options, report, quantized);

  const bool for_speed = options.objective == Objective::kLatency && means.latency;
  RestoreResult found{{std::vector<bool>(groups.size(), false), quantized.record.drop},
                      quantized.record.drop <= report.max_drop,
                      true,
                      0,
                      {}};
  if (found.met && !for_speed) {
    found.stopped = "With everything in 8 bits the drop is within the limit.";
  } else if (options.max_num_iterations <= 0) {
    found.minimal = false;
    found.stopped = "max_num_iterations is 0: nothing was reverted.";
  } else if (groups.empty()) {
    found.minimal = false;
    found.stopped = "Nothing was quantized, so nothing can be reverted.";
  } else if (means.watch.is_stopped()) {
    found.minimal = false;
    found.stopped = kStopped;
  } else {
    found = rank_and_search(plan, groups, means, validate, quantized, options, candidates, report);
  }

  Plan best = candidates.plan_of(found.best.reverted);
  Trial final = candidates.trial(found.best.reverted);
  report.status = found.met ? "met" : "not met";
  report.stopped = found.stopped;
  report.minimal = found.minimal;
  tell_fates(report, found, candidates);
  if (found.met) {
    const Plan with_weights =
        without_orphans(without(plan, groups, found.best.reverted, RestoreMode::kActivationsOnly));
    keep_weights(best, final, with_weights, means, validate, options, report);
  }
  describe(report, plan, best, final.record);
  log_result(report, found.met);
  report.interval = interval_of_drop(start.original, final.found, options);
  log_interval(report, final.record.items);
  const auto measure_it = [&] { return measure_deployed(best, start.original, final.found, means, options); };
  report.deployed =
      options.measure_deployed ? timed(report, "validation as deployed", means.watch, measure_it) : measure_it();
  compare_latencies(plan, best, means, report);
  if (for_speed && found.met && report.max_drop >= 0 && is_slow(report)) {
    best = Plan{};
    describe_original(report, plan);
  }
  return {std::move(best), std::move(report), found.met};
}

}  // namespace tightrope
