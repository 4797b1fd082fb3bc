// SPDX-License-Identifier: Apache-2.0
#include "pipeline/find_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/model_fingerprint.h"
#include "devices/processor.h"
#include "graph/site.h"
#include "pipeline/alternatives.h"
#include "pipeline/damaged_plan.h"
#include "pipeline/forecast.h"
#include "pipeline/make_plan.h"
#include "pipeline/run_facts.h"
#include "statistics/single_samples.h"
#include "statistics/thinning.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// Texts in the store ------------------------------------------------------------------------------------------------

std::string text_of(const Evaluation& evaluation) {
  return Json{{"metric", evaluation.metric},
              {"items", evaluation.items},
              {"metrics", evaluation.metrics},
              {"seconds", evaluation.seconds},
              {"values", evaluation.values}}
      .dump();
}

Evaluation evaluation_from(const std::string& text) {
  const Json json = Json::parse(text);
  return {json["metric"], json["items"], json["metrics"].get<std::map<std::string, double>>(), json["seconds"],
          json["values"].get<std::vector<double>>()};
}

std::string name_of_evaluation(const Plan& plan) {
  if (plan.empty()) return "evaluation of the original";
  Fingerprint fingerprint;
  fingerprint.add(std::string_view(to_json(plan)));
  return "evaluation " + fingerprint.text();
}

Memory memory_in(Store* store) {
  if (store == nullptr) return {};
  const auto find_with = [store](const char* which) {
    return [store, which](const Plan& plan) -> std::optional<Evaluation> {
      const auto text = store->find(which + name_of_evaluation(plan));
      return text ? std::optional(evaluation_from(*text)) : std::nullopt;
    };
  };
  const auto keep_with = [store](const char* which) {
    return [store, which](const Plan& plan, const Evaluation& found) {
      store->keep(which + name_of_evaluation(plan), text_of(found));
    };
  };
  return {find_with(""), keep_with(""), find_with("part of "), keep_with("part of ")};
}

// The job -----------------------------------------------------------------------------------------------------------

std::unique_ptr<Store> open_store(const Facts& facts, const AccuracyOptions& accuracy) {
  auto store = std::make_unique<Store>(accuracy.work_dir, facts);
  if (!store->difference().empty()) {
    log(LogLevel::kWarning, fmt::format("[store] nothing that '{}' holds is used, since {}; it stays for runs that it "
                                        "fits.",
                                        accuracy.work_dir, store->difference()));
  }
  return store;
}

// The plan, and what it was made from: from the store, or made now and kept there.
class Planning {
 public:
  Planning(const Model& model, const Dataset& calibration, const QuantizeOptions& options, std::size_t samples,
           Store* store, Watch watch)
      : model_(model),
        calibration_(calibration),
        options_(options),
        count_(samples),
        store_(store),
        watch_(std::move(watch)) {}

  const PlanResult& result() {
    const auto plan = store_ != nullptr ? store_->find("plan") : std::nullopt;
    if (plan) {
      log(LogLevel::kInfo, "[store] the plan is known from an earlier run.");
      result_.report = report_from_json(*store_->find("report of the plan"));
      result_.plan = plan_from_json(*plan);
      return result_;
    }
    result_ = make_plan(model_, calibration_, options_, count_, {}, watch_);
    if (store_ == nullptr) return result_;
    Json samples = Json::array();
    for (const Sample& sample : result_.samples) samples.push_back(fingerprint_of(sample));
    store_->keep("samples", samples.dump());
    store_->keep("report of the plan", to_json(result_.report));
    store_->keep("plan", to_json(result_.plan));  // the last one: where it is, the others are
    return result_;
  }

  // For the ranking. Where the plan is known from an earlier run they are looked for among the items.
  const std::vector<Sample>& samples() {
    if (!result_.samples.empty() || store_ == nullptr) return result_.samples;
    const Json wanted = Json::parse(*store_->find("samples"));
    std::optional<SingleSamples> single;
    if (options_.batchwise_statistics) single.emplace(model_.graph(), calibration_);
    const SampleReader read = single ? single->read() : calibration_.read();
    const std::int64_t limit = single ? single->at_most(options_.subset_size) : options_.subset_size;
    for (std::int64_t i = 0; i < limit && result_.samples.size() < wanted.size(); ++i) {
      auto sample = read();
      if (!sample) break;
      if (fingerprint_of(*sample) == wanted[result_.samples.size()].get<std::string>())
        result_.samples.push_back(std::move(*sample));
    }
    if (result_.samples.size() == wanted.size()) return result_.samples;
    throw InvalidArgument(
        "[store] the calibration data are not those of the run in the work_dir, though the first and the last item "
        "are; another work_dir is needed, and data that are the same each time.");
  }

