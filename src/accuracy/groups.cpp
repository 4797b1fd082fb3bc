// SPDX-License-Identifier: Apache-2.0
#include "accuracy/groups.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/components.h"

namespace tightrope {
namespace {

// Joins `quantizer` with the first one that was seen under the same key.
template <typename Key>
void join_by(const Key& key, std::size_t quantizer, std::map<Key, std::size_t>& first_seen, Components& components) {
  components.join(first_seen.emplace(key, quantizer).first->second, quantizer);
}

}  // namespace

std::vector<Group> form_groups(const Plan& plan) {
  const std::size_t count = plan.quantizers.size();
  Components components(count);
  std::map<std::string, std::size_t> by_operation;
  for (std::size_t i = 0; i < count; ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    for (const std::string& operation : quantizer.operations) join_by(operation, i, by_operation, components);
  }

  std::map<std::size_t, Group> by_root;
  for (std::size_t i = 0; i < count; ++i) by_root[components.root(i)].quantizers.push_back(i);
  for (const auto& [operation, quantizer] : by_operation) {  // in the order of names
    by_root[components.root(quantizer)].operations.push_back(operation);
  }
  std::vector<Group> groups;
  for (auto& [root, group] : by_root) groups.push_back(std::move(group));
  return groups;
}

void drop_idle_rescalings(Plan& plan) {
  std::set<std::string_view> quantized;
  for (const Quantizer& quantizer : plan.quantizers)
    quantized.insert(quantizer.operations.begin(), quantizer.operations.end());
  std::erase_if(plan.rescalings, [&](const Rescaling& rescaling) {
    return std::ranges::none_of(rescaling.constants,
                                [&](const AdjustedConstant& constant) { return quantized.contains(constant.node); });
  });
}

Plan without(const Plan& plan, std::span<const Group> groups, const std::vector<bool>& reverted, RestoreMode mode) {
  const bool weights_stay = mode == RestoreMode::kActivationsOnly;
  std::vector<bool> leaves(plan.quantizers.size(), false);
  std::set<std::string_view> floating;
  std::set<std::string_view> data_left;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!reverted[g]) continue;
    for (const std::size_t i : groups[g].quantizers) {
      // A smoothed weight belongs to data that are divided where they are quantized.
      const Quantizer& quantizer = plan.quantizers[i];
      leaves[i] = !(weights_stay && quantizer.kind == SiteKind::kWeight && quantizer.smoothing.empty());
      if (leaves[i] && quantizer.kind == SiteKind::kWeight) floating.insert(quantizer.node);
    }
    (weights_stay ? data_left : floating).insert(groups[g].operations.begin(), groups[g].operations.end());
  }

  Plan rest;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    if (!leaves[i]) rest.quantizers.push_back(plan.quantizers[i]);
  }
  for (const BiasShift& shift : plan.bias_shifts) {
    if (floating.contains(shift.node)) continue;
    const auto left = data_left.contains(shift.node) ? of_weight_alone(shift) : std::optional(shift);
    if (left) rest.bias_shifts.push_back(*left);
  }
  rest.followers = plan.followers;
  rest.compress_weights = plan.compress_weights;
  rest.rescalings = plan.rescalings;
  drop_idle_rescalings(rest);
  return rest;
}

std::optional<BiasShift> of_weight_alone(const BiasShift& shift) {
  if (!shift.of_weight) return shift;
  if (shift.of_weight->empty()) return std::nullopt;
  return BiasShift{shift.node, *shift.of_weight};
}

Plan without_orphans(Plan plan) {
  const std::vector<std::string> quantized = quantized_operations(plan);
  std::set<std::string_view> orphans;
  for (const Follower& follower : plan.followers) {
    if (!std::ranges::binary_search(quantized, follower.convolution)) orphans.insert(follower.operation);
  }
  std::erase_if(plan.quantizers, [&](Quantizer& quantizer) {
    return std::erase_if(quantizer.operations, [&](const std::string& name) { return orphans.contains(name); }) > 0 &&
           quantizer.operations.empty();
  });
  std::erase_if(plan.followers, [&](const Follower& follower) { return orphans.contains(follower.operation); });
  drop_idle_rescalings(plan);
  return plan;
}

double price(const Group& group) { return std::max(static_cast<double>(group.operations.size()), 0.25); }

}  // namespace tightrope
