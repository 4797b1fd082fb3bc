// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tightrope/metrics.h"

namespace tightrope::cli {
namespace {

constexpr const char* kControl = "Accuracy control";
constexpr const char* kData = "Data";
constexpr const char* kCalibration = "Calibration";
constexpr const char* kPlacement = "Placement";
constexpr const char* kAnyData =
    ".npz with an array per model input, .npy, a folder of pictures or .npy files, or a list of files";

// Options by group ----------------------------------------------------------------------------------------------

template <typename T>
CLI::Option* add_path(CLI::App& command, const char* names, T& path, const char* help) {
  return command.add_option(names, path, help)->type_name("PATH");
}

void add_model(CLI::App& command, std::filesystem::path& model) {
  add_path(command, "--model,MODEL", model, "ONNX file (.onnx) or OpenVINO IR (.xml)")->required();
}

void add_common(CLI::App& command, bool& json, bool& quiet) {
  command.add_flag("--json", json, "Print the result as one JSON object");
  command.add_flag("-q,--quiet", quiet, "Warnings and errors only on standard error");
}

void add_output(CLI::App& command, std::filesystem::path& output, std::string& to) {
  add_path(command, "-o,--output", output, "The quantized model, ending in .onnx or .xml")->required();
  command.add_option("--to", to, "Its format, and where all work is done: onnx or openvino; default: by its ending")
      ->type_name("FORMAT");
}

void add_framework(CLI::App& command, std::string& to) {
  command.add_option("--to", to, "Where the model runs: onnx or openvino; default: by its ending")->type_name("FORMAT");
}

void add_data(CLI::App& command, DataOptions& data) {
  ImageOptions& images = data.images;
  command.add_option("--batch", data.batch, "Entries that make one item; default: as many as the model takes")
      ->check([](const std::string& text) { return text == "0" ? "it is 0; at least 1 is needed" : std::string(); })
      ->group(kData);
  const auto add_list = [&](const char* name, auto& list, const char* help) {
    command.add_option(name, list, help)->delimiter(',')->group(kData);
  };
  add_list("--size", images.size, "Of pictures: one number, or HEIGHT,WIDTH; default: those of the model's input");
  command
      .add_option("--crop", images.crop,
                  "Share of a picture's shorter side that the center keeps, 0.875 for ImageNet; 1: all of it")
      ->group(kData);
  command.add_flag("--keep-ratio", images.keep_ratio, "Cut the center out instead of distorting pictures")
      ->group(kData);
  add_list("--mean", images.mean, "Subtracted from values 0 to 255: one number, or one per channel");
  add_list("--scale", images.scale, "Then divides them: one number, or one per channel");
  command.add_option("--color", images.color, "Order of channels: rgb (the default) or bgr")->group(kData);
  command.add_option("--layout", images.layout, "Of the model's input: nchw or nhwc; default: by its shape")
      ->group(kData);
}

void add_labels(CLI::App& command, DataOptions& data) {
  command.add_option("--labels", data.labels, "Array of the data that holds labels or targets")->group(kData);
}

void add_execution(CLI::App& command, Execution& execution, const char* group) {
  command
      .add_option("--validation-device,--device", execution.device,
                  "Device that runs the model; for ONNX an execution provider, such as CPU or CUDA")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--validation-precision,--precision", execution.precision,
                  "Its precision of operations not in 8 bits: f32, bf16, f16, or default; for ONNX f32 or default")
      ->capture_default_str()
      ->group(group);
}

std::string metric_help() {
  return fmt::format("{}, or cmd:PROGRAM; may be repeated", fmt::join(built_in_metric_names(), ", "));
}

void add_placement(CLI::App& command, PlacementArguments& arguments) {
  const auto add_list = [&](const char* name, std::vector<std::string>& list, const char* help) {
    command.add_option(name, list, help)->allow_extra_args(false)->type_name("TEXT")->group(kPlacement);
  };
  const auto add_text = [&](const char* name, std::string& text, const char* help) {
    command.add_option(name, text, help)->group(kPlacement);
  };
  add_text("--placement", arguments.placement,
           "lean (quantizers where they make operations faster; the default) or reference (where NNCF puts them)");
  add_text("--mode", arguments.mode,
           "fp8_e4m3 or fp8_e5m2: 8-bit floating point instead of integers (OpenVINO, without accuracy control)");
  add_text("--preset", arguments.preset,
           "performance (activations symmetric) or mixed (asymmetric); by default by their values");
  add_text("--model-type", arguments.model_type,
           "transformer: preset mixed by default, and normalization in floating point");
  add_text("--target-device", arguments.target_device, "ANY (the default), CPU, CPU_SPR, GPU or NPU");
  add_text("--overflow-fix", arguments.overflow_fix, "first_layer_only (the default), enable or disable");
  add_text("--quantizer-propagation-rule,--propagation-rule", arguments.propagation_rule,
           "How quantizers of branches merge: 0 to 3, or a name such as MERGE_ALL_IN_ONE (3, the default)");
  add_text("--activations-quantization-params", arguments.activations_quantization_params,
           "JSON: num_bits, mode, signedness_to_force, per_channel, narrow_range of activations");
  add_text("--weights-quantization-params", arguments.weights_quantization_params, "The same of weights");
  command.add_flag("--quantize-outputs", arguments.quantize_outputs, "Quantize what the model returns, too")
      ->group(kPlacement);
  add_list("--ignored-names", arguments.ignored_names, "Operation that stays in floating point; may be repeated");
  add_list("--ignored-patterns", arguments.ignored_patterns, "Regular expression for such names; may be repeated");
  add_list("--ignored-types", arguments.ignored_types, "Type of such operations; may be repeated");
  add_text("--ignored-subgraphs", arguments.ignored_subgraphs,
           R"(JSON: what lies between operations, [{"inputs": [NAMES], "outputs": [NAMES]}])");
  command.add_flag("--no-ignored-validation", arguments.no_ignored_validation, "Accept --ignored-* that match nothing")
      ->group(kPlacement);
}

// A flag that says yes or no, or is not given. Bound to the optional itself it would begin as false.
CLI::Option* add_choice(CLI::App& command, const char* name, std::optional<bool>& value, const char* help) {
  return command.add_flag_function(name, [&value](std::int64_t count) { value = count > 0; }, help);
}

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(kCalibration);
  };
  const auto add_flag = [&](const char* name, std::optional<bool>& value, const char* help) {
    add_choice(command, name, value, help)->group(kCalibration);
  };
  add("--subset-size", arguments.subset_size, "Calibration items that are used")->capture_default_str();
  add("--statistics-path,--statistics", arguments.statistics,
      "File to reuse what calibration observes from; written where it does not exist, or lacks some")
      ->type_name("PATH");
  add("--activations-range-estimator-params,--range-estimator", arguments.range_estimator,
      fmt::format("How ranges of activations are found: {}; or JSON", fmt::join(estimator_names(), ", ")));
  add("--weights-range-estimator-params", arguments.weights_range_estimator, "The same of weights, as JSON");
  add("--bias-correction-params", arguments.bias_correction_params, "JSON: threshold, apply_for_all_nodes");
  add("--backend-params", arguments.backend_params, "JSON: compress_weights, stat_requests_number");
  add_flag("--disable-bias-correction,--no-bias-correction", arguments.disable_bias_correction,
           "Leave biases as they are");
  add_flag("--fast-bias-correction,!--accurate-bias-correction", arguments.fast_bias_correction,
           "Predict what biases need (the default), or measure it on the quantized model");
  add_flag("--weight-rounding,!--no-weight-rounding", arguments.weight_rounding,
           "Round all weights by the data, or none; default: those of layers that lose much");
  add_flag("--disable-channel-alignment,!--channel-alignment", arguments.disable_channel_alignment,
           "Leave channels between convolutions as they are (the default), or give them equal ranges first");
  add_flag("--inplace-statistics,!--no-inplace-statistics", arguments.inplace_statistics,
           "Observe inside of the model where that is possible (the default), or outside");
  add("--smooth-quant-alpha", arguments.smooth_quant_alpha,
      "Share of the outliers of products' data that goes to weights, 0 to 1; -1: none; default: 0.95");
  add("--smooth-quant-alpha-convolution", arguments.smooth_quant_alpha_convolution,
      "The same for convolutions; default: -1");
}

