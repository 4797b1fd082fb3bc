// SPDX-License-Identifier: Apache-2.0
#include "onnx/names.h"

namespace tightrope::onnx {

std::string Names::unique(const std::string& wanted) {
  std::string name = wanted;
  for (int suffix = 1; !names_.insert(name).second; ++suffix) name = fmt::format("{}_{}", wanted, suffix);
  return name;
}

void Names::add(const proto::GraphProto& graph) {
  for (const auto& input : graph.input()) names_.insert(input.name());
  for (const auto& output : graph.output()) names_.insert(output.name());
  for (const auto& initializer : graph.initializer()) names_.insert(initializer.name());
  for (const auto& initializer : graph.sparse_initializer()) names_.insert(initializer.values().name());
  for (const auto& node : graph.node()) {
    names_.insert(node.name());
    names_.insert(node.input().begin(), node.input().end());
    names_.insert(node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) add(attribute.g());
      for (const auto& body : attribute.graphs()) add(body);
    }
  }
}

}  // namespace tightrope::onnx
