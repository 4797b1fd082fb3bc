// SPDX-License-Identifier: Apache-2.0
// The command 'report': what a run did, as a page or as text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "files.h"
#include "formats.h"
#include "tightrope/error.h"
#include "tightrope/report.h"
#include "tightrope/report_page.h"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

struct Run {
  Report report;
  std::unique_ptr<Model> model;  // empty: the report alone
};

Report parsed_report(const std::string& text, const fs::path& path) {
  try {
    return report_from_json(text);
  } catch (const InvalidArgument& error) {
    throw IoError(fmt::format("cannot read the report '{}': {}", path.string(), error.what()), false);
  }
}

Run read_run(const fs::path& path) {
  if (path.extension() == ".json") return {parsed_report(read_text(path, "report"), path), nullptr};
  if (path.extension() != ".xml" && path.extension() != ".onnx") {
    throw InvalidArgument(
        fmt::format("'{}' is neither a report (.json) nor a model that carries one (.onnx, .xml)", path.string()));
  }
  check_input(path, "model");
  std::unique_ptr<Model> model = read_model(path, format_for(path, ""));
  const std::string note = model->note(std::string(kReportNote));
  if (note.empty()) {
    throw IoError(fmt::format("the model '{}' has no report; a model that Tightrope made is needed", path.string()),
                  false);
  }
  return {parsed_report(note, path), std::move(model)};
}

}  // namespace

void report_of_run(const ReportCommand& command, std::ostream& out) {
  if (!command.output.empty()) {
    if (!is_page(command.output)) {
      throw InvalidArgument(
          fmt::format("the output '{}' does not end in .html; the report becomes a page", command.output.string()));
    }
    check_input(command.run, "run");
    check_outputs(std::vector{command.output}, model_files(command.run));
  }
  const Run run = read_run(command.run);
  if (!command.output.empty()) {
    const PageNetwork network{.title = command.run.filename().string(),
                              .graph = run.model ? &run.model->graph() : nullptr};
    StagedFile(command.output, to_html(run.report, network)).commit();
  }
  if (command.json) {
    out << to_json(run.report);
  } else if (command.output.empty()) {
    out << to_text(run.report);
  } else {
    out << fmt::format("{}\nreport: {}\n", verdict(run.report), command.output.string());
  }
}

}  // namespace tightrope::cli
