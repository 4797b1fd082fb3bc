// SPDX-License-Identifier: Apache-2.0
#include "suggestions.h"

#include <fmt/format.h>

#include "base/nearest.h"

namespace tightrope::cli {

std::string suggestion(const std::string& wanted, std::span<const std::string> known) {
  const std::vector<std::string> nearest = nearest_names(wanted, known, 1);
  if (nearest.empty() || edit_distance(wanted, nearest[0]) * 2 > nearest[0].size()) return {};
  return fmt::format("; did you mean '{}'?", nearest[0]);
}

}  // namespace tightrope::cli
