// SPDX-License-Identifier: Apache-2.0
// Short ways to write what tests need.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tightrope/dataset.h"
#include "tightrope/log.h"
#include "tightrope/plan.h"

namespace tightrope::test {

inline Sample sample_of(const std::vector<float>& values, Shape shape, std::string name = {}) {
  Sample sample;
  sample.inputs.push_back({std::move(name), Tensor::copy_of(std::span(values), std::move(shape))});
  return sample;
}

// A per-tensor quantizer of a node's output.
inline Quantizer output_quantizer(std::string node, std::vector<std::string> operations, float low, float high,
                                  int levels = 256) {
  Quantizer quantizer;
  quantizer.kind = SiteKind::kOutput;
  quantizer.node = std::move(node);
  quantizer.operations = std::move(operations);
  quantizer.range = {{low}, {high}, levels};
  return quantizer;
}

// A symmetric quantizer of the weight at port 1; one entry of `high` per output channel, or one for all.
inline Quantizer weight_quantizer(std::string node, const std::vector<float>& high, int levels = 255) {
  Quantizer quantizer;
  quantizer.kind = SiteKind::kWeight;
  quantizer.port = 1;
  quantizer.operations = {node};
  quantizer.node = std::move(node);
  if (high.size() > 1) quantizer.channel_axes = {1};
  quantizer.config.per_channel = high.size() > 1;
  quantizer.config.narrow_range = true;
  for (const float value : high) quantizer.range.low.push_back(-value);
  quantizer.range.high = high;
  quantizer.range.levels = levels;
  return quantizer;
}

// What weights get by default.
inline QuantizerConfig weight_config() { return {8, Mode::kSymmetric, true, true, true}; }

// Collects log messages while it lives.
class LogCapture {
 public:
  LogCapture() {
    previous_ =
        set_log_sink([this](LogLevel level, std::string_view message) { messages.emplace_back(level, message); });
  }
  ~LogCapture() { set_log_sink(std::move(previous_)); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // The messages of one level, one per line.
  std::string text(LogLevel level) const {
    std::string result;
    for (const auto& [at, message] : messages) {
      if (at == level) result += message + "\n";
    }
    return result;
  }

  std::vector<std::pair<LogLevel, std::string>> messages;

 private:
  LogSink previous_;
};

}  // namespace tightrope::test
