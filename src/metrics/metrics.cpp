// SPDX-License-Identifier: Apache-2.0
// The names of metrics, and several of them with one pass over the data.
#include "tightrope/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <utility>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::string_view kProgram = "cmd:";

struct Row {
  std::string_view name;
  bool higher_is_better;
  std::vector<std::string> parameters;
  std::function<std::unique_ptr<Meter>(const Parameters&)> begin;  // empty: agreement with the original
};

const std::vector<Row>& rows() {
  const auto f1 = [](const char* name, Average average) {
    return [=](const Parameters& p) { return begin_f1(name, average, value_or(p, "threshold", 0.5)); };
  };
  static const std::vector<Row> all = {
      {"cer", false, {"blank", "pad"}, [](const auto& p) { return begin_error_rate(false, p); }},
      {"cosine", true, {}, {}},
      {"f1", true, {"threshold"}, f1("f1", Average::kBinary)},
      {"f1_macro", true, {"threshold"}, f1("f1_macro", Average::kMacro)},
      {"f1_micro", true, {"threshold"}, f1("f1_micro", Average::kMicro)},
      {"map", true, {"scores"}, [](const auto& p) { return begin_precision(value_or(p, "scores", -1)); }},
      {"miou", true, {"ignore"}, [](const auto& p) { return begin_iou(value_or(p, "ignore", 255)); }},
      {"mse", false, {}, [](const auto&) { return begin_mse(); }},
      {"pearson", true, {}, [](const auto&) { return begin_correlation(false); }},
      {"psnr", true, {}, [](const auto&) { return begin_psnr(); }},
      {"spearman", true, {}, [](const auto&) { return begin_correlation(true); }},
      {"sqnr", true, {}, {}},
      {"ssim", true, {}, [](const auto&) { return begin_ssim(); }},
      {"top1", true, {}, [](const auto&) { return begin_top(1); }},
      {"top5", true, {}, [](const auto&) { return begin_top(5); }},
      {"wer", false, {"blank", "pad", "separator"}, [](const auto& p) { return begin_error_rate(true, p); }},
  };
  return all;
}

[[noreturn]] void refuse_name(const std::string& name) {
  throw InvalidArgument(fmt::format("there is no metric '{}'; the known ones are {} and 'cmd:PROGRAM'", name,
                                    fmt::join(built_in_metric_names(), ", ")));
}

Row row_named(const std::string& name) {
  const auto found = std::ranges::find(rows(), name, &Row::name);
  if (found != rows().end()) return *found;
  std::size_t count = 0;
  const bool is_top = name.starts_with("top");
  const auto [end, error] =
      std::from_chars(name.data() + std::min<std::size_t>(3, name.size()), name.data() + name.size(), count);
  if (!is_top || error != std::errc() || end != name.data() + name.size() || count == 0) refuse_name(name);
  return {name, true, {}, [count](const auto&) { return begin_top(count); }};
}

// "blank=28,separator=0"
Parameters parameters_in(std::string_view text, const Row& row) {
  Parameters parameters;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::size_t mark = std::min(one.find('='), one.size());
    const std::string name(one.substr(0, mark));
    if (std::ranges::find(row.parameters, name) == row.parameters.end()) {
      throw InvalidArgument(
          fmt::format("the metric '{}' has no parameter '{}'; it has {}", row.name, name,
                      row.parameters.empty() ? "none" : fmt::format("{}", fmt::join(row.parameters, ", "))));
    }
    const std::string_view number = one.substr(std::min(mark + 1, one.size()));
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (number.empty() || error != std::errc() || end != number.data() + number.size() || !std::isfinite(value)) {
      throw InvalidArgument(
          fmt::format("parameter '{}' of the metric '{}' is '{}'; a number is needed", name, row.name, number));
    }
    parameters[name] = value;
  }
  return parameters;
}

struct Running {
  std::string name;
  std::unique_ptr<Meter> meter;
};

void run(std::vector<Running>& running, Session& session, const Dataset& data) {
  SampleReader reader = data.read();
  for (const Running& one : running) reader = one.meter->watch(std::move(reader));
  std::deque<Sample> waiting;  // handed to the model, outputs not seen yet
  const SampleReader next = [&]() {
    std::optional<Sample> sample = reader();
    if (sample) waiting.push_back(*sample);
    return sample;
  };
  std::size_t items = 0;
  session.run_all(next, "validation", [&](std::size_t item, const std::vector<Tensor>& outputs) {
    if (waiting.empty() || outputs.empty())
      throw InternalError(item_name(running.front().name, item) + " has no outputs");
    const Sample sample = std::move(waiting.front());
    waiting.pop_front();
    for (const Running& one : running) one.meter->add(item, sample, outputs);
    ++items;
  });
  if (items == 0) {
    throw InvalidArgument(
        fmt::format("[metric {}] the validation data holds no items; at least one is needed", running.front().name));
  }
}

