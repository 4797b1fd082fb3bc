// SPDX-License-Identifier: Apache-2.0
// A model and the branches of its If operations, which are quantized like the model itself. The bodies of Loop and
// TensorIterator are not looked into: each round would see other values.
#pragma once

#include <cstddef>
#include <memory>
#include <openvino/op/if.hpp>
#include <openvino/openvino.hpp>
#include <vector>

namespace tightrope::openvino {

// The model itself, or a branch of an If.
struct Body {
  const ov::Model* model = nullptr;
  std::shared_ptr<ov::op::v8::If> owner;  // null for the model itself
  int branch = 0;                         // of the owner: then, else
  std::size_t outer = 0;                  // the index of the body that holds the owner
  ov::NodeVector nodes;                   // producers before consumers
};

// The model itself first; every body stands behind the one that holds its If.
std::vector<Body> bodies_of(const ov::Model& model);

// The nodes of all bodies in their order: NodeId is the index.
ov::NodeVector nodes_of(const ov::Model& model);

// Infers types and shapes anew, in both branches of an If even where its condition is constant.
void revalidate(ov::Model& model);

}  // namespace tightrope::openvino
