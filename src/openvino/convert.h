// SPDX-License-Identifier: Apache-2.0
// Element types and shapes, from and to OpenVINO's.
#pragma once

#include <openvino/openvino.hpp>

#include "tightrope/tensor.h"

namespace tightrope::openvino {

inline ElementType to_element_type(const ov::element::Type& type) {
  switch (static_cast<ov::element::Type_t>(type)) {
    case ov::element::Type_t::boolean:
      return ElementType::kBoolean;
    case ov::element::Type_t::i8:
      return ElementType::kI8;
    case ov::element::Type_t::u8:
      return ElementType::kU8;
    case ov::element::Type_t::i16:
      return ElementType::kI16;
    case ov::element::Type_t::u16:
      return ElementType::kU16;
    case ov::element::Type_t::i32:
      return ElementType::kI32;
    case ov::element::Type_t::u32:
      return ElementType::kU32;
    case ov::element::Type_t::i64:
      return ElementType::kI64;
    case ov::element::Type_t::u64:
      return ElementType::kU64;
    case ov::element::Type_t::f16:
      return ElementType::kF16;
    case ov::element::Type_t::bf16:
      return ElementType::kBF16;
    case ov::element::Type_t::f32:
      return ElementType::kF32;
    case ov::element::Type_t::f64:
      return ElementType::kF64;
    default:
      return ElementType::kOther;
  }
}

inline ov::element::Type to_openvino_type(ElementType type) {
  switch (type) {
    case ElementType::kBoolean:
      return ov::element::boolean;
    case ElementType::kI8:
      return ov::element::i8;
    case ElementType::kU8:
      return ov::element::u8;
    case ElementType::kI16:
      return ov::element::i16;
    case ElementType::kU16:
      return ov::element::u16;
    case ElementType::kI32:
      return ov::element::i32;
    case ElementType::kU32:
      return ov::element::u32;
    case ElementType::kI64:
      return ov::element::i64;
    case ElementType::kU64:
      return ov::element::u64;
    case ElementType::kF16:
      return ov::element::f16;
    case ElementType::kBF16:
      return ov::element::bf16;
    case ElementType::kF32:
      return ov::element::f32;
    case ElementType::kF64:
      return ov::element::f64;
    case ElementType::kOther:
      break;
  }
  return ov::element::dynamic;
}

inline Shape to_shape(const ov::Shape& shape) { return Shape(shape.begin(), shape.end()); }

// Open extents become -1. The rank must be known.
inline Shape to_shape(const ov::PartialShape& shape) {
  Shape result;
  for (const auto& extent : shape) result.push_back(extent.is_dynamic() ? -1 : extent.get_length());
  return result;
}

}  // namespace tightrope::openvino