void add_limits(CLI::App& command, Arguments& arguments) {
  LimitArguments& limits = arguments.limits;
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kControl);
  };
  CLI::Option* metric = command.add_option("--metric", arguments.quantize.metrics, metric_help())
                            ->allow_extra_args(false)
                            ->group(kControl);
  add("--validation,--validation-dataset", arguments.quantize.validation,
      "As for --calibration, with labels where the metric needs them")
      ->type_name("PATH")
      ->needs(metric);
  const auto add_named = [&](const char* name, std::vector<std::string>& values, const char* help) {
    add(name, values, help)->delimiter(',')->allow_extra_args(false)->needs(metric);
  };
  add_named("--max-drop", limits.max_drop,
            "The largest drop of the metric, 0.01 by default; of several top1=0.01,psnr=0.1");
  add_named("--drop-type", limits.drop_type,
            "absolute (the default), or relative to the original metric; or NAME=relative");
  add_named("--higher-is-better", limits.higher_is_better, "true or false; or NAME=false; default: by the metric");
  add("--max-num-iterations,--max-validations", limits.max_validations, "Validations after the first two")
      ->needs(metric);
  add("--objective", limits.objective,
      "What the search keeps: the most operations in 8 bits, or the least latency (operations, latency)")
      ->capture_default_str()
      ->needs(metric);
  add_choice(command, "--repair,!--no-repair", limits.repair,
             "Where the limit is broken, try other ranges, levels and biases before reverting; the default")
      ->needs(metric)
      ->group(kControl);
  command.add_flag("--tune-hyperparams", limits.tune_hyperparams, "Try them even if the limit is met")
      ->needs(metric)
      ->group(kControl);
  add_choice(command, "--early-stopping,!--no-early-stopping", limits.early_stopping,
             "Judge candidates on a part of the items where that settles it; the default")
      ->needs(metric)
      ->group(kControl);
  command
      .add_flag("--measure-deployed", limits.measure_deployed,
                "Measure the result once more in the precision that the device chooses by itself")
      ->needs(metric)
      ->group(kControl);
  add("--time-budget", limits.time_budget, "Seconds for the whole job; the best model found in time is saved")
      ->needs(metric);
  add("--work-dir", limits.work_dir,
      "Folder that keeps what was measured: 'tightrope resume' goes on where the run ended")
      ->type_name("PATH")
      ->needs(metric);
  add("--restore-mode", limits.restore_mode, "activations_and_weights, or only_activations")
      ->capture_default_str()
      ->needs(metric);
  add("--intermediate-model-dir", limits.intermediate_model_dir, "Folder for the model with everything in 8 bits")
      ->type_name("PATH")
      ->needs(metric);
}

