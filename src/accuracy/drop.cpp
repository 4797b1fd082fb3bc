// SPDX-License-Identifier: Apache-2.0
#include "accuracy/drop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr int kDigits = 15;  // decimal digits that every double carries

// Rounds the difference of two numbers of this magnitude to the digits that both of them carry.
double without_rounding_error(double difference, double magnitude) {
  if (magnitude == 0) return difference;
  const double unit = std::pow(10.0, kDigits - 1 - std::floor(std::log10(magnitude)));
  const double rounded = std::round(difference * unit) / unit;
  return std::isfinite(rounded) ? rounded : difference;
}

}  // namespace

double drop_of(double original, double metric, DropType drop_type, bool higher_is_better) {
  const double loss = without_rounding_error(higher_is_better ? original - metric : metric - original,
                                             std::max(std::abs(original), std::abs(metric)));
  if (drop_type == DropType::kAbsolute) return loss;
  if (original == 0) {
    throw InvalidArgument(
        "[validation] original model: the metric is 0, and a drop relative to 0 has no meaning; use an absolute limit "
        "(drop_type absolute).");
  }
  const double share = loss / std::abs(original);
  return without_rounding_error(share, std::max(1.0, std::abs(share)));
}

void check_metric(double metric, std::string_view evaluation) {
  if (std::isfinite(metric)) return;
  throw InvalidArgument(fmt::format(
      "[validation] {}: the metric is {}; the validation function must return a finite number.", evaluation, metric));
}

}  // namespace tightrope
