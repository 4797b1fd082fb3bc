// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "cli.h"
#include "tightrope/error.h"

namespace tightrope::cli {
namespace {

constexpr auto kBarPause = std::chrono::milliseconds(100);
constexpr auto kLinePause = std::chrono::seconds(5);
constexpr std::size_t kBarWidth = 30;

std::atomic<bool> interrupted = false;

extern "C" void on_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);
}
static_assert(std::atomic<bool>::is_always_lock_free);

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string progress_text(std::size_t done, std::size_t total, double seconds) {
  if (total == 0) return fmt::format("{} done in {}", done, clock_text(seconds));
  if (done >= total) return fmt::format("{}/{} in {}", done, total, clock_text(seconds));
  if (done == 0) return fmt::format("0/{}", total);
  const double left = seconds * static_cast<double>(total - done) / static_cast<double>(done);
  return fmt::format("{}/{}, {} left", done, total, clock_text(left));
}

std::string bar(std::size_t done, std::size_t total) {
  if (total == 0) return {};
  const std::size_t full = std::min(done, total) * kBarWidth / total;
  return fmt::format("[{:#<{}}{:.<{}}] ", "", full, "", kBarWidth - full);
}

// The bytes of a character in UTF-8; 0 where the text starts with none that can be shown.
std::size_t length_of_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first < ' ' || first == 0x7F ? 0 : 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  return first == 0xC2 && byte(1) < 0xA0 ? 0 : length;  // control characters above ASCII
}

// Messages quote names out of files, which may hold anything: nothing in them may steer a terminal.
std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const char letter = text.front();
    if (letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t') {
      if (!line.empty() && line.back() != ' ') line += ' ';
      text.remove_prefix(1);
      continue;
    }
    const std::size_t length = length_of_character(text);
    line += length == 0 ? "?" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace

void stop_on_interrupt() { std::signal(SIGINT, on_interrupt); }
void forget_interrupt() noexcept { interrupted = false; }

void stop_if_interrupted() {
  if (interrupted) throw Cancelled("interrupted; nothing was saved");
}

Terminal::Style style_for(const std::ostream& stream) {
  if (&stream != &std::cerr || isatty(STDERR_FILENO) == 0) return Terminal::Style::kPlain;
  const char* kind = std::getenv("TERM");
  if (kind == nullptr || std::string_view(kind) == "dumb") return Terminal::Style::kPlain;
  const char* no_color = std::getenv("NO_COLOR");
  return no_color != nullptr && *no_color != '\0' ? Terminal::Style::kBar : Terminal::Style::kColored;
}

void write_error(std::ostream& stream, Terminal::Style style, std::string_view message) {
  const bool colored = style == Terminal::Style::kColored;
  stream << fmt::format("{}tightrope: error:{} {}\n", colored ? "\033[31m" : "", colored ? "\033[0m" : "",
                        one_line(message))
         << std::flush;
}

Terminal::Terminal(std::ostream& stream, Style style, bool quiet) : stream_(stream), style_(style), quiet_(quiet) {
  previous_log_ = set_log_sink([this](LogLevel level, std::string_view message) { show(level, message); });
  previous_progress_ = set_progress_sink(
      [this](std::string_view stage, std::size_t done, std::size_t total) { show_progress(stage, done, total); });
}

Terminal::~Terminal() {
  set_log_sink(std::move(previous_log_));
  set_progress_sink(std::move(previous_progress_));
  clear_bar();
}

void Terminal::clear_bar() {
  if (std::exchange(bar_visible_, false)) stream_ << "\r\033[K" << std::flush;
}

void Terminal::show(LogLevel level, std::string_view message) {
  if (level == LogLevel::kDebug || (quiet_ && level == LogLevel::kInfo)) return;
  const std::lock_guard lock(mutex_);
  clear_bar();
  const bool colored = style_ == Style::kColored && level >= LogLevel::kWarning;
  const std::string_view word = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  stream_ << fmt::format("{}{}{}{}\n", colored ? "\033[33m" : "", word, colored ? "\033[0m" : "", one_line(message))
          << std::flush;
}

void Terminal::show_progress(std::string_view stage, std::size_t done, std::size_t total) {
  const std::lock_guard lock(mutex_);
  if (interrupted) clear_bar();
  stop_if_interrupted();
  if (quiet_) return;
  const auto now = Clock::now();
  if (stage != stage_ || done < done_) {
    stage_ = stage;
    started_ = now;
    if (style_ != Style::kPlain) shown_ = {};
  }
  done_ = done;
  const bool finished = total > 0 && done >= total;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  if (style_ == Style::kPlain) {
    if (now - shown_ < kLinePause && !(finished && now - started_ > kLinePause)) return;
    stream_ << fmt::format("{}: {}\n", stage, progress_text(done, total, seconds)) << std::flush;
  } else {
    if (now - shown_ < kBarPause && !finished) return;
    stream_ << fmt::format("\r\033[K{} {}{}", stage, bar(done, total), progress_text(done, total, seconds))
            << std::flush;
    bar_visible_ = true;
  }
  shown_ = now;
}

}  // namespace tightrope::cli
