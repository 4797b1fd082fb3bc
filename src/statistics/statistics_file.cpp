// SPDX-License-Identifier: Apache-2.0
#include "statistics/statistics_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/fingerprint.h"
#include "base/json.h"
#include "base/model_fingerprint.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;

constexpr int kVersion = 1;

struct Stored {
  std::string model;  // fingerprints
  std::string data;
  std::int64_t subset_size = 0;
  std::map<std::string, Observed> observed;  // by the text of their request
};

// Names -------------------------------------------------------------------------------------------------------------

std::string text_of(const EndStatistic& end) {
  constexpr const char* kStatistics[] = {"min", "max", "abs_max", "quantile", "abs_quantile", "mean", "raw"};
  constexpr const char* kAggregators[] = {"min",      "max", "mean", "median", "mean_no_outliers", "median_no_outliers",
                                          "histogram"};
  std::string text = fmt::format("{}/{}", kStatistics[static_cast<int>(end.statistic)],
                                 kAggregators[static_cast<int>(end.aggregator)]);
  if (end.outlier_probability > 0) text += fmt::format("/{}", end.outlier_probability);
  if (std::isfinite(end.clip)) text += fmt::format("/clip {}", end.clip);
  return text;
}

// Everything that the numbers depend on. Values go by their number: frameworks make up names anew for each object.
std::string text_of(const StatisticRequest& request, const Graph& graph) {
  return fmt::format("{} {} [{}] {}{}", request.value, graph.node(graph.value(request.value).producer).type,
                     fmt::join(request.channel_axes, ","),
                     request.mean ? "mean" : text_of(request.low) + " " + text_of(request.high),
                     request.per_sample ? " per sample" : "");
}

// Fingerprints ------------------------------------------------------------------------------------------------------

// Takes the fingerprint of the items while they are read for the first time.
class WatchedDataset : public Dataset {
 public:
  explicit WatchedDataset(const Dataset& data) : data_(data) {}
  std::optional<std::size_t> size() const override { return data_.size(); }
  SampleReader read() const override {
    return [this, is_first = std::exchange(is_first_, false), reader = data_.read()] {
      auto sample = reader();
      if (sample && is_first) add_to(fingerprint_, *sample);
      return sample;
    };
  }
  std::string fingerprint() const { return fingerprint_.text(); }

 private:
  const Dataset& data_;
  mutable bool is_first_ = true;
  mutable Fingerprint fingerprint_;
};

// The file ----------------------------------------------------------------------------------------------------------

// JSON has no infinities.
Json to_json(const std::vector<float>& values) {
  Json json = Json::array();
  for (const float value : values) {
    if (std::isfinite(value))
      json.push_back(to_json_number(value));
    else
      json.push_back(std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  }
  return json;
}

std::vector<float> floats_from(const Json& json) {
  std::vector<float> values;
  for (const Json& value : json)
    values.push_back(value.is_string() ? std::stof(value.get<std::string>()) : value.get<float>());
  return values;
}

std::string to_text(const Stored& stored) {
  Json json = start_document("statistics", kVersion);
  json["model"] = stored.model;
  json["data"] = stored.data;
  json["subset_size"] = stored.subset_size;
  Json& list = json["statistics"] = Json::object();
  for (const auto& [request, observed] : stored.observed) {
    list[request] = {{"low", to_json(observed.low)},
                     {"high", to_json(observed.high)},
                     {"magnitude", to_json(observed.magnitude)},
                     {"mean", to_json(observed.mean)}};
  }
  return readable_text(json);
}

Stored from_text(const std::string& text) {
  const Json json = parse_document(text, "statistics", kVersion);
  Stored stored{json.at("model"), json.at("data"), json.at("subset_size"), {}};
  for (const auto& [request, observed] : json.at("statistics").items()) {
    stored.observed[request] = {floats_from(observed.at("low")), floats_from(observed.at("high")),
                                floats_from(observed.at("magnitude")), floats_from(observed.at("mean"))};
  }
  return stored;
}

Stored read_stored(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad())
    throw IoError(fmt::format("cannot read the statistics '{}'", path.string()), false);
  try {
    return from_text(text);
  } catch (const std::exception& error) {
    throw IoError(fmt::format("cannot read the statistics '{}': {}; remove the file to collect them anew",
                              path.string(), error.what()),
                  false);
  }
}

void write_stored(const Stored& stored, const fs::path& path) {
  const fs::path partial = path.string() + ".partial";
  const auto fail = [&](const std::string& reason) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw IoError(fmt::format("cannot write the statistics '{}': {}", path.string(), reason), true);
  };
  const std::string text = to_text(stored);
  errno = 0;
  std::ofstream file(partial, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) fail(std::strerror(errno));
  std::error_code error;
  fs::rename(partial, path, error);
  if (error) fail(error.message());
}

// Found out only after the work otherwise.
void check_path(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (fs::is_directory(path)) throw IoError(fmt::format("the statistics '{}' are a folder", path.string()), true);
  if (!fs::is_directory(folder))
    throw IoError(fmt::format("cannot write the statistics '{}': there is no such folder", path.string()), true);
}

void require_same(const fs::path& path, bool same, std::string_view what) {
  if (same) return;
  throw InvalidArgument(fmt::format(
      "[calibration] the statistics '{}' were collected {}; remove the file or name another one", path.string(), what));
}

}  // namespace

Statistics collect_or_reuse(const fs::path& path, const Model& model, const Dataset& data,
                            std::span<const StatisticRequest> requests, std::int64_t subset_size,
                            std::size_t kept_samples, int parallel) {
  check_path(path);
  const bool exists = fs::exists(path);
  const std::string fingerprint = fingerprint_of(model);
  Stored stored{fingerprint, {}, subset_size, {}};
  if (exists) stored = read_stored(path);
  require_same(path, stored.model == fingerprint, "for another model");
  require_same(path, stored.subset_size == subset_size, fmt::format("with subset_size={}", stored.subset_size));

  std::vector<StatisticRequest> missing;
  for (const StatisticRequest& request : requests) {
    if (!stored.observed.contains(text_of(request, model.graph()))) missing.push_back(request);
  }
  const WatchedDataset watched(data);
  Statistics statistics = collect(model, watched, missing, subset_size, kept_samples, parallel);
  if (exists) require_same(path, stored.data == watched.fingerprint(), "on other data");
  stored.data = watched.fingerprint();
  for (std::size_t i = 0; i < missing.size(); ++i)
    stored.observed[text_of(missing[i], model.graph())] = std::move(statistics.observed[i]);
  if (!missing.empty()) write_stored(stored, path);
  if (exists) {
    log(LogLevel::kInfo, fmt::format("{} of {} statistics were taken from '{}'.", requests.size() - missing.size(),
                                     requests.size(), path.string()));
  }
  statistics.observed.clear();
  for (const StatisticRequest& request : requests)
    statistics.observed.push_back(stored.observed.at(text_of(request, model.graph())));
  return statistics;
}

}  // namespace tightrope
