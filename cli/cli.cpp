// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <vector>

#include "commands.h"
#include "terminal.h"
#include "tightrope/error.h"
#include "tightrope/metrics.h"
#include "tightrope/quantize.h"

namespace tightrope::cli {
namespace {

constexpr std::string_view kShortHelp =
    R"(tightrope quantizes OpenVINO and ONNX models to 8 bits and keeps your metric within your limit.

  tightrope quantize MODEL --calibration DATA.npz -o OUT                     8 bits, without measuring
  tightrope quantize MODEL --calibration DATA.npz --validation DATA.npz \
            --metric top1 --labels NAME --max-drop 0.01 -o OUT               8 bits, within the limit
  tightrope inspect MODEL [--explain NAME]                                   what would be quantized, and why
  tightrope apply MODEL PLAN.json -o OUT                                     a saved plan once more
  tightrope report OUT -o PAGE.html                                          what was done, as a page

OUT is .onnx or .xml. DATA.npz: an array per model input, items along axis 0. 'tightrope -h' shows every option.
)";

constexpr std::string_view kFooter =
    "Exit codes: 0 done, 2 bad arguments, 3 limit not met (the best model was saved), 4 cannot read, 5 cannot "
    "quantize,\n"
    "6 cannot write, 130 interrupted. Results go to standard output, messages and progress to standard error.";

// Text as it was typed; made into options by the same reader that serves Python.
struct PlacementArguments {
  std::string placement;
  std::string mode;
  std::string preset;
  std::string model_type;
  std::string target_device;
  std::string overflow_fix;
  std::string propagation_rule;
  bool quantize_outputs = false;
  std::vector<std::string> ignored_names;
  std::vector<std::string> ignored_patterns;
  std::vector<std::string> ignored_types;
  bool no_ignored_validation = false;
};

struct Arguments {
  PlacementArguments placement;
  QuantizeCommand quantize;
  InspectCommand inspect;
  ApplyCommand apply;
  ReportCommand report;
  std::int64_t subset_size = QuantizeOptions{}.subset_size;
  std::string statistics;
  std::optional<bool> weight_rounding;
  std::string range_estimator;
  bool no_bias_correction = false;
  bool accurate_bias_correction = false;
  bool channel_alignment = false;
  std::optional<double> smooth_quant_alpha;
  std::optional<double> smooth_quant_alpha_convolution;
  std::string drop_type = "absolute";
  std::string restore_mode = "activations_and_weights";
  std::string objective = "operations";
  std::string precision = "f32";
  std::optional<std::int64_t> max_validations;
  bool quiet = false;
};

// The names of RangeEstimatorParametersSet in the Python interface.
struct Estimator {
  std::string_view name;
  const char* low;
  const char* high;
  const char* low_aggregator;
  const char* high_aggregator;
};
constexpr Estimator kEstimators[] = {
    {"minmax", "min", "max", "min", "max"},
    {"mean_minmax", "min", "max", "mean", "mean"},
    {"median_minmax", "min", "max", "median", "median"},
    {"mean_no_outliers_minmax", "min", "max", "mean_no_outliers", "mean_no_outliers"},
    {"mean_quantile", "quantile", "quantile", "mean", "mean"},
    {"histogram", "raw", "raw", "histogram", "histogram"},
    {"output_error", "min", "max", "output_error", "output_error"},
};

std::vector<std::string_view> estimator_names() {
  std::vector<std::string_view> names;
  for (const Estimator& estimator : kEstimators) names.push_back(estimator.name);
  return names;
}

void add_placement_options(CLI::App& command, PlacementArguments& arguments) {
  const auto add_list = [&](const char* name, std::vector<std::string>& list, const char* help) {
    command.add_option(name, list, help)->allow_extra_args(false)->type_name("TEXT")->group("Placement");
  };
  const auto add_text = [&](const char* name, std::string& text, const char* help) {
    command.add_option(name, text, help)->group("Placement");
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
  add_text("--propagation-rule", arguments.propagation_rule,
           "How quantizers of branches merge: 0 to 3, or a name such as MERGE_ALL_IN_ONE (3, the default)");
  command.add_flag("--quantize-outputs", arguments.quantize_outputs, "Quantize what the model returns, too")
      ->group("Placement");
  add_list("--ignored-names", arguments.ignored_names, "Operation that stays in floating point; may be repeated");
  add_list("--ignored-patterns", arguments.ignored_patterns, "Regular expression for such names; may be repeated");
  add_list("--ignored-types", arguments.ignored_types, "Type of such operations; may be repeated");
  command.add_flag("--no-ignored-validation", arguments.no_ignored_validation, "Accept --ignored-* that match nothing")
      ->group("Placement");
}

void add_common_options(CLI::App& command, std::filesystem::path& model, bool& json, bool& quiet) {
  command.add_option("MODEL", model, "ONNX file (.onnx) or OpenVINO IR (.xml)")->required();
  command.add_flag("--json", json, "Print the result as one JSON object");
  command.add_flag("-q,--quiet", quiet, "Warnings and errors only on standard error");
}

void add_output_options(CLI::App& command, std::filesystem::path& output, std::string& to) {
  command.add_option("-o,--output", output, "The quantized model, ending in .onnx or .xml")->required();
  command.add_option("--to", to, "Its format, and where all work is done: onnx or openvino; default: by its ending")
      ->type_name("FORMAT");
}

CLI::App* add_quantize(CLI::App& app, Arguments& arguments) {
  QuantizeCommand& values = arguments.quantize;
  CLI::App* command =
      app.add_subcommand("quantize", "Quantize a model; with --metric, keep the metric within --max-drop");
  add_common_options(*command, values.model, values.json, arguments.quiet);
  command->add_option("--calibration", values.calibration, ".npz with an array per model input")->required();
  add_output_options(*command, values.output, values.to);
  command->add_option("--report", values.report,
                      "Write the report: a page for people where it ends in .html, otherwise JSON");
  command->add_option("--plan", values.plan, "Write the plan as JSON, for 'tightrope apply'");
  command->add_option("--subset-size", arguments.subset_size, "Calibration items that are used")->capture_default_str();
  command->add_option("--batch", values.batch, "Entries of the arrays that make one item")->capture_default_str();
  command->add_option("--statistics", arguments.statistics,
                      "File to reuse what calibration observes from; written where it does not exist, or lacks some");
  command->add_option("--range-estimator", arguments.range_estimator,
                      fmt::format("How ranges of activations are found: {}", fmt::join(estimator_names(), ", ")));
  command->add_option("--labels", values.labels, "Array of the data that holds labels or targets");
  command->add_flag("--no-bias-correction", arguments.no_bias_correction, "Leave biases as they are");
  command->add_flag("--accurate-bias-correction", arguments.accurate_bias_correction,
                    "Measure what biases need on the quantized model");
  command->add_flag("--weight-rounding,!--no-weight-rounding", arguments.weight_rounding,
                    "Round all weights by the data, or none; default: those of layers that lose much");
  command->add_flag("--channel-alignment", arguments.channel_alignment,
                    "Give the channels between convolutions equal ranges first");
  command->add_option("--smooth-quant-alpha", arguments.smooth_quant_alpha,
                      "Share of the outliers of products' data that goes to weights, 0 to 1; -1: none; default: 0.95");
  command->add_option("--smooth-quant-alpha-convolution", arguments.smooth_quant_alpha_convolution,
                      "The same for convolutions; default: -1");

  const std::string control = "Accuracy control";
  auto* metric =
      command->add_option("--metric", values.metric, fmt::format("{}", fmt::join(built_in_metric_names(), ", ")))
          ->group(control);
  auto* validation = command
                         ->add_option("--validation", values.validation,
                                      ".npz as for --calibration, with labels where "
                                      "the metric needs them")
                         ->group(control);
  metric->needs(validation);
  validation->needs(metric);
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command->add_option(name, value, help)->needs(metric)->group(control);
  };
  add("--max-drop", values.accuracy.max_drop, "The largest drop of the metric")->capture_default_str();
  add("--drop-type", arguments.drop_type, "absolute, or relative to the original metric")->capture_default_str();
  add("--device", values.accuracy.validation_device,
      "Device that validates; for ONNX an execution provider, such as CPU or CUDA")
      ->capture_default_str();
  add("--precision", arguments.precision,
      "Its precision of operations not in 8 bits: f32, bf16, f16, or default; for ONNX f32 or default")
      ->capture_default_str();
  add("--max-validations", arguments.max_validations, "Validations after the first two");
  add("--objective", arguments.objective,
      "What the search keeps: the most operations in 8 bits, or the least latency (operations, latency)")
      ->capture_default_str();
  command
      ->add_flag("--tune-hyperparams", values.accuracy.tune_hyperparams,
                 "Try other ranges, levels and biases before anything is reverted")
      ->needs(metric)
      ->group(control);
  add("--time-budget", values.accuracy.time_budget, "Seconds for the whole job; the best model found in time is saved");
  add("--work-dir", values.accuracy.work_dir,
      "Folder that keeps what was measured: the same call goes on where an earlier one ended");
  const auto add_flag = [&](const char* name, auto& value, const char* help) {
    return command->add_flag(name, value, help)->needs(metric)->group(control);
  };
  add_flag("--early-stopping,!--no-early-stopping", values.accuracy.early_stopping,
           "Judge candidates on a part of the items where that settles it; the default");
  add_flag("--measure-deployed", values.accuracy.measure_deployed,
           "Measure the result once more in the precision that the device chooses by itself");
  add("--ranking-subset-size", values.accuracy.ranking_subset_size, "Items that rank the operations");
  add("--restore-mode", arguments.restore_mode, "activations_and_weights, or only_activations")->capture_default_str();
  add_placement_options(*command, arguments.placement);
  return command;
}

CLI::App* add_inspect(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("inspect", "Show what would be quantized, without data");
  add_common_options(*command, arguments.inspect.model, arguments.inspect.json, arguments.quiet);
  command
      ->add_option("--to", arguments.inspect.to, "Format of the result: onnx or openvino; default: that of the model")
      ->type_name("FORMAT");
  command->add_option("--explain", arguments.inspect.explain, "Operation to explain: which rule decided, and why")
      ->type_name("NAME");
  add_placement_options(*command, arguments.placement);
  command->get_option("--placement")->description("lean or reference alone, with its quantizers; default: both");
  return command;
}

CLI::App* add_apply(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("apply", "Quantize a model by a plan that was saved with --plan");
  add_common_options(*command, arguments.apply.model, arguments.apply.json, arguments.quiet);
  command->add_option("PLAN", arguments.apply.plan, "Plan as JSON")->required();
  add_output_options(*command, arguments.apply.output, arguments.apply.to);
  return command;
}

CLI::App* add_report(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("report", "Show the report of a run, or write it as a page for people");
  command->add_option("RUN", arguments.report.run, "Report as JSON, or a model that Tightrope made (.onnx, .xml)")
      ->required();
  command->add_option("-o,--output", arguments.report.output, "Write the page, ending in .html, instead of printing");
  command->add_flag("--json", arguments.report.json, "Print the report as JSON");
  command->add_flag("-q,--quiet", arguments.quiet, "Warnings and errors only on standard error");
  return command;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

// Both ends of a range, by the name of the pair.
nlohmann::json range_estimator(const std::string& name) {
  const auto* const found = std::ranges::find(kEstimators, name, &Estimator::name);
  if (found == std::end(kEstimators)) {
    throw InvalidArgument(
        fmt::format("option 'range-estimator' is '{}'; {} is needed", name, fmt::join(estimator_names(), " or ")));
  }
  const auto end = [](const char* statistic, const char* aggregator) {
    return nlohmann::json{{"statistics_type", statistic}, {"aggregator_type", aggregator}};
  };
  return {{"min", end(found->low, found->low_aggregator)}, {"max", end(found->high, found->high_aggregator)}};
}

QuantizeOptions quantize_options(const Arguments& arguments) {
  const PlacementArguments& typed = arguments.placement;
  nlohmann::json json = {{"subset_size", arguments.subset_size},
                         {"fast_bias_correction", !arguments.accurate_bias_correction},
                         {"ignored_scope",
                          {{"names", typed.ignored_names},
                           {"patterns", typed.ignored_patterns},
                           {"types", typed.ignored_types},
                           {"validate", !typed.no_ignored_validation}}},
                         {"advanced_parameters",
                          {{"disable_bias_correction", arguments.no_bias_correction},
                           {"disable_channel_alignment", !arguments.channel_alignment},
                           {"quantize_outputs", typed.quantize_outputs}}}};
  const auto add = [](nlohmann::json& into, const char* name, const std::string& text) {
    if (!text.empty()) into[name] = text;
  };
  if (!arguments.range_estimator.empty())
    json["advanced_parameters"]["activations_range_estimator_params"] = range_estimator(arguments.range_estimator);
  if (arguments.quantize.batch > 1) json["advanced_parameters"]["batchwise_statistics"] = true;
  add(json, "statistics_path", arguments.statistics);
  if (arguments.weight_rounding) json["weight_rounding"] = *arguments.weight_rounding;
  add(json, "placement", typed.placement);
  add(json, "mode", typed.mode);
  add(json, "preset", typed.preset);
  add(json, "model_type", typed.model_type);
  add(json, "target_device", upper(typed.target_device));
  nlohmann::json& alphas = json["advanced_parameters"]["smooth_quant_alphas"];
  if (arguments.smooth_quant_alpha) alphas["matmul"] = *arguments.smooth_quant_alpha;
  if (arguments.smooth_quant_alpha_convolution) alphas["convolution"] = *arguments.smooth_quant_alpha_convolution;
  add(json["advanced_parameters"], "overflow_fix", typed.overflow_fix);
  add(json["advanced_parameters"], "quantizer_propagation_rule", upper(typed.propagation_rule));
  return quantize_options_from_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

AccuracyOptions accuracy_options(const Arguments& arguments) {
  const std::vector<std::string> precisions = {"f32", "bf16", "f16", "default"};
  if (std::ranges::find(precisions, arguments.precision) == precisions.end()) {
    throw InvalidArgument(
        fmt::format("option 'precision' is '{}'; {} is needed", arguments.precision, fmt::join(precisions, " or ")));
  }
  const nlohmann::json json = {{"drop_type", arguments.drop_type},
                               {"objective", arguments.objective},
                               {"advanced_accuracy_restorer_parameters", {{"restore_mode", arguments.restore_mode}}}};
  AccuracyOptions options =
      accuracy_options_from_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const AccuracyOptions& typed = arguments.quantize.accuracy;
  options.max_drop = typed.max_drop;
  options.ranking_subset_size = typed.ranking_subset_size;
  options.validation_device = typed.validation_device;
  options.validation_precision = arguments.precision == "default" ? "" : arguments.precision;
  options.time_budget = typed.time_budget;
  options.work_dir = typed.work_dir;
  options.early_stopping = typed.early_stopping;
  options.measure_deployed = typed.measure_deployed;
  options.max_num_iterations = arguments.max_validations.value_or(options.max_num_iterations);
  options.tune_hyperparams = typed.tune_hyperparams;
  check(options);
  return options;
}

// Runs the chosen command; an exit code for everything that may go wrong on the way.
int run_command(const CLI::App& chosen, Arguments& arguments, std::ostream& out, std::ostream& err) {
  const Terminal::Style style = style_for(err);
  const auto fail = [&](int code, std::string_view message) {
    write_error(err, style, message);
    return code;
  };
  try {
    std::optional<std::string> shortfall;
    {
      const Terminal terminal(err, style, arguments.quiet);
      if (chosen.get_name() == "quantize") {
        arguments.quantize.options = quantize_options(arguments);
        arguments.quantize.accuracy = accuracy_options(arguments);
        shortfall = quantize_file(arguments.quantize, out);
      } else if (chosen.get_name() == "inspect") {
        arguments.inspect.options = quantize_options(arguments);
        arguments.inspect.both_placements = arguments.placement.placement.empty();
        inspect_file(arguments.inspect, out);
      } else if (chosen.get_name() == "report") {
        report_of_run(arguments.report, out);
      } else {
        apply_to_file(arguments.apply, out);
      }
    }
    if (!out.flush()) return fail(kCannotWrite, "cannot write the result to standard output");
    return shortfall ? fail(kLimitNotMet, *shortfall) : kDone;
  } catch (const Cancelled& error) {
    return fail(kInterrupted, error.what());
  } catch (const InvalidArgument& error) {
    return fail(kBadArguments, error.what());
  } catch (const IoError& error) {
    return fail(error.writing() ? kCannotWrite : kCannotRead, error.what());
  } catch (const Error& error) {
    return fail(kCannotQuantize, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kCannotQuantize, "there is not enough memory");
  } catch (const std::exception& error) {
    return fail(kCannotQuantize, fmt::format("unexpected: {}", error.what()));
  }
}

// All of the help: the commands, then the options of each.
std::string full_help(const std::vector<CLI::App*>& commands) {
  std::string text(kShortHelp);
  for (const CLI::App* command : commands) {
    text += fmt::format("\ntightrope {}\n{}", command->get_name(), command->help("tightrope"));
  }
  return text + "\n" + std::string(kFooter) + "\n";
}

int run_parsed(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  Arguments values;
  CLI::App app("", "tightrope");
  app.set_version_flag("--version", "tightrope " TIGHTROPE_VERSION);
  const std::vector<CLI::App*> commands = {add_quantize(app, values), add_inspect(app, values), add_apply(app, values),
                                           add_report(app, values)};
  if (arguments.empty()) {
    err << kShortHelp << std::flush;
    return kBadArguments;
  }
  const auto command_named = [&](const CLI::App* command) { return command->get_name() == arguments.front(); };
  const auto chosen = std::ranges::find_if(commands, command_named);
  try {
    if (chosen == commands.end() && !arguments.front().starts_with('-')) {
      throw CLI::ExtrasError(
          fmt::format("there is no command '{}'; the commands are quantize, inspect, apply and report",
                      arguments.front()),
          CLI::ExitCodes::ExtrasError);
    }
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    out << (chosen == commands.end() ? full_help(commands)
                                     : fmt::format("{}\n{}\n", (*chosen)->help("tightrope"), kFooter))
        << std::flush;
    return kDone;
  } catch (const CLI::CallForVersion& version) {
    out << version.what() << '\n' << std::flush;
    return kDone;
  } catch (const CLI::ParseError& error) {
    const std::string help =
        chosen == commands.end() ? "tightrope -h" : fmt::format("tightrope {} -h", arguments.front());
    write_error(err, style_for(err), fmt::format("{}; see '{}'", error.what(), help));
    return kBadArguments;
  }
  if (chosen == commands.end()) {
    err << kShortHelp << std::flush;
    return kBadArguments;
  }
  return run_command(**chosen, values, out, err);
}

}  // namespace

int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  forget_interrupt();
  try {
    return run_parsed(arguments, out, err);
  } catch (const std::exception& error) {
    write_error(err, Terminal::Style::kPlain, error.what());
    return kCannotQuantize;
  }
}

}  // namespace tightrope::cli
