// SPDX-License-Identifier: Apache-2.0
#include "accuracy/shards.h"

#include <algorithm>
#include <numeric>

#include "accuracy/early.h"

namespace tightrope {

std::vector<std::vector<std::int64_t>> shards_of(std::span<const std::int64_t> positions, std::size_t count) {
  constexpr std::size_t kFewest = 8;  // items: a shard has to be worth compiling the model for
  const std::size_t shards = std::max<std::size_t>(std::min(count, positions.size() / kFewest), 1);
  std::vector<std::vector<std::int64_t>> result;
  for (std::size_t i = 0; i < shards; ++i) {
    const auto begin = positions.begin() + static_cast<std::ptrdiff_t>(i * positions.size() / shards);
    const auto end = positions.begin() + static_cast<std::ptrdiff_t>((i + 1) * positions.size() / shards);
    result.emplace_back(begin, end);
  }
  return result;
}

std::optional<Evaluation> evaluate_in_shards(const Elsewhere& elsewhere, const Plan& plan, std::string_view name,
                                             std::span<const std::int64_t> positions) {
  if (!elsewhere.workers || !elsewhere.evaluate_parts) return std::nullopt;
  const auto shards = shards_of(positions, elsewhere.workers());
  if (shards.size() < 2) return std::nullopt;
  const auto found = elsewhere.evaluate_parts(plan, name, shards);
  Evaluation whole;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (i >= found.size() || !found[i] || found[i]->values.size() != shards[i].size()) return std::nullopt;
    if (!is_mean_of_values(*found[i])) return std::nullopt;
    whole.values.insert(whole.values.end(), found[i]->values.begin(), found[i]->values.end());
    whole.items += found[i]->items;
  }
  whole.metric =
      std::accumulate(whole.values.begin(), whole.values.end(), 0.0) / static_cast<double>(whole.values.size());
  return whole;
}

}  // namespace tightrope
