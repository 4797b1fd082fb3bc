// SPDX-License-Identifier: Apache-2.0
// Plans as text, for tests of placement.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <utility>
#include <vector>

#include "support/graph_builder.h"
#include "tightrope/quantize.h"

namespace tightrope::test {

// One line per quantizer: "output relu:0 symmetric per channel [1] -> conv2, conv3".
inline std::string text_of(const Quantizer& quantizer) {
  constexpr std::string_view kKinds[] = {"output", "input", "weight"};
  std::string text =
      fmt::format("{} {}:{} {}", kKinds[static_cast<int>(quantizer.kind)], quantizer.node, quantizer.port,
                  quantizer.config.mode == Mode::kSymmetric ? "symmetric" : "asymmetric");
  if (quantizer.config.bits != 8) text += fmt::format(" {} bits", quantizer.config.bits);
  if (quantizer.config.per_channel) text += fmt::format(" per channel [{}]", fmt::join(quantizer.channel_axes, ","));
  if (quantizer.half_range) text += " half range";
  if (quantizer.shared_scale >= 0) text += fmt::format(" scale {}", quantizer.shared_scale);
  return text + fmt::format(" -> {}\n", fmt::join(quantizer.operations, ", "));
}

inline std::string all_of(const Plan& plan) {
  std::string text = "\n";
  for (const Quantizer& quantizer : plan.quantizers) text += text_of(quantizer);
  return text;
}

inline std::string activations_of(const GraphBuilder& net, const QuantizeOptions& options = {}) {
  std::string text = "\n";
  for (const Quantizer& quantizer : place(net.graph, options).quantizers) {
    if (quantizer.kind != SiteKind::kWeight) text += text_of(quantizer);
  }
  return text;
}

inline std::string weights_of(const GraphBuilder& net, const QuantizeOptions& options = {}) {
  std::string text = "\n";
  for (const Quantizer& quantizer : place(net.graph, options).quantizers) {
    if (quantizer.kind == SiteKind::kWeight) text += text_of(quantizer);
  }
  return text;
}

inline QuantizeOptions ignoring(std::vector<std::string> names) {
  QuantizeOptions options;
  options.ignored_scope.names = std::move(names);
  return options;
}

}  // namespace tightrope::test
