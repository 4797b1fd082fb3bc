// SPDX-License-Identifier: Apache-2.0
#include "accuracy/ranking.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>

#include "base/output_error.h"
#include "base/reading.h"
#include "base/stopwatch.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// Compiles what comes next while the present one runs: on small models compiling takes longer than running.
class Candidates {
 public:
  Candidates(const Model& model, const Plan& plan, std::span<const Group> groups, const CompileOptions& options,
             RestoreMode mode)
      : model_(model), plan_(plan), groups_(groups), options_(options), mode_(mode) {
    options_.throughput = true;
    begin(groups.size());
  }

  // With all groups reverted but this one, or, behind the last one, with all of them. Then begins with `next`.
  std::unique_ptr<Session> take(std::optional<std::size_t> next) {
    auto session = session_.get();
    if (next) begin(*next);
    return session;
  }

 private:
  void begin(std::size_t quantized) {
    session_ = std::async(std::launch::async, [this, quantized] {
      std::vector<bool> reverted(groups_.size(), true);
      if (quantized < groups_.size()) reverted[quantized] = false;
      return model_.apply(without(plan_, groups_, reverted, mode_))->compile(options_);
    });
  }

  const Model& model_;
  const Plan& plan_;
  std::span<const Group> groups_;
  CompileOptions options_;
  RestoreMode mode_;
  std::future<std::unique_ptr<Session>> session_;  // its end is waited for where it is destroyed
};

}  // namespace

std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode,
                                const std::function<bool(double seconds)>& has_time) {
  if (samples.empty()) throw InvalidArgument("[ranking] there are no samples; at least one is needed.");
  Candidates candidates(model, plan, groups, options, mode);
  std::size_t inferences = 0;
  const auto run = [&](std::optional<std::size_t> next, const auto& done) {
    const auto session = candidates.take(next);
    session->run_all(reader_of(samples), "ranking", [&](std::size_t index, std::vector<Tensor> outputs) {
      done(index, std::move(outputs));
      progress("ranking", ++inferences, (groups.size() + 1) * samples.size());
    });
  };
  const auto next_of = [&](std::size_t g) { return g < groups.size() ? std::optional(g) : std::nullopt; };

  std::vector<std::vector<Tensor>> reference(samples.size());
  run(next_of(0), [&](std::size_t index, std::vector<Tensor> outputs) { reference[index] = std::move(outputs); });

  std::vector<double> scores;
  double slowest = 0;
  for (std::size_t g = 0; g < groups.size() && (!has_time || has_time(slowest)); ++g) {
    const Stopwatch watch;
    double sum = 0;
    run(next_of(g + 1),
        [&](std::size_t index, const std::vector<Tensor>& outputs) { sum += output_error(outputs, reference[index]); });
    scores.push_back(sum / static_cast<double>(samples.size()));
    slowest = std::max(slowest, watch.seconds());
  }
  return scores;
}

}  // namespace tightrope