void add_ranking(CLI::App& command, LimitArguments& limits) {
  command.add_option("--ranking-subset-size", limits.ranking_subset_size, "Items that rank the operations")
      ->group(kControl);
  CLI::Option* workers = command
                             .add_option("--workers", limits.workers,
                                         "Groups of operations that are ranked at a time, on threads; default: 1")
                             ->check(CLI::Range(1, 1024))
                             ->group(kControl);
  command
      .add_option("--dask", limits.dask,
                  "Rank on the workers of a Dask cluster, by its scheduler's address; needs the Python package")
      ->type_name("ADDRESS")
      ->excludes(workers)
      ->group(kControl);
}

// Commands ------------------------------------------------------------------------------------------------------

CLI::App* add_quantize(CLI::App& app, Arguments& arguments) {
  QuantizeCommand& values = arguments.quantize;
  CLI::App* command =
      app.add_subcommand("quantize", "Quantize a model; with --metric, keep the metric within --max-drop");
  add_model(*command, values.model);
  add_common(*command, values.json, arguments.quiet);
  add_path(*command, "--calibration,--calibration-dataset", values.calibration, kAnyData)->required();
  add_output(*command, values.output, values.to);
  add_path(*command, "--report", values.report,
           "Write the report: a page for people where it ends in .html, otherwise JSON");
  add_path(*command, "--plan", values.plan, "Write the plan as JSON, for 'tightrope apply'");
  add_labels(*command, arguments.data);
  add_data(*command, arguments.data);
  add_limits(*command, arguments);
  add_ranking(*command, arguments.limits);
  add_execution(*command, arguments.execution, kControl);
  add_calibration(*command, arguments.calibration);
  add_placement(*command, arguments.placement);
  return command;
}

CLI::App* add_inspect(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("inspect", "Show what would be quantized, without data");
  add_model(*command, arguments.inspect.model);
  add_common(*command, arguments.inspect.json, arguments.quiet);
  command
      ->add_option("--to", arguments.inspect.to, "Format of the result: onnx or openvino; default: that of the model")
      ->type_name("FORMAT");
  command->add_option("--explain", arguments.inspect.explain, "Operation to explain: which rule decided, and why")
      ->type_name("NAME");
  add_placement(*command, arguments.placement);
  command->get_option("--placement")->description("lean or reference alone, with its quantizers; default: both");
  return command;
}