 private:
  const Model& model_;
  const Dataset& calibration_;
  const QuantizeOptions& options_;
  std::size_t count_;
  Store* store_;
  Watch watch_;
  PlanResult result_;
};

std::vector<double> rank(const Model& model, const Plan& plan, std::span<const Group> groups, Planning& planning,
                         const AccuracyOptions& options, Store* store,
                         const std::function<bool(double seconds)>& has_time, const ScoreElsewhere& elsewhere) {
  const std::string name = "scores of " + name_of_evaluation(plan);  // repaired or not
  if (const auto known = store != nullptr ? store->find(name) : std::nullopt)
    return Json::parse(*known).get<std::vector<double>>();
  const std::vector<Sample> samples = spread_evenly(planning.samples(), ranking_samples(options));
  log(LogLevel::kInfo, fmt::format("[ranking] {} groups on {} samples.", groups.size(), samples.size()));
  const CompileOptions compile_options{options.validation_device, options.validation_precision, true,
                                       options.eval_requests};
  std::vector<double> scores = rank_groups(model, plan, groups, samples, compile_options, options.restore_mode,
                                           has_time, elsewhere ? elsewhere : scoring_threads(options.ranking_workers));
  if (store != nullptr && scores.size() == groups.size()) store->keep(name, Json(scores).dump());
  return scores;
}

Repaired repaired(const Model& model, const Plan& plan, Planning& planning, const QuantizeOptions& options,
                  Store* store) {
  const std::string name = "repaired " + name_of_evaluation(plan);
  if (const auto known = store != nullptr ? store->find(name) : std::nullopt) {
    return {plan_from_json(*known), report_from_json(*store->find("repairs, " + name)).repairs};
  }
  Repaired result = repair(model, plan, spread_evenly(planning.samples(), kAlternativeSamples), options);
  if (store == nullptr) return result;
  Report repairs;
  repairs.repairs = result.repairs;
  store->keep("repairs, " + name, to_json(repairs));
  store->keep(name, to_json(result.plan));  // the last one: where it is, the other is
  return result;
}

// Progress goes where it went before, and to the watch.
class WatchedProgress {
 public:
  explicit WatchedProgress(const Watch& watch) : before_(set_progress_sink({})) {
    set_progress_sink([before = before_, watch](std::string_view stage, std::size_t done, std::size_t total) {
      if (before) before(stage, done, total);
      watch.tell({.kind = Event::Kind::kProgress, .stage = std::string(stage), .done = done, .total = total});
    });
  }
  WatchedProgress(const WatchedProgress&) = delete;
  WatchedProgress& operator=(const WatchedProgress&) = delete;
  ~WatchedProgress() { set_progress_sink(std::move(before_)); }

 private:
  ProgressSink before_;
};

constexpr double kSecondsPerModel = 0.05;

// The models run as they will after this: with the precision that the device chooses.
std::vector<double> measured_latencies(const Model& model, std::span<const Plan> plans, Planning& planning,
                                       const AccuracyOptions& options, Store* store) {
  std::string name = "latencies";
  for (const Plan& plan : plans) name += " " + name_of_evaluation(plan);
  if (const auto known = store != nullptr ? store->find(name) : std::nullopt)
    return Json::parse(*known).get<std::vector<double>>();
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Plan& plan : plans)
    sessions.push_back(model.apply(plan)->compile({.device = options.validation_device, .precision = ""}));
  const std::vector<double> seconds = latencies(sessions, planning.samples().front(), kSecondsPerModel);
  if (store != nullptr) store->keep(name, Json(seconds).dump());
  return seconds;
}

// Elements of the weights that the plan keeps in 8 bits.
double weight_elements(const Graph& graph, const Plan& plan) {
  double elements = 0;
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind != SiteKind::kWeight) continue;
    double product = 1;
    for (const std::int64_t length : graph.value(value_of(quantizer, graph)).shape)
      product *= static_cast<double>(length);
    elements += product;
  }
  return elements;
}

