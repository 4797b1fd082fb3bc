// SPDX-License-Identifier: Apache-2.0
// What the commands do once their arguments are read. Each prints its result to `out` and throws what went wrong.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>

#include "tightrope/options.h"

namespace tightrope::cli {

struct QuantizeCommand {
  std::filesystem::path model;
  std::filesystem::path calibration;
  std::filesystem::path validation;  // empty: no accuracy control
  std::filesystem::path output;
  std::filesystem::path report;  // a page where it ends in .html, otherwise JSON; empty: none
  std::filesystem::path plan;    // empty: none
  std::string to;                // format of the result, "onnx" or "openvino"; empty: by the ending of the output
  std::string metric;
  std::string labels;
  std::size_t batch = 1;
  QuantizeOptions options;
  AccuracyOptions accuracy;
  bool json = false;
};

struct InspectCommand {
  std::filesystem::path model;
  std::string to;  // empty: the format of the model
  QuantizeOptions options;
  bool both_placements = true;  // side by side; otherwise the one of the options
  std::string explain;          // the one operation to explain; empty: all are listed
  bool json = false;
};

struct ApplyCommand {
  std::filesystem::path model;
  std::filesystem::path plan;
  std::filesystem::path output;
  std::string to;  // as for QuantizeCommand
  bool json = false;
};

struct ReportCommand {
  std::filesystem::path run;     // a report as JSON, or a model that carries its report
  std::filesystem::path output;  // of the page; empty: the report is printed
  bool json = false;
};

// Gives the sentence that says why the limit was not met; nothing where it was, or where there is none.
std::optional<std::string> quantize_file(const QuantizeCommand& command, std::ostream& out);

void inspect_file(const InspectCommand& command, std::ostream& out);

void apply_to_file(const ApplyCommand& command, std::ostream& out);

void report_of_run(const ReportCommand& command, std::ostream& out);

}  // namespace tightrope::cli
