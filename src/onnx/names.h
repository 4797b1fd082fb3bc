// SPDX-License-Identifier: Apache-2.0
// Names that occur once.
#pragma once

#include <string>
#include <unordered_set>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

// Names that are taken.
class Names {
 public:
  Names() = default;

  // Every name in a graph and in the bodies of its operations, of nodes and of values: the format wants each once.
  explicit Names(const proto::GraphProto& graph) { add(graph); }

  // The name itself where it is free, else with the first suffix _1, _2 ... that is.
  std::string unique(const std::string& wanted);

  bool contains(const std::string& name) const { return names_.contains(name); }
  void insert(const std::string& name) { names_.insert(name); }

 private:
  void add(const proto::GraphProto& graph);

  std::unordered_set<std::string> names_;
};

}  // namespace tightrope::onnx
