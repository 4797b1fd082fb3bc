// SPDX-License-Identifier: Apache-2.0
#include "placement/merge.h"

#include <tuple>

namespace tightrope {
namespace {

using List = std::span<const QuantizerConfig>;

bool contains(List list, const QuantizerConfig& config) { return std::ranges::find(list, config) != list.end(); }

bool suits(const QuantizerConfig& config, List branch, PropagationRule rule) {
  if (contains(branch, config)) return true;
  return rule == PropagationRule::kMergeWithPotentialRequantization &&
         std::ranges::all_of(branch, [&](const QuantizerConfig& own) { return requantizes(own, config); });
}

bool same_elements(List a, List b) {
  return a.size() == b.size() &&
         std::ranges::all_of(a, [&](const QuantizerConfig& config) { return contains(b, config); });
}

}  // namespace

std::vector<QuantizerConfig> merge_configs(std::span<const List> lists, PropagationRule rule) {
  if (rule == PropagationRule::kDoNotMergeBranches) return {};
  if (lists.size() == 1) return {lists[0].begin(), lists[0].end()};
  if (rule == PropagationRule::kMergeIfAllBranchesSame &&
      !std::ranges::all_of(lists, [&](List list) { return same_elements(list, lists[0]); }))
    return {};
  std::size_t longest = 0;
  for (const List list : lists) longest = std::max(longest, list.size());
  std::vector<std::pair<std::size_t, QuantizerConfig>> scored;
  for (const List list : lists) {
    for (const QuantizerConfig& config : list) {
      const bool seen = std::ranges::any_of(scored, [&](const auto& entry) { return entry.second == config; });
      if (seen || !std::ranges::all_of(lists, [&](List other) { return suits(config, other, rule); })) continue;
      std::size_t score = 0;
      for (const List other : lists) {
        const auto place = static_cast<std::size_t>(std::ranges::find(other, config) - other.begin());
        score += place < other.size() ? place : longest + 1;
      }
      scored.emplace_back(score, config);
    }
  }
  std::ranges::stable_sort(scored, {}, [](const auto& entry) {
    const QuantizerConfig& config = entry.second;
    return std::tuple(entry.first, -config.bits, config.per_channel, config.mode == Mode::kAsymmetric);
  });
  std::vector<QuantizerConfig> merged;
  for (const auto& [score, config] : scored) merged.push_back(config);
  return merged;
}

bool requantizes(const QuantizerConfig& after, const QuantizerConfig& before) {
  if (after.bits > before.bits || after.narrow_range != before.narrow_range) return false;
  if (after.mode == Mode::kAsymmetric && before.mode == Mode::kSymmetric) return false;
  if (!after.forced_sign && before.forced_sign) return false;
  return !(after.forced_sign == true && before.forced_sign == false);
}

}  // namespace tightrope
