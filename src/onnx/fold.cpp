// SPDX-License-Identifier: Apache-2.0
#include "onnx/fold.h"

#include <cstring>

#include "onnx/messages.h"
#include "onnx/tensors.h"

namespace tightrope::onnx {
namespace {

// Shares the bytes.
std::optional<Tensor> in_shape(const Tensor& tensor, const std::optional<Shape>& shape) {
  const bool fits = shape && product(*shape) == static_cast<std::int64_t>(tensor.size());
  return fits ? std::optional(tensor.reshape(*shape)) : std::nullopt;
}

std::optional<Tensor> transposed(const Tensor& tensor, const proto::NodeProto& node) {
  const std::size_t rank = tensor.shape().size();
  const auto order = permutation(node, rank);
  if (!order) return std::nullopt;
  const std::size_t width = size_of(tensor.type());
  std::vector<std::size_t> strides(rank, width);  // of the source, in bytes
  for (std::size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * static_cast<std::size_t>(tensor.shape()[i]);
  Shape shape;
  std::vector<std::size_t> steps;
  for (const int axis : *order) {
    shape.push_back(tensor.shape()[static_cast<std::size_t>(axis)]);
    steps.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  const auto bytes = std::make_shared<std::string>(tensor.bytes(), '\0');
  const char* source = static_cast<const char*>(tensor.data());
  std::vector<std::int64_t> at(rank, 0);
  std::size_t offset = 0;
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    std::memcpy(bytes->data() + i * width, source + offset, width);
    for (std::size_t axis = rank; axis-- > 0;) {
      offset += steps[axis];
      if (++at[axis] < shape[axis]) break;
      offset -= steps[axis] * static_cast<std::size_t>(shape[axis]);
      at[axis] = 0;
    }
  }
  return Tensor(tensor.type(), std::move(shape), {bytes, bytes->data()});
}

std::optional<Tensor> converted(const Tensor& tensor, const proto::NodeProto& node) {
  const auto wanted = int_attribute(node, "to", 0);
  const ElementType type = wanted > 0 && wanted <= proto::TensorProto::BFLOAT16
                               ? to_element_type(static_cast<int>(wanted))
                               : ElementType::kOther;
  // What becomes of numbers out of range is the runtime's business.
  const bool is_safe = is_float(type) || (!is_float(tensor.type()) && type == ElementType::kI64);
  if (type == tensor.type()) return tensor;
  return type != ElementType::kOther && is_safe ? std::optional(tensor.cast(type)) : std::nullopt;
}

}  // namespace

std::optional<Tensor> folded_constant(const Network& network, const proto::NodeProto& node) {
  const auto found = network.constants.find(input_of(node, 0));
  if (found == network.constants.end()) return std::nullopt;
  const Tensor& tensor = found->second;
  const std::string& type = node.op_type();
  if (type == "Identity") return tensor;
  if (type == "Cast") return converted(tensor, node);
  if (type == "Transpose") return transposed(tensor, node);
  if (type == "Reshape") {
    const auto wanted = constant_ints(network, input_of(node, 1));
    const bool allows_zero = int_attribute(node, "allowzero", 0) != 0;
    return wanted ? in_shape(tensor, reshaped(tensor.shape(), *wanted, allows_zero)) : std::nullopt;
  }
  if (type != "Squeeze" && type != "Unsqueeze") return std::nullopt;
  bool given = false;
  const auto axes = axes_of(network, node, 1, given);
  if (!axes || (given && axes->empty())) return std::nullopt;
  return in_shape(tensor, type == "Squeeze" ? squeezed(tensor.shape(), *axes) : unsqueezed(tensor.shape(), *axes));
}

bool changes_nothing(const proto::NodeProto& cast, const Facts& facts) {
  const auto found = facts.find(input_of(cast, 0));
  if (found == facts.end() || found->second.type == ElementType::kOther) return false;
  return int_attribute(cast, "to", 0) == to_data_type(found->second.type);
}

}  // namespace tightrope::onnx
