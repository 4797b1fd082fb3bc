// SPDX-License-Identifier: Apache-2.0
// A part of the validation data, divided among workers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "accuracy/evaluation.h"

namespace tightrope {

// Contiguous shards of about equal size, `count` of them or fewer: none has less than a few items.
std::vector<std::vector<std::int64_t>> shards_of(std::span<const std::int64_t> positions, std::size_t count);

// What Parts::evaluate gives for these items, with the mean of the values as the metric. Nothing where there are no
// workers, too few items, a shard that failed, or one whose metric is not the mean of its values.
std::optional<Evaluation> evaluate_in_shards(const Elsewhere& elsewhere, const Plan& plan, std::string_view name,
                                             std::span<const std::int64_t> positions);

}  // namespace tightrope
