// SPDX-License-Identifier: Apache-2.0
// An immutable, dense, row-major array; copies share the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

enum class ElementType : std::uint8_t {
  kBoolean,
  kI8,
  kU8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64,
  kF16,
  kBF16,
  kF32,
  kF64,
  kOther
};

std::string_view name_of(ElementType type);  // "f32", "i64", ...
std::size_t size_of(ElementType type);       // bytes; 0 for kOther
bool is_float(ElementType type);

// Extents in elements; -1 where a graph leaves one open. The shape of a Tensor has no open extents.
using Shape = std::vector<std::int64_t>;

std::string to_string(const Shape& shape);  // "[1,3,?,?]"
std::size_t element_count(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;  // empty: no type, no elements

  // `data` must hold element_count(shape) * size_of(type) bytes and stay unchanged.
  Tensor(ElementType type, Shape shape, std::shared_ptr<const void> data);

  static Tensor copy_of(std::span<const float> values, Shape shape);
  static Tensor copy_of(std::span<const std::int64_t> values, Shape shape);

  // A view of `count` entries along axis 0 from `first` on; shares the bytes.
  Tensor slice(std::int64_t first, std::int64_t count) const;

  // The same elements in another shape; shares the bytes. Throws InvalidArgument where it holds more or fewer.
  Tensor reshape(Shape shape) const;

  ElementType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::size_t size() const { return count_; }  // elements
  std::size_t bytes() const { return count_ * size_of(type_); }
  const void* data() const { return data_.get(); }
  bool empty() const { return data_ == nullptr; }

  // Throws InvalidArgument where T is not the element type.
  template <typename T>
  std::span<const T> as() const;

  // The elements as T, converted as static_cast does (f16 and bf16 included).
  std::vector<float> to_floats() const;
  std::vector<double> to_doubles() const;

  // The same values in another element type. Throws InvalidArgument for kOther.
  Tensor cast(ElementType type) const;

 private:
  ElementType type_ = ElementType::kOther;
  Shape shape_;
  std::size_t count_ = 0;
  std::shared_ptr<const void> data_;
};

}  // namespace tightrope
