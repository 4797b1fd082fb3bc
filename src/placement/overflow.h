// SPDX-License-Identifier: Apache-2.0
// Weights that use half of their levels, so that the 16-bit sums of older processors don't overflow.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "placement/propagate.h"
#include "tightrope/log.h"

namespace tightrope {

// What the options ask for, or the default.
OverflowFix overflow_fix(const QuantizeOptions& options);

// Marks the weights that use half of their levels. One entry per site. Throws InvalidArgument for asymmetric weights
// among them.
std::vector<bool> half_range(const Setting& setting, const std::vector<Site>& sites);

struct OverflowNotice {
  LogLevel level = LogLevel::kInfo;
  std::string text;

  bool operator==(const OverflowNotice&) const = default;
};

// What the fix means where the model is quantized. The plan itself is the same on every processor, since the model may
// run on another one. `dot_products`: see devices/processor.h
std::optional<OverflowNotice> overflow_notice(const Plan& plan, const QuantizeOptions& options,
                                              std::string_view dot_products);

}  // namespace tightrope
