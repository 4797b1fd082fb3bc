// SPDX-License-Identifier: Apache-2.0
#include <openvino/op/ops.hpp>
#include <openvino/pass/constant_folding.hpp>
#include <set>
#include <unordered_set>

#include "openvino/bodies.h"
#include "openvino/openvino_model.h"
#include "tightrope/log.h"

namespace tightrope::openvino {
namespace {

void make_names_unique(const ov::Model& model) {
  std::unordered_set<std::string> names;
  for (const auto& node : nodes_of(model)) {
    std::string name = node->get_friendly_name();
    for (int suffix = 1; !names.insert(name).second; ++suffix)
      name = fmt::format("{}_{}", node->get_friendly_name(), suffix);
    if (name != node->get_friendly_name()) node->set_friendly_name(name);
  }
}

bool is_half(const ov::element::Type& type) { return type == ov::element::f16 || type == ov::element::bf16; }

bool holds_compressed_weights(const ov::Model& model) {
  for (const auto& node : nodes_of(model)) {
    if (!ov::is_type<ov::op::v0::Convert>(node) || node->get_output_element_type(0) != ov::element::f32) continue;
    const auto source = node->input_value(0);
    if (ov::is_type<ov::op::v0::Constant>(source.get_node()) && is_half(source.get_element_type())) return true;
  }
  return false;
}

}  // namespace

std::vector<FoldedOperation> normalize(ov::Model& clone) {
  if (holds_compressed_weights(clone)) {
    log(LogLevel::kWarning,
        "The model's weights are compressed to 16 bits, which costs accuracy before quantization begins; the FP32 "
        "model as it is (saved with compress_to_fp16=False) is recommended.");
  }
  const auto model = clone.shared_from_this();
  std::set<std::pair<std::string, std::string>> gone;  // name and type; a folded constant takes over the name
  const auto key = [](const ov::Node& node) { return std::pair(node.get_friendly_name(), node.get_type_name()); };
  for (const auto& node : nodes_of(clone)) gone.emplace(key(*node));
  ov::pass::ConstantFolding().run_on_model(std::const_pointer_cast<ov::Model>(model));
  for (const auto& node : nodes_of(clone)) gone.erase(key(*node));
  make_names_unique(clone);
  std::vector<FoldedOperation> folded;
  for (const auto& [name, type] : gone) folded.push_back({name, type});
  return folded;
}

}  // namespace tightrope::openvino
