// SPDX-License-Identifier: Apache-2.0
// The command 'sensitivity': which groups of operations suffer from 8 bits.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.h"
#include "data.h"
#include "files.h"
#include "formats.h"
#include "pipeline/with_workers.h"

namespace tightrope::cli {

void rank_operations(const SensitivityCommand& command, std::ostream& out) {
  check_input(command.model, "model");
  check_data(command.calibration, "calibration data");
  const auto model = read_model(command.model, format_for(command.model, command.to));
  const auto data = read_data(command.calibration, inputs_of(model->graph()), command.data);
  const std::vector<GroupRecord> groups =
      sensitivity(*model, *data, command.options, command.accuracy, command.elsewhere);
  if (command.json) {
    nlohmann::ordered_json json{{"model", command.model.string()}, {"groups", nlohmann::ordered_json::array()}};
    for (const GroupRecord& group : groups)
      json["groups"].push_back({{"score", group.score}, {"operations", group.operations}});
    print(json, out);
    return;
  }
  out << "score: error of the outputs, 0 to 1, with this group alone in 8 bits\n";
  for (const GroupRecord& group : groups)
    out << fmt::format("{:.6f}  {}\n", group.score, fmt::join(group.operations, ", "));
}

}  // namespace tightrope::cli
