// SPDX-License-Identifier: Apache-2.0
#include "arrays.h"

#include <cstring>
#include <memory>

#include "tightrope/error.h"

namespace tightrope::python {
namespace {

ElementType element_type_of(const py::array& array) {
  const py::dtype type = array.dtype();
  const auto size = type.itemsize();
  switch (type.kind()) {
    case 'b':
      return ElementType::kBoolean;
    case 'f':
      return size == 2   ? ElementType::kF16
             : size == 4 ? ElementType::kF32
             : size == 8 ? ElementType::kF64
                         : ElementType::kOther;
    case 'i':
      return size == 1   ? ElementType::kI8
             : size == 2 ? ElementType::kI16
             : size == 4 ? ElementType::kI32
                         : ElementType::kI64;
    case 'u':
      return size == 1   ? ElementType::kU8
             : size == 2 ? ElementType::kU16
             : size == 4 ? ElementType::kU32
                         : ElementType::kU64;
    default:
      return ElementType::kOther;
  }
}

const char* name_of_dtype(ElementType type) {
  switch (type) {
    case ElementType::kBoolean:
      return "bool";
    case ElementType::kI8:
      return "int8";
    case ElementType::kU8:
      return "uint8";
    case ElementType::kI16:
      return "int16";
    case ElementType::kU16:
      return "uint16";
    case ElementType::kI32:
      return "int32";
    case ElementType::kU32:
      return "uint32";
    case ElementType::kI64:
      return "int64";
    case ElementType::kU64:
      return "uint64";
    case ElementType::kF16:
      return "float16";
    case ElementType::kF32:
      return "float32";
    case ElementType::kF64:
      return "float64";
    default:
      throw Unsupported("[data] numpy has no type for elements of type " + std::string(name_of(type)));
  }
}

}  // namespace

Tensor tensor_of(const py::array& array) {
  const auto* first = static_cast<const std::byte*>(array.data());
  const auto bytes = std::make_shared<std::vector<std::byte>>(first, first + array.nbytes());
  return Tensor(element_type_of(array), Shape(array.shape(), array.shape() + array.ndim()),
                std::shared_ptr<const void>(bytes, bytes->data()));
}

py::array array_of(const Tensor& tensor) {
  py::array array(py::dtype(name_of_dtype(tensor.type())), tensor.shape());
  if (tensor.bytes() > 0) std::memcpy(array.mutable_data(), tensor.data(), tensor.bytes());
  return array;
}

Sample sample_of(const py::handle& inputs) {
  Sample sample;
  for (const py::handle& entry : inputs) {
    const auto [name, array] = entry.cast<std::pair<std::string, py::array>>();
    sample.inputs.push_back({name, tensor_of(array)});
  }
  return sample;
}

py::list inputs_of(const Sample& sample) {
  py::list inputs;
  for (const auto& [name, tensor] : sample.inputs) inputs.append(py::make_tuple(name, array_of(tensor)));
  return inputs;
}

}  // namespace tightrope::python