CLI::App* add_apply(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("apply", "Quantize a model by a plan that was saved with --plan");
  add_model(*command, arguments.apply.model);
  add_common(*command, arguments.apply.json, arguments.quiet);
  add_path(*command, "--plan,PLAN", arguments.apply.plan, "Plan as JSON")->required();
  add_output(*command, arguments.apply.output, arguments.apply.to);
  return command;
}

CLI::App* add_report(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("report", "Show the report of a run, or write it as a page for people");
  add_path(*command, "--run,RUN", arguments.report.run, "Report as JSON, or a model that Tightrope made (.onnx, .xml)")
      ->required();
  add_path(*command, "-o,--output", arguments.report.output, "Write the page, ending in .html, instead of printing");
  command->add_flag("--json", arguments.report.json, "Print the report as JSON");
  command->add_flag("-q,--quiet", arguments.quiet, "Warnings and errors only on standard error");
  return command;
}

CLI::App* add_validate(CLI::App& app, Arguments& arguments) {
  ValidateCommand& values = arguments.validate;
  CLI::App* command = app.add_subcommand("validate", "Measure metrics of any model, quantized or not");
  add_model(*command, values.model);
  add_common(*command, values.json, arguments.quiet);
  command->add_option("--metric", values.metrics, metric_help())->allow_extra_args(false)->required();
  add_path(*command, "--validation,--validation-dataset,--data", values.validation, kAnyData);
  add_path(*command, "--original", values.original, "The model that cosine and sqnr compare with");
  add_framework(*command, values.to);
  add_labels(*command, arguments.data);
  add_data(*command, arguments.data);
  add_execution(*command, arguments.execution, "Execution");
  return command;
}

CLI::App* add_compare(CLI::App& app, Arguments& arguments) {
  CompareCommand& values = arguments.compare;
  CLI::App* command = app.add_subcommand("compare", "Compare two models: outputs, operations in 8 bits, latency");
  add_path(*command, "--first,FIRST", values.first, "A model; others are measured against its outputs")->required();
  add_path(*command, "--second,SECOND", values.second, "Another one with the same inputs and outputs")->required();
  add_common(*command, values.json, arguments.quiet);
  add_path(*command, "--data", values.inputs, "Items to run; default: one of random numbers");
  command->add_option("--seconds", values.seconds, "To measure latency")->capture_default_str();
  add_labels(*command, arguments.data);
  add_data(*command, arguments.data);
  add_execution(*command, arguments.execution, "Execution");
  return command;
}

CLI::App* add_sensitivity(CLI::App& app, Arguments& arguments) {
  SensitivityCommand& values = arguments.sensitivity;
  CLI::App* command = app.add_subcommand(
      "sensitivity", "Rank groups of operations by the output error that each makes alone in 8 bits");
  add_model(*command, values.model);
  add_common(*command, values.json, arguments.quiet);
  add_path(*command, "--calibration,--calibration-dataset", values.calibration, kAnyData)->required();
  add_framework(*command, values.to);
  add_labels(*command, arguments.data);
  add_data(*command, arguments.data);
  add_ranking(*command, arguments.limits);
  add_execution(*command, arguments.execution, kControl);
  add_calibration(*command, arguments.calibration);
  add_placement(*command, arguments.placement);
  return command;
}

CLI::App* add_bench(CLI::App& app, Arguments& arguments) {
  BenchCommand& values = arguments.bench;
  CLI::App* command = app.add_subcommand("bench", "Measure latency and throughput of models, side by side");
  add_path(*command, "--models,MODELS", values.models, "Models with the same inputs")->required();
  add_common(*command, values.json, arguments.quiet);
  add_path(*command, "--data", values.inputs, "Items to run; default: one of random numbers");
  command->add_option("--seconds", values.seconds, "For latency, and again for throughput")->capture_default_str();
  add_labels(*command, arguments.data);
  add_data(*command, arguments.data);
  add_execution(*command, arguments.execution, "Execution");
  return command;
}

}  // namespace

std::vector<CLI::App*> add_commands(CLI::App& app, Arguments& arguments) {
  return {add_quantize(app, arguments),    add_validate(app, arguments), add_inspect(app, arguments),
          add_sensitivity(app, arguments), add_compare(app, arguments),  add_bench(app, arguments),
          add_apply(app, arguments),       add_report(app, arguments)};
}

}  // namespace tightrope::cli
