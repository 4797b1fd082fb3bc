// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "base/stopwatch.h"
#include "tightrope/report.h"

namespace tightrope {

// Runs one stage of the story and notes how long it took.
template <typename Work>
auto timed(Report& report, std::string name, const Work& work) {
  const Stopwatch watch;
  auto result = work();
  report.stages.push_back({std::move(name), watch.seconds()});
  return result;
}

}  // namespace tightrope
