// SPDX-License-Identifier: Apache-2.0
// Where messages and progress go. The library itself never prints.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace tightrope {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = std::function<void(LogLevel, std::string_view message)>;

// One report per finished step of a stage ("calibration", "ranking" ...). `total` is 0 where it is not known.
// A sink may throw: that is how a caller cancels the work, and the exception reaches the caller unchanged.
using ProgressSink = std::function<void(std::string_view stage, std::size_t done, std::size_t total)>;

// Both are process-wide and empty at first. Set them before work starts, not during it. Each returns the previous one.
LogSink set_log_sink(LogSink sink);
ProgressSink set_progress_sink(ProgressSink sink);

void log(LogLevel level, std::string_view message);
void progress(std::string_view stage, std::size_t done, std::size_t total);

}  // namespace tightrope
