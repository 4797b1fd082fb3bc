// SPDX-License-Identifier: Apache-2.0
// The command 'validate': metrics of any model.
#include <fmt/format.h>

#include "commands.h"
#include "data.h"
#include "files.h"
#include "formats.h"
#include "tightrope/error.h"

namespace tightrope::cli {

void validate_file(const ValidateCommand& command, std::ostream& out) {
  check_metrics(command.metrics, command.validation);
  for (const std::string& metric : command.metrics) {
    if (needs_original(metric) && command.original.empty()) {
      throw InvalidArgument(fmt::format(
          "the metric '{}' compares with the outputs of the original; name that model with --original", metric));
    }
  }
  check_input(command.model, "model");
  if (!command.original.empty()) check_input(command.original, "original");
  if (!command.validation.empty()) check_data(command.validation, "validation data");
  const auto model = read_model(command.model, format_for(command.model, command.to));
  const auto original =
      command.original.empty() ? nullptr : read_model(command.original, format_for(command.original, command.to));
  const std::vector<Metric> metrics =
      metrics_named(command.metrics, original ? *original : *model, command.data, command.validation);
  const auto data = command.validation.empty() ? dataset_of({})
                                               : read_data(command.validation, inputs_of(model->graph()), command.data);
  const Validation measured =
      model_validation_of(metrics, {command.execution.device, command.execution.precision, true})(*model, *data);
  std::map<std::string, double> numbers = measured.metrics;
  if (numbers.empty()) numbers = {{metrics.front().name, measured.metric}};
  if (command.json) {
    print({{"model", command.model.string()}, {"metrics", numbers}}, out);
    return;
  }
  for (const auto& [name, number] : numbers) out << fmt::format("{}: {:.6g}\n", name, number);
}

}  // namespace tightrope::cli
