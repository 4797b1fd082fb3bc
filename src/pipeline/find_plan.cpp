// SPDX-License-Identifier: Apache-2.0
#include "pipeline/find_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "accuracy/ranking.h"
#include "base/json.h"
#include "base/model_fingerprint.h"
#include "pipeline/alternatives.h"
#include "pipeline/make_plan.h"
#include "pipeline/run_facts.h"
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
              {"seconds", evaluation.seconds}}
      .dump();
}

Evaluation evaluation_from(const std::string& text) {
  const Json json = Json::parse(text);
  return {json["metric"], json["items"], json["metrics"].get<std::map<std::string, double>>(), json["seconds"]};
}

std::string name_of_evaluation(const Plan& plan) {
  if (plan.empty()) return "evaluation of the original";
  Fingerprint fingerprint;
  fingerprint.add(std::string_view(to_json(plan)));
  return "evaluation " + fingerprint.text();
}

Memory memory_in(Store* store) {
  if (store == nullptr) return {};
  return {
      [store](const Plan& plan) -> std::optional<Evaluation> {
        const auto text = store->find(name_of_evaluation(plan));
        return text ? std::optional(evaluation_from(*text)) : std::nullopt;
      },
      [store](const Plan& plan, const Evaluation& found) { store->keep(name_of_evaluation(plan), text_of(found)); }};
}

// The job -----------------------------------------------------------------------------------------------------------

std::unique_ptr<Store> open_store(const Model& model, const Caller& caller, const QuantizeOptions& options,
                                  const AccuracyOptions& accuracy) {
  if (accuracy.work_dir.empty()) return nullptr;
  auto store = std::make_unique<Store>(accuracy.work_dir, facts_of(model, caller.calibration_fingerprint(),
                                                                   caller.validation_fingerprint(), options, accuracy));
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
           Store* store)
      : model_(model), calibration_(calibration), options_(options), count_(samples), store_(store) {}

  const PlanResult& result() {
    const auto plan = store_ != nullptr ? store_->find("plan") : std::nullopt;
    if (plan) {
      log(LogLevel::kInfo, "[store] the plan is known from an earlier run.");
      result_.report = report_from_json(*store_->find("report of the plan"));
      result_.plan = plan_from_json(*plan);
      return result_;
    }
    result_ = make_plan(model_, calibration_, options_, count_);
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
    const SampleReader read = calibration_.read();
    for (std::int64_t i = 0; i < options_.subset_size && result_.samples.size() < wanted.size(); ++i) {
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
  PlanResult result_;
};

std::vector<double> rank(const Model& model, const Plan& plan, std::span<const Group> groups, Planning& planning,
                         const AccuracyOptions& options, Store* store) {
  const std::string name = "scores of " + name_of_evaluation(plan);  // tuned or not
  if (const auto known = store != nullptr ? store->find(name) : std::nullopt)
    return Json::parse(*known).get<std::vector<double>>();
  const std::vector<Sample> samples = spread_evenly(planning.samples(), ranking_samples(options));
  log(LogLevel::kInfo, fmt::format("[ranking] {} groups on {} samples.", groups.size(), samples.size()));
  const CompileOptions compile_options{options.validation_device, options.validation_precision, true,
                                       options.eval_requests};
  std::vector<double> scores = rank_groups(model, plan, groups, samples, compile_options, options.restore_mode);
  if (store != nullptr) store->keep(name, Json(scores).dump());
  return scores;
}

// The report of the plan becomes part of that of the whole run.
void add_to(Report& report, const Report& planned) {
  report.framework = planned.framework;
  report.status = planned.status;
  report.calibration_items = planned.calibration_items;
  report.quantized = planned.quantized;
  report.stages.insert(report.stages.end(), planned.stages.begin(), planned.stages.end());
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
  const std::unique_ptr<Store> store = open_store(model, caller, options, accuracy);
  const std::size_t kept = std::max(ranking_samples(accuracy), accuracy.tune_hyperparams ? kAlternativeSamples : 0);
  Planning planning(model, calibration, options, kept, store.get());
  const auto tune = [&](const Plan& plan) { return tuned(model, plan, planning.samples(), options); };
  const Means means{caller.evaluate,
                    memory_in(store.get()),
                    [&](const Plan& plan, std::span<const Group> groups) {
                      return rank(model, plan, groups, planning, accuracy, store.get());
                    },
                    static_cast<std::int64_t>(ranking_samples(accuracy)),
                    since,
                    accuracy.tune_hyperparams ? tune : std::function<Plan(const Plan&)>()};
  Report report = evaluate_original(means, accuracy);
  const PlanResult& planned = planning.result();
  add_to(report, planned.report);
  if (caller.save_intermediate) caller.save_intermediate(planned.plan);
  return control_accuracy(planned.plan, means, accuracy, std::move(report));
}

}  // namespace tightrope
