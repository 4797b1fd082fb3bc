// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "commands.h"
#include "completion.h"
#include "config.h"
#include "files.h"
#include "suggestions.h"
#include "terminal.h"
#include "tightrope/error.h"

namespace tightrope::cli {
namespace {

constexpr std::string_view kShortHelp =
    R"(tightrope quantizes OpenVINO and ONNX models to 8 bits and keeps your metric within your limit.

  tightrope quantize MODEL --calibration DATA -o OUT            8 bits, without measuring
  tightrope quantize MODEL --calibration DATA --validation DATA \
            --metric top1 --labels NAME --max-drop 0.01 -o OUT  8 bits, within the limit
  tightrope validate MODEL --validation DATA --metric top1      a metric of any model
  tightrope inspect, sensitivity, compare, bench, apply, report, resume, completion

OUT is .onnx or .xml; DATA .npz, .npy, a folder of pictures, a list. 'tightrope -h' shows every option.
)";

constexpr std::string_view kFooter =
    "--config FILE.toml gives the same options; --print-config writes such a file instead of running.\n"
    "Exit codes: 0 done, limit met; 1 cannot quantize or run; 2 bad arguments; 3 limit not met (the best model was\n"
    "saved); 4 cannot read, or a metric's program failed; 5 time budget ended before the limit was met (the best "
    "model\n"
    "was saved); 6 cannot write; 130 interrupted. Results go to standard output, messages and progress to standard\n"
    "error.";

constexpr std::string_view kOtherCommands =
    "\ntightrope resume WORK_DIR [OPTIONS]\nGo on with a run that was given --work-dir; options replace those of the "
    "run.\n"
    "\ntightrope completion bash|zsh|fish\nPrint what completes commands and options in a shell: source it there.\n";

std::optional<Shortfall> run_chosen(const CLI::App& chosen, Arguments& arguments, std::ostream& out) {
  const std::string& name = chosen.get_name();
  if (name == "quantize") {
    arguments.quantize.options = quantize_options(arguments);
    arguments.quantize.accuracy = accuracy_options(arguments);
    arguments.quantize.direction_given = !arguments.limits.higher_is_better.empty();
    arguments.quantize.data = arguments.data;
    arguments.quantize.configuration = to_toml(chosen);
    return quantize_file(arguments.quantize, out);
  }
  if (name == "inspect") {
    arguments.inspect.options = quantize_options(arguments);
    arguments.inspect.both_placements = arguments.placement.placement.empty();
    inspect_file(arguments.inspect, out);
  } else if (name == "validate") {
    arguments.validate.data = arguments.data;
    arguments.validate.execution = execution_of(arguments);
    validate_file(arguments.validate, out);
  } else if (name == "sensitivity") {
    arguments.sensitivity.options = quantize_options(arguments);
    arguments.sensitivity.accuracy = accuracy_options(arguments);
    arguments.sensitivity.data = arguments.data;
    rank_operations(arguments.sensitivity, out);
  } else if (name == "compare") {
    arguments.compare.data = arguments.data;
    arguments.compare.execution = execution_of(arguments);
    compare_files(arguments.compare, out);
  } else if (name == "bench") {
    arguments.bench.data = arguments.data;
    arguments.bench.execution = execution_of(arguments);
    bench_files(arguments.bench, out);
  } else if (name == "report") {
    report_of_run(arguments.report, out);
  } else {
    apply_to_file(arguments.apply, out);
  }
  return std::nullopt;
}

ScoreElsewhere elsewhere(const LimitArguments& typed, const Cluster& cluster) {
  if (typed.dask.empty()) return {};
  if (cluster) return cluster(typed.dask);
  throw InvalidArgument(
      "option 'dask' needs Python, which this program does without; install the packages tightrope and distributed "
      "('pip install tightrope distributed') and run the 'tightrope' that comes with them");
}

// An exit code for everything that may go wrong on the way.
int run_command(const CLI::App& chosen, Arguments& arguments, std::ostream& out, std::ostream& err,
                const Cluster& cluster) {
  const Terminal::Style style = style_for(err);
  const auto fail = [&](int code, std::string_view message) {
    write_error(err, style, message);
    return code;
  };
  try {
    std::optional<Shortfall> shortfall;
    arguments.quantize.elsewhere = arguments.sensitivity.elsewhere = elsewhere(arguments.limits, cluster);
    {
      const Terminal terminal(err, style, arguments.quiet);
      shortfall = run_chosen(chosen, arguments, out);
    }
    if (!out.flush()) return fail(kCannotWrite, "cannot write the result to standard output");
    if (!shortfall) return kDone;
    return fail(shortfall->out_of_time ? kOutOfTime : kLimitNotMet, shortfall->sentence);
  } catch (const Cancelled& error) {
    return fail(kInterrupted, error.what());
  } catch (const InvalidArgument& error) {
    return fail(kBadArguments, error.what());
  } catch (const MetricError& error) {
    return fail(kCannotRead, error.what());
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
  return text + std::string(kOtherCommands) + "\n" + std::string(kFooter) + "\n";
}

// Names of commands, with those that have no options.
std::vector<std::string> command_names(const std::vector<CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  names.insert(names.end(), {"resume", "completion"});
  return names;
}

// The first option that the command does not have, with a suggestion.
std::string meant_in(std::span<const std::string> arguments, const CLI::App& command) {
  for (const std::string& argument : arguments) {
    const std::string option = argument.substr(0, argument.find('='));
    if (!option.starts_with("--") || command.get_option_no_throw(option) != nullptr) continue;
    const std::string meant = suggestion_for(option, command);
    if (!meant.empty()) return fmt::format("; {} is no option{}", option, meant);
  }
  return {};
}

int run_parsed(std::span<const std::string> typed, std::ostream& out, std::ostream& err, const Cluster& cluster) {
  if (typed.empty()) {
    err << kShortHelp << std::flush;
    return kBadArguments;
  }
  std::vector<std::string> arguments;
  for (const std::string& argument : typed) arguments.push_back(with_hyphens(argument));
  Arguments values;
  CLI::App app("", "tightrope");
  app.set_version_flag("--version", "tightrope " TIGHTROPE_VERSION);
  const std::vector<CLI::App*> commands = add_commands(app, values);
  bool print_config = false;
  app.add_flag("--print-config", print_config);
  const auto chosen =
      std::ranges::find(commands, arguments.front(), [](const CLI::App* command) { return command->get_name(); });
  if (chosen != commands.end()) {
    app.set_config("--config");
    app.config_formatter(std::make_shared<TomlConfig>(**chosen));
    (*chosen)->fallthrough();
  }
  const auto fail = [&](std::string_view message) {
    write_error(err, style_for(err), message);
    return kBadArguments;
  };
  try {
    if (chosen == commands.end() && !arguments.front().starts_with('-')) {
      const std::vector<std::string> names = command_names(commands);
      return fail(fmt::format("there is no command '{}'; the commands are {}{}; see 'tightrope -h'", arguments.front(),
                              fmt::join(names, ", "), suggestion(arguments.front(), names)));
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
    if (chosen == commands.end()) return fail(fmt::format("{}; see 'tightrope -h'", error.what()));
    return fail(
        fmt::format("{}{}; see 'tightrope {} -h'", error.what(), meant_in(arguments, **chosen), arguments.front()));
  }
  if (chosen == commands.end()) {
    err << kShortHelp << std::flush;
    return kBadArguments;
  }
  if (!print_config) return run_command(**chosen, values, out, err, cluster);
  out << to_toml(**chosen) << std::flush;
  return kDone;
}

// "resume WORK_DIR ..." is "quantize --config WORK_DIR/quantize.toml ...".
std::vector<std::string> resumed(std::span<const std::string> arguments) {
  if (arguments.size() < 2 || arguments[1].starts_with('-'))
    throw InvalidArgument("the folder is missing; 'tightrope resume WORK_DIR' is needed");
  const std::filesystem::path configuration = std::filesystem::path(arguments[1]) / kConfigurationName;
  if (!std::filesystem::exists(configuration)) {
    throw IoError(fmt::format("cannot read '{}': there is no such file; the folder of a run with --work-dir is needed",
                              configuration.string()),
                  false);
  }
  std::vector<std::string> result = {"quantize", "--config", configuration.string()};
  result.insert(result.end(), arguments.begin() + 2, arguments.end());
  return result;
}

int run_first(std::span<const std::string> arguments, std::ostream& out, std::ostream& err, const Cluster& cluster) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "resume") return run_parsed(resumed(arguments), out, err, cluster);
  if (first != "completion") return run_parsed(arguments, out, err, cluster);
  Arguments values;
  CLI::App app("", "tightrope");
  out << completion_script(arguments.size() == 2 ? arguments[1] : "", add_commands(app, values)) << std::flush;
  return kDone;
}

}  // namespace

int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err, const Cluster& cluster) {
  forget_interrupt();
  const auto fail = [&](int code, const std::exception& error) {
    write_error(err, style_for(err), error.what());
    return code;
  };
  try {
    return run_first(arguments, out, err, cluster);
  } catch (const InvalidArgument& error) {
    return fail(kBadArguments, error);
  } catch (const IoError& error) {
    return fail(kCannotRead, error);
  } catch (const std::exception& error) {
    return fail(kCannotQuantize, error);
  }
}

}  // namespace tightrope::cli
