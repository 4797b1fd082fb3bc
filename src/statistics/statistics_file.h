// SPDX-License-Identifier: Apache-2.0
// Statistics on disk: reused where model and data are the same, and extended by what was not asked for before.
#pragma once

#include <filesystem>

#include "statistics/collect.h"

namespace tightrope {

// As collect(), but takes from the file what it holds, and writes what had to be collected to it: the whole file or
// nothing. The data are read once in any case, since every byte of the items is compared; the model runs only for what
// is missing.
// Throws what collect() throws; InvalidArgument for a file of another model, other data or another number of items;
// IoError for one that is damaged or cannot be written.
Statistics collect_or_reuse(const std::filesystem::path& path, const Model& model, const Dataset& data,
                            std::span<const StatisticRequest> requests, std::int64_t subset_size,
                            std::size_t kept_samples, int parallel = 0);

}  // namespace tightrope
