// SPDX-License-Identifier: Apache-2.0
// The validations of one run, and their books in the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "accuracy/control.h"
#include "tightrope/options.h"
#include "tightrope/report.h"

namespace tightrope {

struct Trial {
  EvaluationRecord record;
  Evaluation found;
};

// The lower, the better as a result: measured on all items, within the limit with the fewest operations reverted, else
// with the lowest drop.
std::tuple<bool, bool, std::size_t, double> standing(const EvaluationRecord& record, double max_drop);

// Calls the user's function, or finds what it returned earlier, and keeps the books in the report.
class Validator {
 public:
  // All outlive it. The first evaluation is that of the original, unless it was made already.
  Validator(const Means& means, const AccuracyOptions& options, Report& report, Evaluation original = {});

  // `given`: what the function has returned for the plan, where it was called already. Throws InvalidArgument for
  // metrics that do not fit the limits or are not finite, and for data that are used up.
  Trial operator()(const Plan& plan, std::string name, std::vector<std::string> reverted = {},
                   const std::optional<Evaluation>& given = std::nullopt);

  // Of an evaluation on a part of the items, or in parts.
  Trial record(const Evaluation& found, std::string name, std::vector<std::string> reverted, bool early);

  const Evaluation& original() const { return original_; }

  // An evaluation on a part of the items may be followed by one on all of them.
  bool has_time_for(const Plan& plan, bool early) const;
  bool has_time(double seconds) const;

 private:
  Trial add(const Evaluation& found, std::string name, std::vector<std::string> reverted, bool early);
  void tell(const EvaluationRecord& record) const;
  std::optional<Evaluation> find(const Plan& plan) const;
  Evaluation measure(const Plan& plan, std::string_view name);
  void check_items(std::int64_t items, std::string_view name);

  const Means& means_;
  const AccuracyOptions& options_;
  Report& report_;
  Evaluation original_;
  double seconds_ = 0;  // the longest evaluation so far
  bool warned_ = false;
};

}  // namespace tightrope
