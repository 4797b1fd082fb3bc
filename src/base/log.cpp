// SPDX-License-Identifier: Apache-2.0
#include "tightrope/log.h"

#include <mutex>
#include <utility>

namespace tightrope {
namespace {

std::mutex sinks_mutex;
LogSink log_sink;
ProgressSink progress_sink;

template <typename Sink>
Sink exchange_sink(Sink& current, Sink sink) {
  const std::lock_guard lock(sinks_mutex);
  return std::exchange(current, std::move(sink));
}

template <typename Sink>
Sink copy_sink(const Sink& current) {
  const std::lock_guard lock(sinks_mutex);
  return current;
}

}  // namespace

LogSink set_log_sink(LogSink sink) { return exchange_sink(log_sink, std::move(sink)); }
ProgressSink set_progress_sink(ProgressSink sink) { return exchange_sink(progress_sink, std::move(sink)); }

void log(LogLevel level, std::string_view message) {
  if (const LogSink sink = copy_sink(log_sink)) sink(level, message);
}

void progress(std::string_view stage, std::size_t done, std::size_t total) {
  if (const ProgressSink sink = copy_sink(progress_sink)) sink(stage, done, total);
}

}  // namespace tightrope
