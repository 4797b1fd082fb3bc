// SPDX-License-Identifier: Apache-2.0
// The user's function is tried out on a few items before anything long begins.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "accuracy/control.h"

namespace tightrope {

// What a trial finds is said in the log, never in an error: some metrics exist of all data alone, and what a few items
// show is no proof. Small data are not worth a trial: three of it would cost more than they tell.
// How: docs/algorithms.md#health-check
class HealthCheck {
 public:
  // Both outlive it. Nothing is tried where the original is known from an earlier run.
  HealthCheck(const Means& means, const AccuracyOptions& options);

  // Runs the function on the original twice. Whether it gives the same, in the unit of the limit, if not, how much that
  // is. Where the function turns out to read data of its own instead of the items it is given, what it returned is an
  // evaluation of the original.
  // Throws InvalidArgument for data that are used up by one reading, and for metrics that don't fit the limits.
  std::optional<Evaluation> try_original();

  // Runs the function on a damaged model, after try_original(). That must be worse.
  std::optional<Evaluation> try_damaged();

  // The first trial, of this run or the earlier one; nothing where it gave no metric.
  const std::optional<Evaluation>& original() const { return original_; }

  // Seconds that the first trial took longer than the second, which had its model compiled.
  double preparation() const { return preparation_; }

 private:
  std::optional<Evaluation> try_on(const Plan& plan, std::string_view name);

  const Means& means_;
  const AccuracyOptions& options_;
  std::vector<std::int64_t> positions_;  // of the items that are tried; empty: nothing is, or nothing more
  std::optional<Evaluation> original_;
  double preparation_ = 0;
};

// Where nothing was tried: a quantized model that is far better than the original is suspicious.
void warn_of_gain(const Evaluation& original, const Evaluation& quantized, const AccuracyOptions& options);

// The items that a trial takes: spread over the data, or over its beginning where items are read one after the other.
// Empty for small data.
std::vector<std::int64_t> trial_items(const Parts& parts);

}  // namespace tightrope
