// SPDX-License-Identifier: Apache-2.0
#include "base/input_port.h"

#include <fmt/format.h>

#include <algorithm>

#include "tightrope/error.h"

namespace tightrope {
namespace {

// Text, and numbers that would lose their fraction, are refused; everything else is converted, as OpenVINO's own Python
// interface does.
bool converts(ElementType from, ElementType to) {
  if (from == ElementType::kOther || to == ElementType::kOther) return from == to;
  return !is_float(from) || is_float(to);
}

std::string describe(std::span<const InputPort> ports) {
  std::string text;
  for (const InputPort& port : ports) text += (text.empty() ? "" : ", ") + port.description;
  return text;
}

// Integers come in types that are wider than need be.
Tensor converted(const Tensor& tensor, const InputPort& port, std::string_view what, std::string_view label) {
  Tensor result = tensor.cast(port.type);
  if (tensor.type() == port.type || is_float(port.type) || port.type == ElementType::kBoolean) return result;
  if (result.to_doubles() != tensor.to_doubles()) {
    throw InvalidArgument(fmt::format("[data] {}, input '{}': elements are {}, and some are beyond {}, which is needed",
                                      what, label, name_of(tensor.type()), name_of(port.type)));
  }
  return result;
}

// A single sample without the axis of the batch gets one.
Tensor with_batch_axis(const Tensor& tensor, const InputPort& port) {
  Shape shape = tensor.shape();
  shape.insert(shape.begin(), 1);
  return !port.accepts(tensor.shape()) && port.accepts(shape) ? tensor.reshape(std::move(shape)) : tensor;
}

Tensor fitting(const Tensor& tensor, const InputPort& port, std::string_view what, std::string_view label) {
  if (!converts(tensor.type(), port.type)) {
    throw InvalidArgument(fmt::format("[data] {}, input '{}': elements are {}; {} is needed", what, label,
                                      name_of(tensor.type()), name_of(port.type)));
  }
  const Tensor whole = with_batch_axis(tensor, port);
  if (!port.accepts(whole.shape())) {
    throw InvalidArgument(fmt::format("[data] {}, input '{}': shape {} came; {} is needed", what, label,
                                      to_string(tensor.shape()), port.shape));
  }
  return converted(whole, port, what, label);
}

}  // namespace

std::vector<Tensor> take_inputs(const Sample& sample, std::span<const InputPort> ports, std::string_view what) {
  if (sample.inputs.size() != ports.size()) {
    throw InvalidArgument(fmt::format("[data] {} has {} inputs; the model needs {}: {}", what, sample.inputs.size(),
                                      ports.size(), describe(ports)));
  }
  std::vector<Tensor> tensors(ports.size());
  std::vector<bool> given(ports.size(), false);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto& [name, tensor] = sample.inputs[i];
    const auto has_name = [&](const InputPort& port) {
      return std::find(port.names.begin(), port.names.end(), name) != port.names.end();
    };
    const auto position =
        name.empty() ? i : static_cast<std::size_t>(std::find_if(ports.begin(), ports.end(), has_name) - ports.begin());
    if (position == ports.size()) {
      throw InvalidArgument(
          fmt::format("[data] {}: the model has no input '{}'; it needs {}", what, name, describe(ports)));
    }
    if (given[position]) {
      throw InvalidArgument(
          fmt::format("[data] {}: input '{}' came twice; the model needs {}", what, name, describe(ports)));
    }
    given[position] = true;
    tensors[position] = fitting(tensor, ports[position], what, name.empty() ? std::to_string(position) : name);
  }
  return tensors;
}

}  // namespace tightrope
