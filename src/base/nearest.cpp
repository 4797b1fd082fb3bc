// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tightrope {

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);  // distances of the first i letters of `from` to every start of `to`
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

namespace {

// The smallest distance to the name or to what follows one of its slashes: people leave out scopes.
std::size_t name_distance(std::string_view wanted, std::string_view name) {
  std::size_t best = edit_distance(wanted, name);
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1)) {
    best = std::min(best, edit_distance(wanted, name.substr(slash + 1)));
  }
  return best;
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> known, std::size_t count) {
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  ranked.reserve(known.size());
  for (const std::string& name : known) ranked.emplace_back(name_distance(wanted, name), name);
  count = std::min(count, ranked.size());
  std::ranges::partial_sort(ranked, ranked.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.emplace_back(ranked[i].second);
  return names;
}

}  // namespace tightrope
