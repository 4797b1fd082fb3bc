// SPDX-License-Identifier: Apache-2.0
#include "tightrope/tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <type_traits>

#include "base/half.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

struct TypeRow {
  std::string_view name;
  std::size_t size;
};
constexpr TypeRow kTypes[] = {{"boolean", 1}, {"i8", 1},  {"u8", 1},  {"i16", 2},  {"u16", 2},
                              {"i32", 4},     {"u32", 4}, {"i64", 8}, {"u64", 8},  {"f16", 2},
                              {"bf16", 2},    {"f32", 4}, {"f64", 8}, {"other", 0}};

// Calls `visit` with a value of the C++ type that stands for `type`.
template <typename Visit>
void visit_type(ElementType type, Visit&& visit) {
  switch (type) {
    case ElementType::kBoolean:
    case ElementType::kU8:
      return visit(std::uint8_t{});
    case ElementType::kI8:
      return visit(std::int8_t{});
    case ElementType::kI16:
      return visit(std::int16_t{});
    case ElementType::kU16:
      return visit(std::uint16_t{});
    case ElementType::kI32:
      return visit(std::int32_t{});
    case ElementType::kU32:
      return visit(std::uint32_t{});
    case ElementType::kI64:
      return visit(std::int64_t{});
    case ElementType::kU64:
      return visit(std::uint64_t{});
    case ElementType::kF16:
      return visit(Half{});
    case ElementType::kBF16:
      return visit(BFloat16{});
    case ElementType::kF32:
      return visit(float{});
    case ElementType::kF64:
      return visit(double{});
    case ElementType::kOther:
      break;
  }
  throw InvalidArgument("tensor: this element type has no numbers; a numeric or boolean type is needed");
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(to_float(value));
  } else if constexpr (std::is_same_v<To, Half>) {
    return to_half(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <typename To>
std::vector<To> converted(const Tensor& tensor) {
  std::vector<To> result(tensor.size());
  visit_type(tensor.type(), [&](auto from) {
    using From = decltype(from);
    const auto* values = static_cast<const From*>(tensor.data());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = convert<To>(values[i]);
  });
  return result;
}

template <typename T>
constexpr ElementType element_type_of() {
  if constexpr (std::is_same_v<T, float>) return ElementType::kF32;
  if constexpr (std::is_same_v<T, double>) return ElementType::kF64;
  if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::kI64;
  if constexpr (std::is_same_v<T, std::int32_t>) return ElementType::kI32;
  if constexpr (std::is_same_v<T, std::int8_t>) return ElementType::kI8;
  if constexpr (std::is_same_v<T, std::uint8_t>) return ElementType::kU8;
  return ElementType::kOther;
}

template <typename T>
Tensor tensor_of(ElementType type, std::vector<T> values, Shape shape) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  return Tensor(type, std::move(shape), std::shared_ptr<const void>(owner, owner->data()));
}

template <typename T>
Tensor copy_values(std::span<const T> values, Shape shape) {
  if (element_count(shape) != values.size()) {
    throw InvalidArgument(fmt::format("tensor: {} values came for shape {}, which holds {}", values.size(),
                                      to_string(shape), element_count(shape)));
  }
  return tensor_of(element_type_of<T>(), std::vector<T>(values.begin(), values.end()), std::move(shape));
}

}  // namespace

std::string_view name_of(ElementType type) { return kTypes[static_cast<std::size_t>(type)].name; }
std::size_t size_of(ElementType type) { return kTypes[static_cast<std::size_t>(type)].size; }

bool is_float(ElementType type) {
  return type == ElementType::kF16 || type == ElementType::kBF16 || type == ElementType::kF32 ||
         type == ElementType::kF64;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

std::size_t element_count(const Shape& shape) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw InvalidArgument(fmt::format("tensor: shape {} has an open extent", to_string(shape)));
    count *= static_cast<std::size_t>(extent);
  }
  return count;
}

Tensor::Tensor(ElementType type, Shape shape, std::shared_ptr<const void> data)
    : type_(type), shape_(std::move(shape)), count_(element_count(shape_)), data_(std::move(data)) {}

Tensor Tensor::copy_of(std::span<const float> values, Shape shape) { return copy_values(values, std::move(shape)); }
Tensor Tensor::copy_of(std::span<const std::int64_t> values, Shape shape) {
  return copy_values(values, std::move(shape));
}

Tensor Tensor::slice(std::int64_t first, std::int64_t count) const {
  if (shape_.empty() || first < 0 || count < 0 || count > shape_[0] - first) {
    throw InvalidArgument(
        fmt::format("tensor: {} entries from {} on asked of shape {}", count, first, to_string(shape_)));
  }
  Shape shape = shape_;
  shape[0] = count;
  const std::size_t row = shape_[0] == 0 ? 0 : bytes() / static_cast<std::size_t>(shape_[0]);
  const auto* start = static_cast<const std::byte*>(data_.get()) + row * static_cast<std::size_t>(first);
  return Tensor(type_, std::move(shape), std::shared_ptr<const void>(data_, start));
}

Tensor Tensor::reshape(Shape shape) const {
  if (element_count(shape) != count_) {
    throw InvalidArgument(
        fmt::format("tensor: {} elements of shape {} don't fit shape {}", count_, to_string(shape_), to_string(shape)));
  }
  return Tensor(type_, std::move(shape), data_);
}

template <typename T>
std::span<const T> Tensor::as() const {
  if (element_type_of<T>() != type_) {
    throw InvalidArgument(
        fmt::format("tensor: elements are {}, asked for as {}", name_of(type_), name_of(element_type_of<T>())));
  }
  return {static_cast<const T*>(data_.get()), count_};
}
template std::span<const float> Tensor::as<float>() const;
template std::span<const double> Tensor::as<double>() const;
template std::span<const std::int64_t> Tensor::as<std::int64_t>() const;
template std::span<const std::int32_t> Tensor::as<std::int32_t>() const;
template std::span<const std::int8_t> Tensor::as<std::int8_t>() const;
template std::span<const std::uint8_t> Tensor::as<std::uint8_t>() const;

std::vector<float> Tensor::to_floats() const { return converted<float>(*this); }
std::vector<double> Tensor::to_doubles() const { return converted<double>(*this); }

Tensor Tensor::cast(ElementType type) const {
  if (type == type_) return *this;
  Tensor result;
  visit_type(type, [&](auto to) { result = tensor_of(type, converted<decltype(to)>(*this), shape_); });
  return result;
}

}  // namespace tightrope
