// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "files.h"
#include "formats.h"
#include "terminal.h"
#include "tightrope/dataset.h"
#include "tightrope/error.h"
#include "tightrope/metrics.h"
#include "tightrope/plan.h"
#include "tightrope/quantize.h"
#include "tightrope/report.h"
#include "tightrope/report_page.h"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string size_text(std::uintmax_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  if (bytes < 1000 * 1000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

// Where the result is, and how it compares with the original.
struct SavedFiles {
  std::vector<fs::path> files;
  std::uintmax_t bytes = 0;
  std::uintmax_t original_bytes = 0;
};

SavedFiles saved_files(std::vector<fs::path> files, std::span<const fs::path> original) {
  SavedFiles saved{.files = std::move(files)};
  saved.bytes = total_size(saved.files);
  saved.original_bytes = total_size(original);
  return saved;
}

std::string to_text(const SavedFiles& saved) {
  std::vector<std::string> names;
  for (const fs::path& file : saved.files) names.push_back(file.string());
  const double share =
      100.0 * static_cast<double>(saved.bytes) / static_cast<double>(std::max<std::uintmax_t>(saved.original_bytes, 1));
  return fmt::format("saved: {} ({}, {:.0f}% of the original's {})\n", fmt::join(names, " and "),
                     size_text(saved.bytes), share, size_text(saved.original_bytes));
}

void add_to(Json& json, const SavedFiles& saved) {
  json["files"] = Json::array();
  for (const fs::path& file : saved.files) json["files"].push_back(file.string());
  json["bytes"] = saved.bytes;
  json["original_bytes"] = saved.original_bytes;
}

void print(const Json& json, std::ostream& out) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

// Before the model is read; what more it is saved as, it says itself.
std::vector<fs::path> first_files(const fs::path& output, Format format) {
  if (format == Format::kOnnx) return {output};
  return {output, fs::path(output).replace_extension(".bin")};
}

// quantize ----------------------------------------------------------------------------------------------------------

void check_metric(const QuantizeCommand& command) {
  const std::vector<std::string> names = built_in_metric_names();
  if (!command.metric.empty() && std::ranges::find(names, command.metric) == names.end()) {
    throw InvalidArgument(
        fmt::format("there is no metric '{}'; the known ones are {}", command.metric, fmt::join(names, ", ")));
  }
}

// ONNX Runtime computes in the types of the model.
void check_precision(const QuantizeCommand& command, Format format) {
  const std::string& precision = command.accuracy.validation_precision;
  if (format == Format::kOpenVino || precision == "f32" || precision.empty()) return;
  throw InvalidArgument(
      fmt::format("option 'precision' is '{}'; for an ONNX model f32 or default is needed", precision));
}

void check_inputs(const QuantizeCommand& command) {
  check_input(command.model, "model");
  check_input(command.calibration, "calibration data");
  if (!command.validation.empty()) check_input(command.validation, "validation data");
}

// The model comes from `inputs` and goes to `files`.
void check_output_paths(const QuantizeCommand& command, std::vector<fs::path> inputs, std::vector<fs::path> files) {
  inputs.push_back(command.calibration);
  if (!command.validation.empty()) inputs.push_back(command.validation);
  if (!command.report.empty()) files.push_back(command.report);
  if (!command.plan.empty()) files.push_back(command.plan);
  if (!command.options.statistics_path.empty()) files.emplace_back(command.options.statistics_path);
  check_outputs(files, inputs);
}

struct Data {
  std::shared_ptr<const Dataset> calibration;
  std::shared_ptr<const Dataset> validation;  // empty without accuracy control
};

Data read_data(const QuantizeCommand& command) {
  const auto read = [&](const fs::path& path) -> std::shared_ptr<const Dataset> {
    return read_npz(path, command.labels, command.batch);
  };
  if (command.validation.empty()) return {read(command.calibration), nullptr};
  const auto validation = read(command.validation);
  std::error_code error;
  if (fs::equivalent(command.calibration, command.validation, error)) return {validation, validation};
  try {
    return {read(command.calibration), validation};
  } catch (const InvalidArgument&) {
    // Calibration needs no labels: they only must not be taken for an input where its file holds them.
    if (command.labels.empty()) throw;
    return {read_npz(command.calibration, {}, command.batch), validation};
  }
}

struct Outcome {
  std::shared_ptr<const QuantizationResult> result;
  std::optional<std::string> shortfall;
};

std::string shortfall_text(const Report& report, const QuantizeCommand& command) {
  return fmt::format(
      "the limit was not met: the {} drop is {:.6g} and {:.6g} is allowed; the best model was saved as '{}'",
      report.drop_type, report.drop.value_or(std::nan("")), report.max_drop, command.output.string());
}

