// SPDX-License-Identifier: Apache-2.0
// What the search believes about the drop: how much of it each quantized group contributes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tightrope {

// The drop as a sum of one contribution per quantized group, each known up to a Gaussian. Every validation of a set of
// reverted groups is an observation of such a sum and updates means and covariances. The model orders and proposes; it
// decides nothing. Formula: docs/algorithms.md#restore
class DropModel {
 public:
  // `scores` say how `initial_drop`, that of nothing reverted, is shared out at first. A score that is no number
  // counts 1, one below 0 counts 0, and where all are 0 each group has the same share.
  DropModel(std::span<const double> scores, double initial_drop, double max_drop);

  void observe(const std::vector<bool>& reverted, double drop);

  // The expected contribution of each group, in units of the drop. Below zero where quantizing seems to help.
  const std::vector<double>& contributions() const { return means_; }

  // The probability that sets near `reverted` meet the limit.
  class Around {
   public:
    Around(const DropModel& model, const std::vector<bool>& reverted);

    // With these groups the other way round than in `reverted`.
    double chance(std::span<const std::size_t> flipped) const;

   private:
    friend class DropModel;

    const DropModel& model_;
    const std::vector<bool>& reverted_;
    std::vector<double> covariances_;  // of each contribution with the drop
    double mean_ = 0;
    double variance_ = 0;
  };

 private:
  double& covariance(std::size_t g, std::size_t h) { return covariances_[g * means_.size() + h]; }
  double covariance(std::size_t g, std::size_t h) const { return covariances_[g * means_.size() + h]; }
  double noise_variance(double drop) const;

  double max_drop_;
  double initial_drop_;
  std::vector<double> means_;
  std::vector<double> covariances_;  // groups x groups
};

}  // namespace tightrope
