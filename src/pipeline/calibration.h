// SPDX-License-Identifier: Apache-2.0
// What a plan wants observed, and what was.
#pragma once

#include <cstdint>
#include <vector>

#include "statistics/collect.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// A model under calibration: each request once, and what was observed for it.
class Calibration {
 public:
  Calibration(const Model& model, const QuantizeOptions& options) : model_(model), options_(options) {}

  // Reads the data once. Throws what collect() throws.
  void run(const Plan& plan, const Dataset& data, std::size_t kept_samples);

  // Null for weights that nothing was asked for.
  const Observed* of(const Quantizer& quantizer) const;

  // The extremes of each channel of data that is to be smoothed.
  const Observed& extremes_of(const Quantizer& quantizer) const;

  std::int64_t items() const { return statistics_.items; }
  std::vector<Sample> take_samples() { return std::move(statistics_.samples); }

 private:
  const Observed& answer(const StatisticRequest& request) const;

  const Model& model_;
  const QuantizeOptions& options_;
  std::vector<StatisticRequest> requests_;
  Statistics statistics_;
};

}  // namespace tightrope
