// SPDX-License-Identifier: Apache-2.0
// Who watches a run is told what happens, and can stop it.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "base/stopwatch.h"
#include "tightrope/event.h"
#include "tightrope/report.h"

namespace tightrope {

// Copies belong together: what one of them was answered, all know.
class Watch {
 public:
  Watch() = default;  // nobody watches
  explicit Watch(EventFn function) : state_(std::make_shared<State>()) { state_->function = std::move(function); }

  // An event without a stage gets the one that is under way.
  void tell(Event event) const;

  bool is_stopped() const { return state_ && state_->is_stopped; }

 private:
  struct State {
    EventFn function;
    std::string stage = {};
    bool is_stopped = false;
  };
  std::shared_ptr<State> state_;
};

// Runs one stage of a job and notes in the report how long it took.
template <typename Work>
auto timed(Report& report, const std::string& name, const Watch& watch, const Work& work) {
  watch.tell({.kind = Event::Kind::kStageStarted, .stage = name});
  const Stopwatch stopwatch;
  const auto end = [&] {
    report.stages.push_back({name, stopwatch.seconds()});
    watch.tell({.kind = Event::Kind::kStageEnded, .stage = name, .seconds = report.stages.back().seconds});
  };
  if constexpr (std::is_void_v<std::invoke_result_t<const Work&>>) {
    work();
    end();
  } else {
    auto result = work();
    end();
    return result;
  }
}

}  // namespace tightrope
