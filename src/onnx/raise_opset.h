// SPDX-License-Identifier: Apache-2.0
// Older operator sets, carried over to the first with one scale per channel.
#pragma once

#include <string>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

// Rewrites every operator of a set below 13 to what it is in set 13, or leaves the model as it is and says what stood
// in the way: the node, its operator, and why. Empty where the set is 13 or above now.
std::string raise_opset(Network& network);

}  // namespace tightrope::onnx
