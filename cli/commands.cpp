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

#include "data.h"
#include "files.h"
#include "formats.h"
#include "pipeline/with_workers.h"
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

// Before the model is read; what more it is saved as, it says itself.
std::vector<fs::path> first_files(const fs::path& output, Format format) {
  if (format == Format::kOnnx) return {output};
  return {output, fs::path(output).replace_extension(".bin")};
}

// quantize ----------------------------------------------------------------------------------------------------------

// ONNX Runtime computes in the types of the model.
void check_precision(const QuantizeCommand& command, Format format) {
  const std::string& precision = command.accuracy.validation_precision;
  if (format == Format::kOpenVino || precision == "f32" || precision.empty()) return;
  throw InvalidArgument(
      fmt::format("option 'precision' is '{}'; for an ONNX model f32 or default is needed", precision));
}

void check_inputs(const QuantizeCommand& command) {
  check_input(command.model, "model");
  check_data(command.calibration, "calibration data");
  if (!command.validation.empty()) check_data(command.validation, "validation data");
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

Data read_data(const QuantizeCommand& command, const Model& model) {
  const std::vector<ModelInput> inputs = inputs_of(model.graph());
  const auto read = [&](const fs::path& path) -> std::shared_ptr<const Dataset> {
    return tightrope::read_data(path, inputs, command.data);
  };
  const auto read_calibration = [&]() -> std::shared_ptr<const Dataset> {
    try {
      return read(command.calibration);
    } catch (const InvalidArgument&) {
      // Calibration needs no labels: they only must not be taken for an input where its file holds them.
      if (command.data.labels.empty() || command.metrics.empty()) throw;
      DataOptions without = command.data;
      without.labels.clear();
      return tightrope::read_data(command.calibration, inputs, without);
    }
  };
  if (command.metrics.empty()) return {read_calibration(), nullptr};
  if (command.validation.empty()) return {read_calibration(), dataset_of({})};  // a program has its own
  const auto validation = read(command.validation);
  std::error_code error;
  if (fs::equivalent(command.calibration, command.validation, error)) return {validation, validation};
  return {read_calibration(), validation};
}

struct Outcome {
  std::shared_ptr<const QuantizationResult> result;
  std::optional<Shortfall> shortfall;
};

Shortfall shortfall_of(const AccuracyNotReached& found, const QuantizeCommand& command) {
  const Report& report = found.best().report;
  const bool out_of_time = command.accuracy.time_budget && report.stopped.starts_with("The time budget");
  if (!report.limits.empty()) {
    return {fmt::format("the limits were not met: {} The best model was saved as '{}'", found.what(),
                        command.output.string()),
            out_of_time};
  }
  return {fmt::format(
              "the limit was not met: the {} drop is {:.6g} and {:.6g} is allowed; the best model was saved as '{}'",
              report.drop_type, report.drop.value_or(std::nan("")), report.max_drop, command.output.string()),
          out_of_time};
}

// The limits as accuracy control wants them: the direction comes from the metric, unless it was given. One metric has
// one limit, though it may be written with the metric's name.
AccuracyOptions limits_for(const std::vector<Metric>& metrics, const QuantizeCommand& command) {
  AccuracyOptions accuracy = command.accuracy;
  const bool has_program = std::ranges::any_of(metrics, [](const Metric& metric) { return bool(metric.program); });
  for (MetricLimit& limit : accuracy.limits) {
    const auto metric = std::ranges::find(metrics, limit.name, &Metric::name);
    if (metric == metrics.end() && !has_program) {
      throw InvalidArgument(fmt::format(
          "option 'max_drop' names the metric '{}', which is not measured; add --metric {}", limit.name, limit.name));
    }
    if (!command.direction_given && metric != metrics.end()) limit.higher_is_better = metric->higher_is_better;
  }
  if (accuracy.limits.empty() && metrics.size() > 1) {
    throw InvalidArgument(fmt::format("there are {} metrics; each limit is needed by name, as in --max-drop {}=0.01",
                                      metrics.size(), metrics[0].name));
  }
  const bool one_number = metrics.size() == 1 && !has_program;
  if (accuracy.limits.empty() && !command.direction_given) accuracy.higher_is_better = metrics[0].higher_is_better;
  if (one_number && accuracy.limits.size() == 1) {
    const MetricLimit limit = accuracy.limits.front();
    accuracy.limits.clear();
    accuracy.max_drop = limit.max_drop;
    accuracy.drop_type = limit.drop_type;
    accuracy.higher_is_better = limit.higher_is_better;
  }
  return accuracy;
}

Outcome quantize_with_limit(const Model& model, const Data& data, const std::vector<Metric>& metrics,
                            const QuantizeCommand& command) {
  const AccuracyOptions accuracy = limits_for(metrics, command);
  const bool has_program = std::ranges::any_of(metrics, [](const Metric& metric) { return bool(metric.program); });
  const auto run = [&](const auto& validate) {
    return std::make_shared<QuantizationResult>(quantize_with_workers(
        model, *data.calibration, *data.validation, validate, command.options, accuracy, command.elsewhere));
  };
  try {
    return {has_program ? run(model_validation_of(metrics, {accuracy.validation_device, accuracy.validation_precision}))
                        : run(validation_of(metrics)),
            std::nullopt};
  } catch (const AccuracyNotReached& shortfall) {
    const auto owner = std::make_shared<AccuracyNotReached>(shortfall);  // the best model lives as long as this copy
    return {std::shared_ptr<const QuantizationResult>(owner, &owner->best()), shortfall_of(*owner, command)};
  }
}

// For 'tightrope resume'.
void keep_configuration(const QuantizeCommand& command) {
  const fs::path folder = command.accuracy.work_dir;
  if (folder.empty()) return;
  std::error_code ignored;
  fs::create_directories(folder, ignored);  // the store says what is wrong
  StagedFile(folder / kConfigurationName, command.configuration).commit();
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

std::optional<Shortfall> quantize_file(const QuantizeCommand& command, std::ostream& out) {
  check_metrics(command.metrics, command.validation);
  check_inputs(command);
  const Format format = format_for(command.model, command.output, command.to);
  check_precision(command, format);
  const std::vector<fs::path> originals = model_files(command.model);
  check_output_paths(command, originals, first_files(command.output, format));
  const auto model = read_model(command.model, format);
  check_output_paths(command, originals, model->files_of(command.output));
  const std::vector<Metric> metrics = metrics_named(command.metrics, *model, command.data, command.validation);
  const Data data = read_data(command, *model);
  stop_if_interrupted();
  keep_configuration(command);
  const Outcome outcome =
      metrics.empty()
          ? Outcome{std::make_shared<QuantizationResult>(quantize(*model, *data.calibration, command.options)),
                    std::nullopt}
          : quantize_with_limit(*model, data, metrics, command);
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
