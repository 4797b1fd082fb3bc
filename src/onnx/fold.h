// SPDX-License-Identifier: Apache-2.0
// Operations that only rearrange or convert constants.
#pragma once

#include <optional>

#include "onnx/facts.h"

namespace tightrope::onnx {

// The result of Identity, Cast, Transpose, Reshape, Squeeze or Unsqueeze of a constant; nothing for everything else.
std::optional<Tensor> folded_constant(const Network& network, const proto::NodeProto& node);

// True for a Cast to the type that the value has.
bool changes_nothing(const proto::NodeProto& cast, const Facts& facts);

}  // namespace tightrope::onnx