// `facts`: those of the store; empty where there is none, since the data need not be readable twice then.
std::vector<FactRecord> environment_of(const Model& model, const Facts& facts, const AccuracyOptions& options) {
  const std::string& precision = options.validation_precision;
  std::vector<FactRecord> environment = {
      {"Tightrope", TIGHTROPE_VERSION},
      {"runtime", model.runtime()},
      {"processor", description_of_host()},
      {"device of the validation", options.validation_device},
      {"precision of the validation", precision.empty() ? "the device's" : precision}};
  if (facts.empty()) environment.push_back({"fingerprint of the model", fingerprint_of(model)});
  for (const auto& [name, value] : facts) {
    if (name == "model" || name == "calibration data" || name == "validation data")
      environment.push_back({"fingerprint of the " + name, value});
  }
  return environment;
}

// The report of the plan becomes part of that of the whole run.
void add_to(Report& report, const Report& planned) {
  report.framework = planned.framework;
  report.status = planned.status;
  report.calibration_items = planned.calibration_items;
  report.quantized = planned.quantized;
  report.stages.insert(report.stages.end(), planned.stages.begin(), planned.stages.end());
}

// Empty where results run as they were validated, as far as is known.
std::string deployed_precision(const Model& model, const AccuracyOptions& options) {
  const std::string& validated = options.validation_precision;
  const std::string chosen = validated.empty() ? validated : model.default_precision(options.validation_device);
  return chosen == validated ? std::string() : chosen;
}

}  // namespace

Controlled find_plan(const Model& model, const Dataset& calibration, const Caller& caller,
                     const QuantizeOptions& options, const AccuracyOptions& accuracy) {
  const Stopwatch since;
  check(options);
  check(accuracy);
  if (options.mode != NumberFormat::kInteger)
    throw InvalidArgument(
        "option 'mode' is 8-bit floating point; accuracy control needs integers, which are the default");
  Facts facts;
  if (!accuracy.work_dir.empty())
    facts = facts_of(model, caller.calibration_fingerprint(), caller.validation_fingerprint(), options, accuracy);
  const std::unique_ptr<Store> store = facts.empty() ? nullptr : open_store(facts, accuracy);
  const Watch watch(caller.on_event);
  std::optional<WatchedProgress> watched;
  if (caller.on_event) watched.emplace(watch);
  Planning planning(model, calibration, options, std::max(ranking_samples(accuracy), kAlternativeSamples), store.get(),
                    watch);
  const Means means{
      .evaluate = caller.evaluate,
      .memory = memory_in(store.get()),
      .rank =
          [&](const Plan& plan, std::span<const Group> groups, const std::function<bool(double)>& has_time) {
            return rank(model, plan, groups, planning, accuracy, store.get(), has_time, caller.score_elsewhere);
          },
      .latency =
          [&](std::span<const Plan> plans) {
            return measured_latencies(model, plans, planning, accuracy, store.get());
          },
      .since = since,
      .parts = caller.parts,
      .damaged = [&] { return damaged_plan(model, options); },
      .evaluate_deployed = caller.evaluate_deployed,
      .deployed_precision = deployed_precision(model, accuracy),
      .repair = [&](const Plan& plan) { return repaired(model, plan, planning, options, store.get()); },
      .weight_elements = [&](const Plan& plan) { return weight_elements(model.graph(), plan); },
      .elsewhere = caller.elsewhere,
      .watch = watch};
  Start start = evaluate_original(means, accuracy);
  std::vector<StageRecord> expected;
  if (!start.is_known) {
    const auto items = static_cast<std::int64_t>(calibration.size().value_or(options.subset_size));
    expected = forecast(start, std::min(items, options.subset_size));
    log_forecast(expected, start, since.seconds());
  }
  const PlanResult& planned = planning.result();
  add_to(start.report, planned.report);
  if (caller.save_intermediate) caller.save_intermediate(planned.plan);
  Controlled controlled = control_accuracy(planned.plan, means, accuracy, std::move(start));
  add_estimates(controlled.report, expected);
  controlled.report.environment = environment_of(model, facts, accuracy);
  return controlled;
}

}  // namespace tightrope
