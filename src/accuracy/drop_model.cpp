// SPDX-License-Identifier: Apache-2.0
#include "accuracy/drop_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tightrope {
namespace {

std::vector<double> shares_of(std::span<const double> scores) {
  std::vector<double> shares;
  for (const double score : scores) shares.push_back(std::isfinite(score) ? std::max(score, 0.0) : 1);
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share = sum > 0 ? share / sum : 1 / static_cast<double>(shares.size());
  return shares;
}

double square(double value) { return value * value; }

}  // namespace

DropModel::DropModel(std::span<const double> scores, double initial_drop, double max_drop)
    : max_drop_(max_drop), initial_drop_(initial_drop), covariances_(scores.size() * scores.size()) {
  for (const double share : shares_of(scores)) means_.push_back(initial_drop * share);
  const double least = 0.1 * std::abs(initial_drop) / static_cast<double>(scores.size());
  for (std::size_t g = 0; g < means_.size(); ++g) covariance(g, g) = square(std::abs(means_[g]) + least);
  observe(std::vector<bool>(scores.size(), false), initial_drop);
}

// Metrics are coarse and noisy about the limit, and sums are no more than an approximation for large drops.
double DropModel::noise_variance(double drop) const {
  return square(0.25 * max_drop_) + square(0.15 * drop) + square(1e-3 * initial_drop_);
}

void DropModel::observe(const std::vector<bool>& reverted, double drop) {
  const Around known(*this, reverted);
  const std::vector<double>& gain = known.covariances_;
  const double variance = known.variance_ + noise_variance(drop);
  if (!std::isfinite(drop) || !(variance > 0)) return;
  const double surprise = (drop - known.mean_) / variance;
  for (std::size_t g = 0; g < means_.size(); ++g) means_[g] += gain[g] * surprise;
  for (std::size_t g = 0; g < means_.size(); ++g) {
    for (std::size_t h = 0; h < means_.size(); ++h) covariance(g, h) -= gain[g] * gain[h] / variance;
  }
}

DropModel::Around::Around(const DropModel& model, const std::vector<bool>& reverted)
    : model_(model), reverted_(reverted), covariances_(reverted.size()) {
  for (std::size_t g = 0; g < reverted.size(); ++g) {
    if (reverted[g]) continue;
    mean_ += model.means_[g];
    for (std::size_t h = 0; h < reverted.size(); ++h) covariances_[h] += model.covariance(g, h);
  }
  for (std::size_t g = 0; g < reverted.size(); ++g) variance_ += reverted[g] ? 0 : covariances_[g];
}

double DropModel::Around::chance(std::span<const std::size_t> flipped) const {
  double mean = mean_;
  double variance = variance_;
  const auto sign = [&](std::size_t g) { return reverted_[g] ? 1.0 : -1.0; };
  for (const std::size_t g : flipped) {
    mean += sign(g) * model_.means_[g];
    variance += 2 * sign(g) * covariances_[g];
    for (const std::size_t h : flipped) variance += sign(g) * sign(h) * model_.covariance(g, h);
  }
  const double deviation = std::sqrt(std::max(variance, 0.0) + model_.noise_variance(mean));
  if (!(deviation > 0)) return mean <= model_.max_drop_ ? 1 : 0;
  return 0.5 * std::erfc((mean - model_.max_drop_) / (deviation * std::sqrt(2.0)));
}

}  // namespace tightrope
