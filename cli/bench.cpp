// SPDX-License-Identifier: Apache-2.0
// The command 'bench': latency and throughput of several models.
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "data.h"
#include "files.h"
#include "formats.h"
#include "tightrope/error.h"
#include "timing.h"

namespace tightrope::cli {

void bench_files(const BenchCommand& command, std::ostream& out) {
  if (!(command.seconds > 0))
    throw InvalidArgument(fmt::format("option 'seconds' is {}; a number above 0 is needed", command.seconds));
  std::vector<std::unique_ptr<Model>> models;
  for (const auto& path : command.models) {
    check_input(path, "model");
    models.push_back(read_model(path, format_for(path, "")));
  }
  const std::vector<Sample> items = items_of(*models.front(), command.inputs, command.data, 64);
  const std::vector<Timing> timings = time_side_by_side(models, items, command.execution, command.seconds, true);
  if (command.json) {
    nlohmann::ordered_json json{{"models", nlohmann::ordered_json::array()}};
    for (std::size_t i = 0; i < timings.size(); ++i) {
      json["models"].push_back({{"model", command.models[i].string()},
                                {"latency_min_ms", timings[i].min},
                                {"latency_median_ms", timings[i].median},
                                {"throughput", timings[i].throughput}});
    }
    print(json, out);
    return;
  }
  std::size_t width = 5;
  for (const auto& path : command.models) width = std::max(width, path.string().size());
  out << fmt::format("{:<{}}  min ms  median ms  of the first  items/s\n", "model", width);
  for (std::size_t i = 0; i < timings.size(); ++i) {
    out << fmt::format("{:<{}}  {:>6.3f}  {:>9.3f}  {:>12.2f}  {:>7.1f}\n", command.models[i].string(), width,
                       timings[i].min, timings[i].median, timings[i].median / timings[0].median, timings[i].throughput);
  }
}

}  // namespace tightrope::cli
