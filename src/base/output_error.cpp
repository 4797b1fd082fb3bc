// SPDX-License-Identifier: Apache-2.0
#include "base/output_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tightrope {
namespace {

constexpr double kIncomparable = std::numeric_limits<double>::infinity();

// |y - y0|^2 / |y0|^2. Elements that are equal, infinities and NaN included, are no error.
template <typename T>
double squared_error(std::span<const T> values, std::span<const T> reference) {
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double y = values[i];
    const double y0 = reference[i];
    if (std::isfinite(y0)) norm += y0 * y0;
    if (y == y0 || (std::isnan(y) && std::isnan(y0))) continue;
    error += (y - y0) * (y - y0);
  }
  if (error == 0) return 0;
  if (!std::isfinite(error)) return kIncomparable;
  return norm == 0 ? 1 : error / norm;
}

double float_error(const Tensor& output, const Tensor& reference) {
  if (output.shape() != reference.shape()) return kIncomparable;
  if (output.type() == ElementType::kF32 && reference.type() == ElementType::kF32) {
    return squared_error(output.as<float>(), reference.as<float>());
  }
  return squared_error<double>(output.to_doubles(), reference.to_doubles());
}

double share_of_unequal(const Tensor& output, const Tensor& reference) {
  if (output.shape() != reference.shape()) return kIncomparable;
  const std::vector<double> values = output.to_doubles();
  const std::vector<double> expected = reference.to_doubles();
  std::size_t unequal = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) unequal += values[i] != expected[i] ? 1 : 0;
  return expected.empty() ? 0 : static_cast<double>(unequal) / static_cast<double>(expected.size());
}

}  // namespace

double output_error(std::span<const Tensor> outputs, std::span<const Tensor> reference) {
  const bool any_float = std::ranges::any_of(reference, [](const Tensor& output) { return is_float(output.type()); });
  double sum = 0;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (any_float && !is_float(reference[i].type())) continue;
    sum += any_float ? float_error(outputs[i], reference[i]) : share_of_unequal(outputs[i], reference[i]);
    ++counted;
  }
  return counted == 0 ? 0 : std::min(1.0, sum / static_cast<double>(counted));
}

}  // namespace tightrope
