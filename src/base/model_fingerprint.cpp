// SPDX-License-Identifier: Apache-2.0
#include "base/model_fingerprint.h"

namespace tightrope {
namespace {

void add_to(Fingerprint& fingerprint, const Tensor& tensor) {
  fingerprint.add(static_cast<std::int64_t>(tensor.type()));
  for (const std::int64_t extent : tensor.shape()) fingerprint.add(extent);
  fingerprint.add(tensor.data(), tensor.bytes());
}

}  // namespace

std::string fingerprint_of(const Model& model) {
  const Graph& graph = model.graph();
  Fingerprint fingerprint;
  fingerprint.add(model.framework());
  for (const Node& node : graph.nodes()) {
    fingerprint.add(node.type);
    fingerprint.add(static_cast<std::int64_t>(node.attributes));
    for (const ValueId input : node.inputs) fingerprint.add(std::int64_t{input});
    for (const ValueId output : node.outputs) {
      const Value& value = graph.value(output);
      for (const std::int64_t extent : value.shape) fingerprint.add(extent);
      if (node.kind != OpKind::kConstant || value.type == ElementType::kOther) continue;
      const Tensor elements = model.constant(output);
      fingerprint.add(elements.data(), elements.bytes());
    }
  }
  return fingerprint.text();
}

void add_to(Fingerprint& fingerprint, const Sample& sample) {
  for (const auto& [name, tensor] : sample.inputs) {
    fingerprint.add(name);
    add_to(fingerprint, tensor);
  }
}

void add_with_label(Fingerprint& fingerprint, const Sample& sample) {
  add_to(fingerprint, sample);
  add_to(fingerprint, sample.label);
}

std::string fingerprint_of(const Sample& sample) {
  Fingerprint fingerprint;
  add_with_label(fingerprint, sample);
  return fingerprint.text();
}

std::string fingerprint_of(const Dataset& data, bool to_the_end) {
  Fingerprint fingerprint;
  const SampleReader read = data.read();
  std::optional<Sample> last = read();
  if (last) add_with_label(fingerprint, *last);
  if (const auto size = data.size()) fingerprint.add(static_cast<std::int64_t>(*size));
  if (!to_the_end || !last) return fingerprint.text();
  std::int64_t count = 1;
  for (auto sample = read(); sample; sample = read()) {
    ++count;
    last = std::move(sample);
  }
  add_with_label(fingerprint, *last);
  fingerprint.add(count);
  return fingerprint.text();
}

}  // namespace tightrope
