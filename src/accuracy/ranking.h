// SPDX-License-Identifier: Apache-2.0
// How much harm each group does by itself.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "accuracy/groups.h"
#include "tightrope/model.h"

namespace tightrope {

// All that scores depend on. Wherever they are computed from it they are the same, on processors of one kind.
struct Ranking {
  const Model& model;
  const Plan& plan;
  std::span<const Group> groups;  // of the plan
  std::span<const Sample> samples;
  CompileOptions options;
  RestoreMode mode = RestoreMode::kActivationsAndWeights;
};

// Scores one group at a time, for threads and processes that share a ranking.
class GroupScorer {
 public:
  // What the ranking refers to outlives it. Throws InvalidArgument where there are no samples.
  explicit GroupScorer(const Ranking& ranking);

  // May be called on several threads. The first call runs the model with everything reverted, too.
  double score(std::size_t group);

 private:
  Ranking ranking_;
  std::mutex mutex_;
  std::optional<std::vector<std::vector<Tensor>>> reference_;  // outputs of each sample
};

// Computes scores on other threads, processes or machines. Hands over each as it comes, in any order, on the thread
// that calls it, until there are no more or `done` says that it is enough. Scores that it can't get are left out.
using ScoreElsewhere =
    std::function<void(const Ranking& ranking, const std::function<bool(std::size_t group, double score)>& done)>;

// On so many threads of this process; empty for one.
ScoreElsewhere scoring_threads(int count);

// One score per group, 0 (harmless) to 1: the mean over samples of the error that quantizing only this group makes in
// the outputs of `model`, capped at 1 per sample. It is measured against the plan with every group reverted, which is
// the original model, or with kActivationsOnly the one with weights in 8 bits. The error of a sample:
// base/output_error.h.
//
// What `elsewhere` leaves out, and everything where it is empty, is computed here; the scores do not depend on it.
//
// Before each group `has_time` is asked about the seconds that the slowest group took so far, or with `elsewhere` that
// a group took on average; where it says no, the scores end there. Empty: there is time.
//
// Reports progress of "ranking" after each inference. Throws InvalidArgument where there are no samples.
// Formula: docs/algorithms.md#ranking
std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode,
                                const std::function<bool(double seconds)>& has_time = {},
                                const ScoreElsewhere& elsewhere = {});

}  // namespace tightrope
