// SPDX-License-Identifier: Apache-2.0
// What quantizers agree on where they meet.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// One list of possible configurations per branch, best first; what they agree on, or nothing where the rule forbids it.
// What stands first in most lists comes first; then more bits, one scale per tensor, and symmetric ones.
std::vector<QuantizerConfig> merge_configs(std::span<const std::span<const QuantizerConfig>> lists,
                                           PropagationRule rule);

// True where a tensor quantized as `before` can be quantized again as `after` without a further kind of error.
bool requantizes(const QuantizerConfig& after, const QuantizerConfig& before);

}  // namespace tightrope
