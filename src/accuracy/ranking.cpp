// SPDX-License-Identifier: Apache-2.0
#include "accuracy/ranking.h"

#include "base/output_error.h"
#include "base/reading.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {

std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode) {
  if (samples.empty()) throw InvalidArgument("[ranking] there are no samples; at least one is needed.");
  CompileOptions compile_options = options;
  compile_options.throughput = true;
  std::size_t inferences = 0;
  const auto run = [&](const std::vector<bool>& reverted, const auto& done) {
    const auto candidate = model.apply(without(plan, groups, reverted, mode));
    const auto session = candidate->compile(compile_options);
    session->run_all(reader_of(samples), "ranking", [&](std::size_t index, std::vector<Tensor> outputs) {
      done(index, std::move(outputs));
      progress("ranking", ++inferences, (groups.size() + 1) * samples.size());
    });
  };

  std::vector<bool> reverted(groups.size(), true);
  std::vector<std::vector<Tensor>> reference(samples.size());
  run(reverted, [&](std::size_t index, std::vector<Tensor> outputs) { reference[index] = std::move(outputs); });

  std::vector<double> scores;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    double sum = 0;
    reverted[g] = false;
    run(reverted,
        [&](std::size_t index, const std::vector<Tensor>& outputs) { sum += output_error(outputs, reference[index]); });
    reverted[g] = true;
    scores.push_back(sum / static_cast<double>(samples.size()));
  }
  return scores;
}

}  // namespace tightrope
