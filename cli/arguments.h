// SPDX-License-Identifier: Apache-2.0
// The options of every command as they are typed, and what they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"

namespace tightrope::cli {

// Text as it was typed; made into options by the same reader that serves Python.
struct PlacementArguments {
  std::string placement;
  std::string mode;
  std::string preset;
  std::string model_type;
  std::string target_device;
  std::string overflow_fix;
  std::string propagation_rule;
  std::string activations_quantization_params;  // JSON
  std::string weights_quantization_params;      // JSON
  bool quantize_outputs = false;
  std::vector<std::string> ignored_names;
  std::vector<std::string> ignored_patterns;
  std::vector<std::string> ignored_types;
  std::string ignored_subgraphs;  // JSON
  bool no_ignored_validation = false;
};

struct CalibrationArguments {
  std::int64_t subset_size = QuantizeOptions{}.subset_size;
  std::string statistics;
  std::optional<bool> weight_rounding;
  std::string range_estimator;          // a name, or JSON
  std::string weights_range_estimator;  // JSON
  std::string bias_correction_params;   // JSON
  std::string backend_params;           // JSON
  std::optional<bool> fast_bias_correction;
  std::optional<bool> disable_bias_correction;
  std::optional<bool> disable_channel_alignment;
  std::optional<bool> inplace_statistics;
  std::optional<double> smooth_quant_alpha;
  std::optional<double> smooth_quant_alpha_convolution;
};

// Values for all metrics, or for one: "0.01", "top1=0.01".
struct LimitArguments {
  std::vector<std::string> max_drop;
  std::vector<std::string> drop_type;
  std::vector<std::string> higher_is_better;
  std::string restore_mode = "activations_and_weights";
  std::optional<std::int64_t> max_validations;
  std::optional<std::int64_t> ranking_subset_size;
  int workers = 1;   // groups that are ranked at a time
  std::string dask;  // address of the scheduler of a cluster that ranks
  std::optional<std::string> intermediate_model_dir;
  std::string objective = "operations";
  std::optional<bool> repair;
  bool tune_hyperparams = false;
  std::optional<bool> early_stopping;
  bool measure_deployed = false;
  std::optional<double> time_budget;
  std::string work_dir;
};

struct Arguments {
  PlacementArguments placement;
  CalibrationArguments calibration;
  LimitArguments limits;
  DataOptions data;
  Execution execution;
  QuantizeCommand quantize;
  InspectCommand inspect;
  ApplyCommand apply;
  ReportCommand report;
  ValidateCommand validate;
  CompareCommand compare;
  SensitivityCommand sensitivity;
  BenchCommand bench;
  bool quiet = false;
};

// Adds every command to `app`, in the order of the help.
std::vector<CLI::App*> add_commands(CLI::App& app, Arguments& arguments);

// Names that --range-estimator takes.
std::vector<std::string_view> estimator_names();

// Throw InvalidArgument for unknown names and values.
QuantizeOptions quantize_options(const Arguments& arguments);
AccuracyOptions accuracy_options(const Arguments& arguments);
Execution execution_of(const Arguments& arguments);

}  // namespace tightrope::cli
