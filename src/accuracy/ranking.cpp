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

using Outputs = std::vector<std::vector<Tensor>>;  // of each sample
using HasTime = std::function<bool(double seconds)>;

void check(const Ranking& ranking) {
  if (ranking.samples.empty()) throw InvalidArgument("[ranking] there are no samples; at least one is needed.");
}

// All groups reverted but this one, or, behind the last one, all of them.
std::unique_ptr<Model> candidate(const Ranking& ranking, std::size_t quantized) {
  std::vector<bool> reverted(ranking.groups.size(), true);
  if (quantized < reverted.size()) reverted[quantized] = false;
  return ranking.model.apply(without(ranking.plan, ranking.groups, reverted, ranking.mode));
}

std::unique_ptr<Session> compiled(const Model& model, CompileOptions options) {
  options.throughput = true;
  return model.compile(options);
}

Outputs outputs_of(const Ranking& ranking, Session& session, const std::function<void()>& after_each) {
  Outputs all(ranking.samples.size());
  session.run_all(reader_of(ranking.samples), "ranking", [&](std::size_t index, std::vector<Tensor> outputs) {
    all[index] = std::move(outputs);
    after_each();
  });
  return all;
}

double score_of(const Ranking& ranking, Session& session, const Outputs& reference,
                const std::function<void()>& after_each) {
  double sum = 0;
  session.run_all(reader_of(ranking.samples), "ranking", [&](std::size_t index, const std::vector<Tensor>& outputs) {
    sum += output_error(outputs, reference[index]);
    after_each();
  });
  return sum / static_cast<double>(ranking.samples.size());
}

// Compiles what comes next while the present one runs: on small models compiling takes longer than running.
class Ahead {
 public:
  Ahead(const Ranking& ranking, std::size_t first) : ranking_(ranking) { begin(first); }

  // Then begins with `next`.
  std::unique_ptr<Session> take(std::optional<std::size_t> next) {
    auto session = session_.get();
    if (next) begin(*next);
    return session;
  }

 private:
  void begin(std::size_t quantized) {
    session_ = std::async(std::launch::async,
                          [this, quantized] { return compiled(*candidate(ranking_, quantized), ranking_.options); });
  }

  const Ranking& ranking_;
  std::future<std::unique_ptr<Session>> session_;  // its end is waited for where it is destroyed
};

// The scores of one ranking as they become known.
class Scores {
 public:
  Scores(const Ranking& ranking, const HasTime& has_time)
      : ranking_(ranking), has_time_(has_time), scores_(ranking.groups.size()) {}

  void compute(const ScoreElsewhere& elsewhere) {
    const Stopwatch watch;
    double finished = 0;
    count(ranking_.samples.size());  // the reference
    elsewhere(ranking_, [&](std::size_t group, double score) {
      scores_[group] = score;
      count(ranking_.samples.size());
      return go_on(watch.seconds() / ++finished);
    });
  }

  // Those that are missing.
  void compute() {
    std::vector<std::size_t> missing;
    for (std::size_t g = 0; g < scores_.size(); ++g) {
      if (!scores_[g]) missing.push_back(g);
    }
    if (missing.empty() || !has_time_left_) return;
    const std::size_t everything = scores_.size();
    Ahead ahead(ranking_, everything);
    const auto after_each = [&] { count(1); };
    const Outputs reference = outputs_of(ranking_, *ahead.take(missing.front()), after_each);
    double slowest = 0;
    for (std::size_t i = 0; i < missing.size() && go_on(slowest); ++i) {
      const Stopwatch watch;
      const auto session = ahead.take(i + 1 < missing.size() ? std::optional(missing[i + 1]) : std::nullopt);
      scores_[missing[i]] = score_of(ranking_, *session, reference, after_each);
      slowest = std::max(slowest, watch.seconds());
    }
  }

  // Up to the first one that is not known.
  std::vector<double> known() const {
    std::vector<double> known;
    for (auto score = scores_.begin(); score != scores_.end() && *score; ++score) known.push_back(**score);
    return known;
  }

 private:
  bool go_on(double seconds) { return has_time_left_ = has_time_left_ && (!has_time_ || has_time_(seconds)); }

  void count(std::size_t inferences) {
    const std::size_t all = (scores_.size() + 1) * ranking_.samples.size();
    inferences_ = std::min(inferences_ + inferences, all);
    progress("ranking", inferences_, all);
  }

  const Ranking& ranking_;
  const HasTime& has_time_;
  bool has_time_left_ = true;
  std::vector<std::optional<double>> scores_;
  std::size_t inferences_ = 0;
};

}  // namespace

GroupScorer::GroupScorer(const Ranking& ranking) : ranking_(ranking) { check(ranking); }

double GroupScorer::score(std::size_t group) {
  const auto nothing = [] {};
  std::unique_ptr<Model> model;
  {
    const std::lock_guard lock(mutex_);
    if (!reference_) {
      const auto original = compiled(*candidate(ranking_, ranking_.groups.size()), ranking_.options);
      reference_ = outputs_of(ranking_, *original, nothing);
    }
    model = candidate(ranking_, group);
  }
  return score_of(ranking_, *compiled(*model, ranking_.options), *reference_, nothing);
}

std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode,
                                const std::function<bool(double seconds)>& has_time, const ScoreElsewhere& elsewhere) {
  const Ranking ranking{model, plan, groups, samples, options, mode};
  check(ranking);
  Scores scores(ranking, has_time);
  if (elsewhere) scores.compute(elsewhere);
  scores.compute();
  return scores.known();
}

}  // namespace tightrope
