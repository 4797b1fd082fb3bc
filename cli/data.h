// SPDX-License-Identifier: Apache-2.0
// What commands share that run models: metrics by name, items to run, output of JSON.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "tightrope/data.h"
#include "tightrope/metrics.h"
#include "tightrope/model.h"

namespace tightrope::cli {

// Whether the metric compares with the outputs of the original model.
bool needs_original(const std::string& metric);

// Before anything is read: throws InvalidArgument for unknown metrics, and where data are missing that one needs.
void check_metrics(const std::vector<std::string>& names, const std::filesystem::path& validation);

// Throws InvalidArgument where labels are missing that a metric needs.
std::vector<Metric> metrics_named(const std::vector<std::string>& names, const Model& original, const DataOptions& data,
                                  const std::filesystem::path& validation);

// The items at `path`, `most` of them; without a path one item of random numbers, from 0 to 1, or zeros of integers.
// Throws InvalidArgument where inputs leave extents open beside that of the batch.
std::vector<Sample> items_of(const Model& model, const std::filesystem::path& path, const DataOptions& options,
                             std::size_t most);

void print(const nlohmann::ordered_json& json, std::ostream& out);

}  // namespace tightrope::cli
