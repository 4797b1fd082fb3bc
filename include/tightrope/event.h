// SPDX-License-Identifier: Apache-2.0
// What happens during a run of accuracy control, for those who watch it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tightrope/report.h"

namespace tightrope {

struct Event {
  enum class Kind { kStageStarted, kStageEnded, kProgress, kEvaluation, kRanking };
  Kind kind = Kind::kProgress;
  std::string stage = {};                           // as in Report::stages
  double seconds = 0;                               // that it took, of a stage that has ended
  std::size_t done = 0;                             // steps of the stage, of kProgress
  std::size_t total = 0;                            // 0: not known
  std::optional<EvaluationRecord> evaluation = {};  // of kEvaluation: what has just been measured
  std::optional<EvaluationRecord> best = {};        // with it: what would be returned if nothing better came; the first
                                                    // to be that is the quantized model
  std::vector<GroupRecord> groups = {};             // of kRanking: with their scores
};

// Called on the thread of the run, with everything that is kept in a work_dir on the disk already. Returns true to
// stop: as soon as the quantized model has been measured nothing new begins, and the best model so far is the result,
// as at the end of a time budget. What it throws reaches the caller unchanged.
using EventFn = std::function<bool(const Event& event)>;

// One line of JSON; the keys are the members' names, the kinds "stage_started", "stage_ended", "progress", "evaluation"
// and "ranking".
std::string to_json(const Event& event);

}  // namespace tightrope
