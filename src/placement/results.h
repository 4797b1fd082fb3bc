// SPDX-License-Identifier: Apache-2.0
// Where the results of convolutions are quantized, which run in 8 bits only then.
#pragma once

#include <vector>

#include "placement/propagate.h"

namespace tightrope {

// The uses of what a convolution gives: behind an activation that becomes part of it, and behind operations that only
// move data, which let quantizers pass; with x * sigmoid(x) that of the gate, too. Empty where the result has to stay
// as it is: the model returns it, perhaps after operations of one operand, or the user or the model type wants a reader
// in floating point.
std::vector<Use> uses_to_quantize(const Setting& setting, NodeId convolution);

}  // namespace tightrope