std::vector<Running> begin(const std::vector<Metric>& metrics) {
  std::vector<Running> running;
  for (const Metric& metric : metrics) {
    if (metric.begin) running.push_back({metric.name, metric.begin()});
  }
  return running;
}

void add_to(std::map<std::string, double>& all, const std::string& name, double value) {
  if (!all.emplace(name, value).second)
    throw InvalidArgument(fmt::format("the metric '{}' is there twice; different names are needed", name));
}

void check_names(const std::vector<Metric>& metrics) {
  std::map<std::string, double> names;
  for (const Metric& metric : metrics) {
    if (!metric.program) add_to(names, metric.name, 0);
  }
}

struct Described {
  Metric metric;
  bool compares = false;  // with the original, which gives it its beginning
};

Described described(const std::string& text) {
  if (text.starts_with(kProgram)) {
    const std::string command = text.substr(kProgram.size());
    if (command.find_first_not_of(' ') == std::string::npos)
      throw InvalidArgument("the metric 'cmd:' names no program; 'cmd:PROGRAM {model}' is needed");
    Metric metric{.name = "cmd", .needs_labels = false};
    metric.program = [command](const Model& model) { return run_program(command, model); };
    return {std::move(metric), false};
  }
  const std::size_t mark = std::min(text.find(':'), text.size());
  const std::string name = text.substr(0, mark);
  const Row row = row_named(name);
  const Parameters parameters = parameters_in(std::string_view(text).substr(std::min(mark + 1, text.size())), row);
  Metric metric{.name = name, .higher_is_better = row.higher_is_better, .needs_labels = static_cast<bool>(row.begin)};
  if (row.begin) metric.begin = [begin = row.begin, parameters] { return begin(parameters); };
  return {std::move(metric), !row.begin};
}

}  // namespace

std::vector<std::string> built_in_metric_names() {
  std::vector<std::string> names;
  for (const Row& row : rows()) names.emplace_back(row.name);
  return names;
}

void check_metric_name(const std::string& name) { described(name); }

Metric built_in_metric(const std::string& name, const Model& original) {
  auto [metric, compares] = described(name);
  if (compares) metric.begin = agreement_with(original, metric.name == "sqnr");
  if (!metric.begin) return metric;
  metric.validate = validation_of({metric});
  return metric;
}

ValidationFn validation_of(std::vector<Metric> metrics) {
  check_names(metrics);
  if (std::ranges::any_of(metrics, [](const Metric& metric) { return bool(metric.program); }))
    throw InvalidArgument("a program measures models, not what they return; model_validation_of() is needed");
  return [metrics = std::move(metrics)](Session& session, const Dataset& data) {
    std::vector<Running> running = begin(metrics);
    run(running, session, data);
    if (running.size() == 1) return running.front().meter->result();
    std::map<std::string, double> all;
    for (const Running& one : running) add_to(all, one.name, one.meter->result().metric);
    return Validation(std::move(all));
  };
}

ModelValidationFn model_validation_of(std::vector<Metric> metrics, CompileOptions options) {
  check_names(metrics);
  const auto programs = std::ranges::stable_partition(metrics, [](const Metric& metric) { return !metric.program; });
  const std::vector<Metric> of_outputs(metrics.begin(), programs.begin());
  const std::vector<Metric> of_programs(programs.begin(), programs.end());
  return [=](const Model& model, const Dataset& data) {
    Validation found = 0.0;
    if (!of_outputs.empty()) found = validation_of(of_outputs)(*model.compile(options), data);
    if (of_programs.empty()) return found;
    if (of_outputs.size() == 1) found.metrics = {{of_outputs.front().name, found.metric}};
    for (const Metric& metric : of_programs) {
      const std::map<std::string, double> numbers = metric.program(model);
      if (metrics.size() == 1 && numbers.contains("")) return Validation(numbers.at(""));
      for (const auto& [name, value] : numbers) add_to(found.metrics, name.empty() ? metric.name : name, value);
    }
    return Validation(found.metrics);
  };
}

}  // namespace tightrope
