// SPDX-License-Identifier: Apache-2.0
// Messages and progress on standard error: a bar with the time left on a terminal, plain lines now and then elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

#include "tightrope/log.h"

namespace tightrope::cli {

// Takes over the library's log and progress while it lives, and gives them back afterwards.
class Terminal {
 public:
  enum class Style { kPlain, kBar, kColored };  // kColored: a bar, and colors

  // Quiet: warnings and errors only.
  Terminal(std::ostream& stream, Style style, bool quiet);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  void show(LogLevel level, std::string_view message);
  void show_progress(std::string_view stage, std::size_t done,
                     std::size_t total);  // throws Cancelled after interrupt()
  void clear_bar();

  std::ostream& stream_;
  Style style_;
  bool quiet_;
  std::mutex mutex_;
  std::string stage_;
  std::size_t done_ = 0;
  Clock::time_point started_;
  Clock::time_point shown_;
  bool bar_visible_ = false;
  LogSink previous_log_;
  ProgressSink previous_progress_;
};

// Bars and colors where `stream` is standard error, that is a terminal, and NO_COLOR does not forbid the latter.
Terminal::Style style_for(const std::ostream& stream);

// One line on `stream`; colored where the style says so.
void write_error(std::ostream& stream, Terminal::Style style, std::string_view message);

// Throws Cancelled after interrupt().
void stop_if_interrupted();
void forget_interrupt() noexcept;

}  // namespace tightrope::cli
