// SPDX-License-Identifier: Apache-2.0
// Which quantizers a device has 8-bit kernels for, best first.
#pragma once

#include <vector>

#include "tightrope/graph.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// True for operations that devices run faster with 8-bit operands, by themselves.
bool computes_in_int8(OpKind kind);

// For the activations that go into an operation of this kind.
std::vector<QuantizerConfig> activation_configs(OpKind kind, Preset preset);

// For its weight.
QuantizerConfig weight_config();

}  // namespace tightrope
