// SPDX-License-Identifier: Apache-2.0
// What becomes of the results of convolutions, where they run in 8 bits only if these are quantized.
#pragma once

#include <vector>

#include "placement/propagate.h"

namespace tightrope {

// Who reads what a convolution gives: behind an activation that becomes part of it, and behind operations that only move
// data, which let quantizers pass.
std::vector<Use> readers_of_result(const Setting& setting, NodeId convolution);

// False for what would gain nothing from quantized operands: kinds that have no 8-bit kernel there, and convolutions whose
// result has to stay as it is, because the model returns it, perhaps after operations of one operand, or because the
// user or the model type wants the reader in floating point. True for products, whose result may be floating point.
bool gives_8_bits(const Setting& setting, NodeId id);

}  // namespace tightrope
