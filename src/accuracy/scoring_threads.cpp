// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "accuracy/ranking.h"

namespace tightrope {
namespace {

struct Scored {
  std::size_t group = 0;
  double score = 0;
  std::exception_ptr error;
};

// What the threads have scored and nobody has taken yet.
class Results {
 public:
  void put(const Scored& scored) {
    const std::lock_guard lock(mutex_);
    scored_.push_back(scored);
    changed_.notify_one();
  }

  Scored take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !scored_.empty(); });
    const Scored first = scored_.front();
    scored_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Scored> scored_;
};

Scored score(GroupScorer& scorer, std::size_t group) {
  try {
    return {group, scorer.score(group), nullptr};
  } catch (...) {
    return {group, 0, std::current_exception()};
  }
}

// Leaves nothing to begin with, however the scope is left.
struct EndOfWork {
  std::atomic<std::size_t>& next;
  std::size_t end;
  ~EndOfWork() { next = end; }
};

}  // namespace

ScoreElsewhere scoring_threads(int count) {
  if (count < 2) return {};
  return [count](const Ranking& ranking, const std::function<bool(std::size_t, double)>& done) {
    const std::size_t groups = ranking.groups.size();
    GroupScorer scorer(ranking);
    Results results;
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;  // joined before the rest goes, however this ends
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        for (std::size_t g = next++; g < groups; g = next++) results.put(score(scorer, g));
      });
    }
    const EndOfWork end{next, groups};
    for (std::size_t i = 0; i < groups; ++i) {
      const Scored scored = results.take();
      if (scored.error) std::rethrow_exception(scored.error);
      if (!done(scored.group, scored.score)) return;
    }
  };
}

}  // namespace tightrope
