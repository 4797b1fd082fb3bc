// SPDX-License-Identifier: Apache-2.0
// Which rule decided, in words.
#pragma once

#include <vector>

#include "placement/propagate.h"
#include "tightrope/quantize.h"

namespace tightrope {

// One entry per node.
std::vector<Decision> explain(const Setting& setting, const std::vector<Site>& sites);

}  // namespace tightrope
