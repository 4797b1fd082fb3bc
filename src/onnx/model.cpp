// SPDX-License-Identifier: Apache-2.0
#include "onnx/onnx_model.h"
#include "onnx/rewrite.h"
#include "onnx/runtime.h"
#include "onnx/session.h"
#include "tightrope/error.h"
#include "tightrope/onnx.h"

namespace tightrope {
namespace onnx {
namespace {

class OnnxModel : public Model {
 public:
  // `graph` is that of `base`.
  OnnxModel(std::shared_ptr<const Network> original, std::shared_ptr<const Network> base, Graph graph)
      : original_(std::move(original)), base_(std::move(base)), graph_(std::move(graph)) {}

  const Graph& graph() const override { return graph_; }

  Tensor constant(ValueId id) const override {
    const Value& value = graph_.value(id);
    const auto found = base_->constants.find(value.name);
    if (found == base_->constants.end())
      throw InvalidArgument(fmt::format("[model] '{}' is not a constant", value.name));
    return found->second.cast(ElementType::kF32);
  }

  std::unique_ptr<Model> apply(const Plan& plan) const override {
    if (plan.empty()) return std::make_unique<OnnxModel>(original_, base_, graph_);
    auto result = std::make_shared<Network>(*base_);
    if (!plan.rescalings.empty()) rescale(*result, plan);
    rewrite(*result, plan.rescalings.empty() ? graph_ : read_graph(*result), plan);
    Graph graph = read_graph(*result);
    return std::make_unique<OnnxModel>(result, result, std::move(graph));  // not quantized again: its own base
  }

  std::unique_ptr<Session> compile(const CompileOptions& options, std::span<const Probe> probes,
                                   std::span<const Addend> addends) const override {
    if (probes.empty()) return make_session(*original_, options);
    Network copy = *base_;
    const std::vector<std::string> outputs = add_probes(copy, graph_, probes, addends);
    return make_session(copy, options, outputs);
  }

  std::string_view framework() const override { return "onnx"; }
  std::string runtime() const override { return "ONNX Runtime " + runtime_version(); }

  void save(const std::filesystem::path& path) const override { save_network(*original_, path); }

  std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) const override {
    return onnx::files_of(*original_, path);
  }

  void set_note(const std::string& key, const std::string& text) override {
    auto noted = std::make_shared<Network>(*original_);  // others may share it
    auto& entries = *noted->model.mutable_metadata_props();
    auto entry = std::ranges::find(entries, note_name(key), &proto::StringStringEntryProto::key);
    auto& note = entry == entries.end() ? *entries.Add() : *entry;
    note.set_key(note_name(key));
    note.set_value(text);
    original_ = std::move(noted);
  }

  std::string note(const std::string& key) const override {
    const auto& entries = original_->model.metadata_props();
    const auto entry = std::ranges::find(entries, note_name(key), &proto::StringStringEntryProto::key);
    return entry == entries.end() ? std::string() : entry->value();
  }

  const Network& network() const { return *original_; }

 private:
  static std::string note_name(const std::string& key) { return "tightrope." + key; }

  std::shared_ptr<const Network> original_;  // as loaded
  std::shared_ptr<const Network> base_;      // the same function, normalized
  Graph graph_;                              // of the base
};

// Whether it computes the same is found out on data.
std::string carried_over(const Network& original, const Network& base) {
  const std::int64_t before = opset_of(original.model);
  const std::int64_t after = opset_of(base.model);
  return before == after ? "" : fmt::format("operator set {} was carried over to {}", before, after);
}

std::unique_ptr<Model> make_model(Network network) {
  auto original = std::make_shared<const Network>(std::move(network));
  auto base = std::make_shared<Network>(*original);
  std::vector<FoldedOperation> folded = normalize(*base);
  Graph graph = read_graph(*base);
  graph.folded = std::move(folded);
  graph.carried_over = carried_over(*original, *base);
  return std::make_unique<OnnxModel>(std::move(original), std::move(base), std::move(graph));
}

}  // namespace
}  // namespace onnx

std::unique_ptr<Model> read_onnx(const std::filesystem::path& path) {
  return onnx::make_model(onnx::read_network(path));
}

std::unique_ptr<Model> from_onnx(std::span<const char> model, const std::filesystem::path& external_data) {
  return onnx::make_model(onnx::parse_network(model, external_data));
}

std::string to_onnx(const Model& model) {
  const auto* own = dynamic_cast<const onnx::OnnxModel*>(&model);
  if (own == nullptr)
    throw InvalidArgument(fmt::format("[model] this is a model of {}, not of ONNX", model.framework()));
  return onnx::to_bytes(own->network());
}

std::vector<std::filesystem::path> files_of_onnx(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files = onnx::files_beside(path);
  files.insert(files.begin(), path);
  return files;
}

void set_onnxruntime_library(const std::filesystem::path& path) { onnx::set_onnxruntime_library(path); }

}  // namespace tightrope
