// SPDX-License-Identifier: Apache-2.0
#include "openvino/bodies.h"

namespace tightrope::openvino {

std::vector<Body> bodies_of(const ov::Model& model) {
  std::vector<Body> bodies = {{&model, nullptr, 0, 0, model.get_ordered_ops()}};
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const ov::NodeVector nodes = bodies[i].nodes;  // a copy: the vector grows
    for (const auto& node : nodes) {
      const auto owner = ov::as_type_ptr<ov::op::v8::If>(node);
      if (!owner) continue;
      for (const int branch : {ov::op::v8::If::THEN_BODY_INDEX, ov::op::v8::If::ELSE_BODY_INDEX}) {
        const ov::Model& body = *owner->get_function(static_cast<std::size_t>(branch));
        bodies.push_back({&body, owner, branch, i, body.get_ordered_ops()});
      }
    }
  }
  return bodies;
}

ov::NodeVector nodes_of(const ov::Model& model) {
  ov::NodeVector nodes;
  for (const Body& body : bodies_of(model)) nodes.insert(nodes.end(), body.nodes.begin(), body.nodes.end());
  return nodes;
}

void revalidate(ov::Model& model) {
  const std::vector<Body> bodies = bodies_of(model);
  for (std::size_t i = bodies.size(); i-- > 1;) {
    bodies[i].owner->get_function(static_cast<std::size_t>(bodies[i].branch))->validate_nodes_and_infer_types();
  }
  model.validate_nodes_and_infer_types();
}

}  // namespace tightrope::openvino
