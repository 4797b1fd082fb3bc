// SPDX-License-Identifier: Apache-2.0
// Samples against the inputs of a compiled model.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/dataset.h"

namespace tightrope {

struct InputPort {
  std::vector<std::string> names;
  ElementType type = ElementType::kOther;
  std::function<bool(const Shape&)> accepts;
  std::string shape;        // what it accepts, for people
  std::string description;  // name, type and shape, for people
};

// The tensors of a sample in the order of the ports, converted to their element types; memory is shared where nothing
// is to convert. A tensor that fits but for a missing axis 0 gets one. Throws InvalidArgument for inputs that are too
// many, too few, unknown or there twice, for elements that would lose their fraction or are too large, and for shapes
// that don't fit. `what` names the sample in messages.
std::vector<Tensor> take_inputs(const Sample& sample, std::span<const InputPort> ports, std::string_view what);

}  // namespace tightrope
