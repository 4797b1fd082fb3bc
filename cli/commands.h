// SPDX-License-Identifier: Apache-2.0
// What the commands do once their arguments are read. Each prints its result to `out` and throws what went wrong.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "accuracy/ranking.h"
#include "tightrope/data.h"
#include "tightrope/options.h"

namespace tightrope::cli {

// Where and how models run.
struct Execution {
  std::string device = "CPU";
  std::string precision = "f32";  // empty: the device's choice
};

struct QuantizeCommand {
  std::filesystem::path model;
  std::filesystem::path calibration;
  std::filesystem::path validation;  // empty: no accuracy control, or that of a program
  std::filesystem::path output;
  std::filesystem::path report;  // a page where it ends in .html, otherwise JSON; empty: none
  std::filesystem::path plan;    // empty: none
  std::string to;                // format of the result, "onnx" or "openvino"; empty: by the ending of the output
  std::vector<std::string> metrics;
  bool direction_given = false;  // by --higher-is-better; otherwise the metrics say it
  DataOptions data;
  QuantizeOptions options;
  AccuracyOptions accuracy;
  ScoreElsewhere elsewhere;   // scores from a cluster; empty: they are computed here
  std::string configuration;  // what `tightrope resume` needs; goes to the work_dir, where there is one
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

struct ValidateCommand {
  std::filesystem::path model;
  std::filesystem::path validation;  // empty: for programs
  std::filesystem::path original;    // what "cosine" and "sqnr" compare with
  std::string to;                    // the framework that runs it; empty: that of the file
  std::vector<std::string> metrics;
  DataOptions data;
  Execution execution;
  bool json = false;
};

struct CompareCommand {
  std::filesystem::path first;
  std::filesystem::path second;
  std::filesystem::path inputs;  // data; empty: one item of random numbers
  DataOptions data;
  Execution execution;
  double seconds = 2;  // of measuring latency
  bool json = false;
};

struct SensitivityCommand {
  std::filesystem::path model;
  std::filesystem::path calibration;
  std::string to;  // as for InspectCommand
  DataOptions data;
  QuantizeOptions options;
  AccuracyOptions accuracy;
  ScoreElsewhere elsewhere;  // as for QuantizeCommand
  bool json = false;
};

struct BenchCommand {
  std::vector<std::filesystem::path> models;
  std::filesystem::path inputs;  // data; empty: one item of random numbers
  DataOptions data;
  Execution execution;
  double seconds = 5;  // for each kind of measurement
  bool json = false;
};

// Why the limit was not met; nothing where it was, or where there is none.
struct Shortfall {
  std::string sentence;
  bool out_of_time = false;  // more time may have found a model within the limit
};
std::optional<Shortfall> quantize_file(const QuantizeCommand& command, std::ostream& out);

void inspect_file(const InspectCommand& command, std::ostream& out);
void apply_to_file(const ApplyCommand& command, std::ostream& out);
void report_of_run(const ReportCommand& command, std::ostream& out);
void validate_file(const ValidateCommand& command, std::ostream& out);
void compare_files(const CompareCommand& command, std::ostream& out);
void rank_operations(const SensitivityCommand& command, std::ostream& out);
void bench_files(const BenchCommand& command, std::ostream& out);

}  // namespace tightrope::cli
