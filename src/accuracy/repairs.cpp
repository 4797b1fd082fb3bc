// SPDX-License-Identifier: Apache-2.0
#include "accuracy/repairs.h"

#include <fmt/format.h>

#include "accuracy/messages.h"
#include "base/watch.h"
#include "tightrope/log.h"

namespace tightrope {

Plan repaired_or_same(const Plan& plan, const Means& means, Validator& validate, const AccuracyOptions& options,
                      Report& report, Trial& quantized) {
  constexpr std::int64_t kLeastIterations = 2;  // one may be needed for everything reverted
  const bool is_wanted = quantized.record.drop > report.max_drop ? options.repair : options.tune_hyperparams;
  if (!means.repair || !is_wanted || options.max_num_iterations < kLeastIterations ||
      !validate.has_time_for(plan, false))
    return plan;
  const Repaired repaired = timed(report, "repair", means.watch, [&] { return means.repair(plan); });
  if (repaired.plan == plan || !validate.has_time_for(repaired.plan, false)) return plan;
  Trial trial = timed(report, "validation of the repaired model", means.watch,
                      [&] { return validate(repaired.plan, "repaired model"); });
  const bool is_better = trial.record.drop < quantized.record.drop;
  log(LogLevel::kInfo, fmt::format("[repair] {}, {}; {}.", metrics_text(trial.record), drop_text(trial.record, report),
                                   is_better ? "it takes the place of the quantized model" : "it is not used"));
  if (!is_better) return plan;
  quantized = std::move(trial);
  report.repairs = repaired.repairs;
  return repaired.plan;
}

void keep_weights(Plan& best, Trial& final, const Plan& with_weights, const Means& means, Validator& validate,
                  const AccuracyOptions& options, Report& report) {
  constexpr double kGoodPart = 0.05;
  const auto candidates = static_cast<std::int64_t>(report.evaluations.size()) - 2;
  if (!options.repair || !means.weight_elements || options.objective == Objective::kLatency || with_weights == best ||
      candidates >= options.max_num_iterations)
    return;
  const double all = means.weight_elements(with_weights);
  if (all - means.weight_elements(best) < kGoodPart * all || !validate.has_time_for(with_weights, false)) return;
  Trial trial = timed(report, "validation of weights in 8 bits", means.watch,
                      [&] { return validate(with_weights, "weights kept in 8 bits", final.record.reverted); });
  const bool is_kept = trial.record.drop <= report.max_drop;
  log(LogLevel::kInfo, fmt::format("[repair] with the weights of reverted operations in 8 bits: {}; {}.",
                                   drop_text(trial.record, report), is_kept ? "they stay so" : "they do not"));
  if (!is_kept) return;
  best = with_weights;
  final = std::move(trial);
  for (GroupRecord& group : report.groups) {
    if (group.reverted) group.why += " Its weights stay in 8 bits.";
  }
}

}  // namespace tightrope
