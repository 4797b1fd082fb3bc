// SPDX-License-Identifier: Apache-2.0
#include "timing.h"

#include <algorithm>
#include <chrono>

#include "terminal.h"
#include "tightrope/log.h"

namespace tightrope::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Sessions = std::vector<std::unique_ptr<Session>>;

constexpr std::size_t kTurnItems = 64;  // of throughput: enough to fill parallel requests

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Sessions compiled(std::span<const std::unique_ptr<Model>> models, const Execution& execution, bool throughput) {
  Sessions sessions;
  for (const auto& model : models) {
    stop_if_interrupted();
    sessions.push_back(model->compile({execution.device, execution.precision, throughput}));
  }
  return sessions;
}

// Runs every session in turn until time is up, three times at least. The first turn warms up and does not count.
template <typename Measure>
void take_turns(const Sessions& sessions, double seconds, const char* stage, Measure measure) {
  const auto begin = Clock::now();
  for (std::size_t turn = 0; turn < 4 || seconds_since(begin) < seconds; ++turn) {
    for (std::size_t i = 0; i < sessions.size(); ++i) measure(i, *sessions[i], turn);
    const double spent = std::min(seconds_since(begin), seconds);
    progress(stage, static_cast<std::size_t>(spent * 10), static_cast<std::size_t>(seconds * 10));
  }
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

std::vector<Timing> time_side_by_side(std::span<const std::unique_ptr<Model>> models, std::span<const Sample> items,
                                      const Execution& execution, double seconds, bool with_throughput) {
  std::vector<Timing> timings(models.size());
  std::vector<std::vector<double>> latencies(models.size());
  take_turns(compiled(models, execution, false), seconds, "latency",
             [&](std::size_t i, Session& session, std::size_t turn) {
               const Sample& item = items[turn % items.size()];
               const auto begin = Clock::now();
               session.run(item);
               if (turn > 0) latencies[i].push_back(seconds_since(begin) * 1e3);
             });
  for (std::size_t i = 0; i < models.size(); ++i) {
    timings[i].min = std::ranges::min(latencies[i]);
    timings[i].median = median_of(latencies[i]);
  }
  if (!with_throughput) return timings;
  take_turns(
      compiled(models, execution, true), seconds, "throughput", [&](std::size_t i, Session& session, std::size_t turn) {
        std::size_t given = 0;
        const SampleReader next = [&]() -> std::optional<Sample> {
          if (given == kTurnItems) return std::nullopt;
          return items[given++ % items.size()];
        };
        const auto begin = Clock::now();
        session.run_all(next, "throughput", [](std::size_t, const std::vector<Tensor>&) {});
        if (turn == 0) return;
        timings[i].throughput = std::max(timings[i].throughput, static_cast<double>(kTurnItems) / seconds_since(begin));
      });
  return timings;
}

}  // namespace tightrope::cli