Outcome quantize_with_limit(const Model& model, const Data& data, const Metric& metric,
                            const QuantizeCommand& command) {
  AccuracyOptions accuracy = command.accuracy;
  accuracy.higher_is_better = metric.higher_is_better;
  try {
    return {std::make_shared<QuantizationResult>(quantize_with_accuracy_control(
                model, *data.calibration, *data.validation, metric.validate, command.options, accuracy)),
            std::nullopt};
  } catch (const AccuracyNotReached& shortfall) {
    const auto owner = std::make_shared<AccuracyNotReached>(shortfall);  // the best model lives as long as this copy
    return {std::shared_ptr<const QuantizationResult>(owner, &owner->best()),
            shortfall_text(owner->best().report, command)};
  }
}

// The page shows the network that was given, and for each of its operations what placement decided.
std::string report_text(const Model& model, const Report& report, const QuantizeCommand& command) {
  if (!is_page(command.report)) return to_json(report);
  return to_html(report, {.title = command.output.filename().string(),
                          .graph = &model.graph(),
                          .decisions = place_and_explain(model.graph(), command.options).decisions});
}

void save(const Model& model, const QuantizationResult& result, const QuantizeCommand& command) {
  std::vector<StagedFile> staged;
  if (!command.report.empty()) staged.emplace_back(command.report, report_text(model, result.report, command));
  if (!command.plan.empty()) staged.emplace_back(command.plan, to_json(result.plan));
  stop_if_interrupted();
  result.model->save(command.output);
  for (StagedFile& file : staged) file.commit();
}

Plan read_plan(const fs::path& path) {
  const std::string text = read_text(path, "plan");
  try {
    return plan_from_json(text);
  } catch (const InvalidArgument& error) {
    throw IoError(fmt::format("cannot read the plan '{}': {}", path.string(), error.what()), false);
  }
}

// OpenVINO has names of its own for the operations of an ONNX file.
std::unique_ptr<Model> apply(const Plan& plan, const Model& model, const fs::path& path) {
  try {
    return model.apply(plan);
  } catch (const InvalidArgument& error) {
    if (path.extension() != ".onnx") throw;
    throw InvalidArgument(fmt::format("{}; this one may have been made with --to {}", error.what(),
                                      model.framework() == "onnx" ? "openvino" : "onnx"));
  }
}

}  // namespace

std::optional<std::string> quantize_file(const QuantizeCommand& command, std::ostream& out) {
  check_metric(command);
  check_inputs(command);
  const Format format = format_for(command.model, command.output, command.to);
  check_precision(command, format);
  const std::vector<fs::path> originals = model_files(command.model);
  check_output_paths(command, originals, first_files(command.output, format));
  const auto model = read_model(command.model, format);
  check_output_paths(command, originals, model->files_of(command.output));
  std::optional<Metric> metric;
  if (!command.metric.empty()) metric = built_in_metric(command.metric, *model);
  if (metric && metric->needs_labels && command.labels.empty()) {
    throw InvalidArgument(
        fmt::format("the metric '{}' compares with labels; name their array in the validation data with "
                    "--labels",
                    metric->name));
  }
  const Data data = read_data(command);
  stop_if_interrupted();
  const Outcome outcome =
      metric ? quantize_with_limit(*model, data, *metric, command)
             : Outcome{std::make_shared<QuantizationResult>(quantize(*model, *data.calibration, command.options)),
                       std::nullopt};
  const std::vector<fs::path> files = outcome.result->model->files_of(command.output);
  check_output_paths(command, originals, files);
  save(*model, *outcome.result, command);

  const SavedFiles saved = saved_files(files, originals);
  if (command.json) {
    Json json{{"status", outcome.result->report.status}};
    add_to(json, saved);
    json["report"] = Json::parse(to_json(outcome.result->report));
    print(json, out);
  } else {
    const std::string summary = tightrope::to_text(outcome.result->report);
    out << summary << (summary.ends_with('\n') ? "" : "\n") << to_text(saved);
    if (!command.report.empty()) out << fmt::format("report: {}\n", command.report.string());
    if (!command.plan.empty()) out << fmt::format("plan: {}\n", command.plan.string());
  }
  return outcome.shortfall;
}

void apply_to_file(const ApplyCommand& command, std::ostream& out) {
  check_input(command.model, "model");
  check_input(command.plan, "plan");
  const Format format = format_for(command.model, command.output, command.to);
  const std::vector<fs::path> originals = model_files(command.model);
  std::vector<fs::path> inputs = originals;
  inputs.push_back(command.plan);
  check_outputs(first_files(command.output, format), inputs);
  const Plan plan = read_plan(command.plan);
  const auto result = apply(plan, *read_model(command.model, format), command.model);
  const std::vector<fs::path> files = result->files_of(command.output);
  check_outputs(files, inputs);
  result->save(command.output);

  const SavedFiles saved = saved_files(files, originals);
  const std::vector<std::string> operations = quantized_operations(plan);
  if (command.json) {
    Json json{{"status", "applied"}, {"quantized", operations}};
    add_to(json, saved);
    print(json, out);
  } else {
    out << fmt::format("{} operations run in 8 bits\n", operations.size()) << to_text(saved);
  }
}

}  // namespace tightrope::cli
