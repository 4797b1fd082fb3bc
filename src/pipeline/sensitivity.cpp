// SPDX-License-Identifier: Apache-2.0
#include "tightrope/sensitivity.h"

#include <algorithm>

#include "accuracy/groups.h"
#include "pipeline/make_plan.h"
#include "pipeline/with_workers.h"

namespace tightrope {

std::vector<GroupRecord> sensitivity(const Model& model, const Dataset& calibration, const QuantizeOptions& options,
                                     const AccuracyOptions& accuracy) {
  return sensitivity(model, calibration, options, accuracy, {});
}

std::vector<GroupRecord> sensitivity(const Model& model, const Dataset& calibration, const QuantizeOptions& options,
                                     const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere) {
  check(options);
  check(accuracy);
  const PlanResult planned = make_plan(model, calibration, options, ranking_samples(accuracy));
  const std::vector<Group> groups = form_groups(planned.plan);
  const CompileOptions compile_options{accuracy.validation_device, accuracy.validation_precision, true,
                                       accuracy.eval_requests};
  const std::vector<double> scores =
      rank_groups(model, planned.plan, groups, planned.samples, compile_options, accuracy.restore_mode, {},
                  elsewhere ? elsewhere : scoring_threads(accuracy.ranking_workers));
  std::vector<GroupRecord> records;
  for (std::size_t i = 0; i < groups.size(); ++i) records.push_back({groups[i].operations, scores[i], false});
  std::ranges::stable_sort(records, std::greater<>(), &GroupRecord::score);
  return records;
}

}  // namespace tightrope
