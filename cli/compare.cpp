// SPDX-License-Identifier: Apache-2.0
// The command 'compare': how two models differ in outputs, in what runs in 8 bits, and in speed.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "commands.h"
#include "data.h"
#include "files.h"
#include "formats.h"
#include "tightrope/error.h"
#include "tightrope/report.h"
#include "timing.h"

namespace tightrope::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostItems = 1000;

std::unique_ptr<Model> read(const std::filesystem::path& path) {
  check_input(path, "model");
  return read_model(path, format_for(path, ""));
}

// By the report that a model carries; none of one that Tightrope did not make.
std::vector<std::string> operations_in_8_bits(const Model& model) {
  const std::string note = model.note(std::string(kReportNote));
  return note.empty() ? std::vector<std::string>() : report_from_json(note).quantized;
}

std::vector<std::string> missing_from(const std::vector<std::string>& other, const std::vector<std::string>& names) {
  std::vector<std::string> result;
  std::ranges::set_difference(names, other, std::back_inserter(result));
  return result;
}

void print_names(const char* what, const std::vector<std::string>& names, std::ostream& out) {
  if (names.empty()) return;
  out << fmt::format("{} ({}):\n", what, names.size());
  for (const std::string& name : names) out << "  " << name << '\n';
}

}  // namespace

void compare_files(const CompareCommand& command, std::ostream& out) {
  std::vector<std::unique_ptr<Model>> models;
  models.push_back(read(command.first));
  models.push_back(read(command.second));
  const std::vector<Sample> items = items_of(*models[0], command.inputs, command.data, kMostItems);
  const ModelValidationFn agreement =
      model_validation_of({built_in_metric("cosine", *models[0]), built_in_metric("sqnr", *models[0])},
                          {command.execution.device, command.execution.precision, true});
  const std::map<std::string, double> agrees = agreement(*models[1], *dataset_of(items)).metrics;
  const std::vector<Timing> timings = time_side_by_side(models, items, command.execution, command.seconds, false);
  const std::vector<std::string> first = operations_in_8_bits(*models[0]), second = operations_in_8_bits(*models[1]);
  const std::vector<std::string> only_first = missing_from(second, first), only_second = missing_from(first, second);
  if (command.json) {
    const auto side = [&](const std::filesystem::path& path, const auto& names, const auto& only,
                          const Timing& timing) {
      return Json{{"model", path.string()},
                  {"int8", names.size()},
                  {"only_here", only},
                  {"latency_min_ms", timing.min},
                  {"latency_median_ms", timing.median}};
    };
    print({{"items", items.size()},
           {"cosine", agrees.at("cosine")},
           {"sqnr", agrees.at("sqnr")},
           {"first", side(command.first, first, only_first, timings[0])},
           {"second", side(command.second, second, only_second, timings[1])}},
          out);
    return;
  }
  out << fmt::format("outputs on {} items: cosine {:.6f}, SQNR {:.2f} dB\n", items.size(), agrees.at("cosine"),
                     agrees.at("sqnr"));
  out << fmt::format("median latency: {:.3f} ms and {:.3f} ms, {:.2f} of the first's\n", timings[0].median,
                     timings[1].median, timings[1].median / timings[0].median);
  out << fmt::format("operations in 8 bits: {} and {}\n", first.size(), second.size());
  print_names("in 8 bits in the first only", only_first, out);
  print_names("in 8 bits in the second only", only_second, out);
}

}  // namespace tightrope::cli
