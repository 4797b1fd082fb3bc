// SPDX-License-Identifier: Apache-2.0
#include "data.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "files.h"
#include "tightrope/error.h"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

// Labels come with the folders of pictures, and with lists; only arrays need a name for them.
bool names_labels(const fs::path& validation) {
  const fs::path ending = validation.extension();
  std::error_code ignored;
  return ending != ".npz" && ending != ".npy" && (ending == ".txt" || fs::is_directory(validation, ignored));
}

// The same numbers each time, whatever the standard library.
Tensor random_tensor(const ModelInput& input) {
  Shape shape = input.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; })) {
    throw InvalidArgument(fmt::format("the model's input '{}' has shape {}; items are needed, with --data", input.name,
                                      to_string(input.shape)));
  }
  std::mt19937 numbers(1);
  std::vector<float> values(element_count(shape), 0);
  for (float& value : values) value = is_float(input.type) ? static_cast<float>(numbers()) / 4294967296.0F : 0;
  return Tensor::copy_of(std::span<const float>(values), shape).cast(input.type);
}

}  // namespace

bool needs_original(const std::string& metric) { return metric == "cosine" || metric == "sqnr"; }

void check_metrics(const std::vector<std::string>& names, const fs::path& validation) {
  for (const std::string& name : names) {
    check_metric_name(name);
    if (validation.empty() && !name.starts_with("cmd:"))
      throw InvalidArgument(fmt::format("the metric '{}' needs data; name them with --validation", name));
  }
}

std::vector<Metric> metrics_named(const std::vector<std::string>& names, const Model& original, const DataOptions& data,
                                  const fs::path& validation) {
  std::vector<Metric> metrics;
  for (const std::string& name : names) {
    metrics.push_back(built_in_metric(name, original));
    const Metric& metric = metrics.back();
    if (metric.needs_labels && data.labels.empty() && !names_labels(validation)) {
      throw InvalidArgument(fmt::format(
          "the metric '{}' compares with labels; name their array in the validation data with --labels", metric.name));
    }
  }
  return metrics;
}

std::vector<Sample> items_of(const Model& model, const fs::path& path, const DataOptions& options, std::size_t most) {
  const std::vector<ModelInput> inputs = inputs_of(model.graph());
  std::vector<Sample> items;
  if (path.empty()) {
    items.emplace_back();
    for (const ModelInput& input : inputs) items.back().inputs.push_back({input.name, random_tensor(input)});
    return items;
  }
  check_data(path, "data");
  const auto data = read_data(path, inputs, options);
  const SampleReader next = data->read();
  while (items.size() < most) {
    auto sample = next();
    if (!sample) break;
    items.push_back(std::move(*sample));
  }
  if (items.empty()) throw InvalidArgument(fmt::format("'{}' holds no items; at least one is needed", path.string()));
  return items;
}

void print(const nlohmann::ordered_json& json, std::ostream& out) {
  out << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

}  // namespace tightrope::cli
