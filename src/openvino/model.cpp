// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <openvino/op/ops.hpp>
#include <openvino/pass/serialize.hpp>

#include "openvino/bodies.h"
#include "openvino/convert.h"
#include "openvino/openvino_model.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"

namespace tightrope {
namespace openvino {

ov::Core& core() {
  static ov::Core instance;
  return instance;
}

namespace {

std::shared_ptr<ov::Node> reduced(const ov::Output<ov::Node>& source, const Probe& probe) {
  const auto numbers = [](const std::vector<std::int64_t>& values) {
    return ov::op::v0::Constant::create(ov::element::i64, {values.size()}, values);
  };
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 0; axis < source.get_partial_shape().rank().get_length(); ++axis) {
    if (std::find(probe.kept_axes.begin(), probe.kept_axes.end(), axis) == probe.kept_axes.end()) axes.push_back(axis);
  }
  const auto constant = numbers(axes);
  switch (probe.reduction) {
    case Probe::Reduction::kMin:
      return std::make_shared<ov::op::v1::ReduceMin>(source, constant, true);
    case Probe::Reduction::kMax:
      return std::make_shared<ov::op::v1::ReduceMax>(source, constant, true);
    case Probe::Reduction::kMean:
      return std::make_shared<ov::op::v1::ReduceMean>(source, constant, true);
    case Probe::Reduction::kHead:
      return std::make_shared<ov::op::v8::Slice>(source, numbers({0}), numbers({probe.head}), numbers({1}),
                                                 numbers({0}));
    case Probe::Reduction::kWhole:
      break;
  }
  return source.get_node_shared_ptr();
}

std::shared_ptr<ov::Node> in_type(const std::shared_ptr<ov::Node>& node, const ov::element::Type& type) {
  if (node->get_output_element_type(0) == type) return node;
  return std::make_shared<ov::op::v0::Convert>(node, type);
}

// The body that holds a node, and the node.
std::pair<std::size_t, std::shared_ptr<ov::Node>> find_node(const std::vector<Body>& bodies, NodeId id) {
  auto index = static_cast<std::size_t>(id);
  std::size_t body = 0;
  while (index >= bodies[body].nodes.size()) index -= bodies[body++].nodes.size();
  return {body, bodies[body].nodes[index]};
}

// Makes a value of a body an output of the If around it, and so on up to the model itself. Where another branch runs
// the output has no elements, but the same rank: other ranks would leave the rank of the output open.
ov::Output<ov::Node> brought_out(ov::Output<ov::Node> value, const std::vector<Body>& bodies, std::size_t inside) {
  const ov::element::Type type = value.get_element_type();
  const auto rank = static_cast<std::size_t>(value.get_partial_shape().rank().get_length());
  for (; inside != 0; inside = bodies[inside].outer) {
    const auto& [model, owner, branch, outer, nodes] = bodies[inside];
    const auto result = std::make_shared<ov::op::v0::Result>(value);
    const auto nothing = std::make_shared<ov::op::v0::Result>(
        ov::op::v0::Constant::create(type, ov::Shape(std::max<std::size_t>(rank, 1), 0), std::vector<float>()));
    owner->get_function(static_cast<std::size_t>(branch))->add_results({result});
    owner->get_function(static_cast<std::size_t>(1 - branch))->add_results({nothing});
    value = branch == 0 ? owner->set_output(result, nothing) : owner->set_output(nothing, result);
  }
  return value;
}

// What the value is without the addend, for probes.
ov::Output<ov::Node> insert(ov::Model& clone, const ov::Output<ov::Node>& value, int channel_axis) {
  const auto consumers = value.get_target_inputs();
  const ov::element::Type type = value.get_element_type();
  const ov::PartialShape& shape = value.get_partial_shape();
  const auto rank = shape.rank().get_length();
  const auto axis = channel_axis < 0 ? channel_axis + static_cast<int>(rank) : channel_axis;
  // Changes nothing, but keeps the scales of an 8-bit layer in front of the mean. The runtime would carry them past
  // ReduceMean and apply them twice (measured, 2026.4).
  const auto lowest = ov::op::v0::Constant::create(type, {}, {std::numeric_limits<float>::lowest()});
  const auto source = std::make_shared<ov::op::v1::Maximum>(value, lowest);
  const auto offset = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::PartialShape{shape[axis]});
  const auto gain = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::PartialShape{1});
  std::vector<std::int64_t> aligned(static_cast<std::size_t>(rank), 1);
  aligned[static_cast<std::size_t>(axis)] = shape[axis].get_length();
  const auto offsets = std::make_shared<ov::op::v1::Reshape>(
      offset, ov::op::v0::Constant::create(ov::element::i64, {aligned.size()}, aligned), false);
  const auto mean = reduced(source, {kNone, Probe::Reduction::kMean, {axis}});
  const auto scaled = std::make_shared<ov::op::v1::Multiply>(in_type(mean, ov::element::f32), gain);
  const auto addend = std::make_shared<ov::op::v1::Add>(offsets, scaled);
  const auto sum = std::make_shared<ov::op::v1::Add>(source, in_type(addend, type));
  for (auto consumer : consumers) consumer.replace_source_output(sum);
  clone.add_parameters({offset, gain});
  return source;
}

}  // namespace

void add_probes(ov::Model& clone, const Graph& graph, std::span<const Probe> probes, std::span<const Addend> addends) {
  const std::vector<Body> bodies = bodies_of(clone);  // the order of read_graph()
  std::map<ValueId, ov::Output<ov::Node>> without_addend;
  for (const Addend& addend : addends) {
    const Value& value = graph.value(addend.value);
    const auto output = find_node(bodies, value.producer).second->output(static_cast<std::size_t>(value.port));
    without_addend.emplace(addend.value, insert(clone, output, addend.channel_axis));
  }
  ov::ResultVector results;
  for (const Probe& probe : probes) {
    const Value& value = graph.value(probe.value);
    const auto [body, node] = find_node(bodies, value.producer);
    const auto plain = without_addend.find(probe.value);
    const auto source =
        plain == without_addend.end() ? node->output(static_cast<std::size_t>(value.port)) : plain->second;
    const bool whole = probe.reduction == Probe::Reduction::kWhole;
    if ((!whole || body != 0) && source.get_partial_shape().rank().is_dynamic()) {
      throw Unsupported(
          fmt::format("[statistics] node '{}': its output has no known rank; a model with known ranks is needed",
                      graph.node(value.producer).name));
    }
    const auto observed = whole ? source : reduced(source, probe)->output(0);
    results.push_back(std::make_shared<ov::op::v0::Result>(brought_out(observed, bodies, body)));
  }
  const ov::ResultVector outputs = clone.get_results();
  clone.add_results(results);
  for (const auto& output : outputs) clone.remove_result(output);
  revalidate(clone);
}

void save_ir(const std::shared_ptr<ov::Model>& model, const std::filesystem::path& path) {
  std::filesystem::path weights = path;
  weights.replace_extension(".bin");
  if (path.extension() != ".xml")
    throw IoError(fmt::format("'{}' is no name for an IR; one that ends in .xml is needed", path.string()), true);
  for (const auto& file : {path, weights}) {  // found out only after half of the work otherwise
    if (std::filesystem::is_directory(file))
      throw IoError(fmt::format("cannot write '{}': it is a folder", file.string()), true);
  }
  const auto temporary = [](const std::filesystem::path& file) {
    return std::filesystem::path(file.string() + ".partial");
  };
  const auto clean_up = [&] {
    std::error_code ignored;
    std::filesystem::remove(temporary(path), ignored);
    std::filesystem::remove(temporary(weights), ignored);
  };
  try {
    std::ofstream xml(temporary(path), std::ios::binary);
    std::ofstream bin(temporary(weights), std::ios::binary);
    if (!xml || !bin) throw IoError(fmt::format("cannot create files beside '{}'", path.string()), true);
    xml.exceptions(std::ios::failbit | std::ios::badbit);
    bin.exceptions(std::ios::failbit | std::ios::badbit);
    ov::pass::Serialize(xml, bin).run_on_model(model);
    xml.close();
    bin.close();
    std::filesystem::rename(temporary(weights), weights);
    std::filesystem::rename(temporary(path), path);
  } catch (const IoError&) {
    clean_up();
    throw;
  } catch (const std::ios_base::failure&) {
    const int reason = errno;
    clean_up();
    throw IoError(
        fmt::format("cannot write '{}': {}", path.string(), reason == 0 ? "is the disk full?" : std::strerror(reason)),
        true);
  } catch (const std::exception& error) {
    clean_up();
    throw IoError(fmt::format("cannot write '{}': {}", path.string(), error.what()), true);
  }
}

namespace {

class OpenVinoModel : public Model {
 public:
  // `graph` is that of `base`.
  OpenVinoModel(std::shared_ptr<ov::Model> original, std::shared_ptr<ov::Model> base, Graph graph)
      : original_(std::move(original)), base_(std::move(base)), graph_(std::move(graph)), nodes_(nodes_of(*base_)) {}

  const Graph& graph() const override { return graph_; }

  Tensor constant(ValueId id) const override {
    const Value& value = graph_.value(id);
    const auto* node = ov::as_type<const ov::op::v0::Constant>(nodes_[static_cast<std::size_t>(value.producer)].get());
    if (node == nullptr) throw InvalidArgument(fmt::format("[model] '{}' is not a constant", value.name));
    return Tensor::copy_of(std::span<const float>(node->cast_vector<float>()), to_shape(node->get_shape()));
  }

  std::unique_ptr<Model> apply(const Plan& plan) const override {
    if (!plan.empty()) {
      auto result = base_->clone();
      rewrite(*result, plan);
      Graph graph = read_graph(*result);
      return std::make_unique<OpenVinoModel>(result, result, std::move(graph));  // not quantized again: its own base
    }
    auto original = original_->clone();
    auto base = base_ == original_ ? original : base_->clone();
    return std::make_unique<OpenVinoModel>(std::move(original), std::move(base), graph_);
  }

  std::unique_ptr<Session> compile(const CompileOptions& options, std::span<const Probe> probes,
                                   std::span<const Addend> addends) const override {
    if (probes.empty()) return make_session(original_, options);
    const auto clone = base_->clone();
    add_probes(*clone, graph_, probes, addends);
    return make_session(clone, options);
  }

  std::string_view framework() const override { return "openvino"; }

  std::string runtime() const override { return std::string("OpenVINO ") + ov::get_openvino_version().buildNumber; }

  std::string default_precision(const std::string& device) const override {
    try {
      return core().get_property(device, ov::hint::inference_precision).get_type_name();
    } catch (const ov::Exception&) {
      return {};  // a device that has no such choice
    }
  }

  void save(const std::filesystem::path& path) const override { save_ir(original_, path); }

  std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) const override {
    std::filesystem::path weights = path;
    return {path, weights.replace_extension(".bin")};
  }

  void set_note(const std::string& key, const std::string& text) override {
    original_->set_rt_info(text, std::vector<std::string>{"tightrope", key});
  }

  std::string note(const std::string& key) const override {
    const std::vector<std::string> path = {"tightrope", key};
    return original_->has_rt_info(path) ? original_->get_rt_info<std::string>(path) : std::string();
  }

  const std::shared_ptr<ov::Model>& network() const { return original_; }

 private:
  std::shared_ptr<ov::Model> original_;  // as loaded
  std::shared_ptr<ov::Model> base_;      // the same function, normalized
  Graph graph_;                          // of the base
  ov::NodeVector nodes_;                 // of the base, by NodeId
};

}  // namespace

std::unique_ptr<Model> make_model(std::shared_ptr<const ov::Model> original, std::shared_ptr<ov::Model> clone) {
  // Notes are written to results only, which are models of their own.
  auto network = std::const_pointer_cast<ov::Model>(original);
  std::vector<FoldedOperation> folded = normalize(*clone);
  Graph graph = read_graph(*clone);
  graph.folded = std::move(folded);
  return std::make_unique<OpenVinoModel>(std::move(network), std::move(clone), std::move(graph));
}

}  // namespace openvino

std::unique_ptr<Model> read_openvino(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path))
    throw IoError(fmt::format("'{}' does not exist; a model file is needed", path.string()), false);
  if (std::filesystem::is_directory(path))
    throw IoError(fmt::format("'{}' is a folder; a model file is needed", path.string()), false);
  // Other files would be offered to one frontend after the other, each with complaints of its own.
  if (path.extension() != ".xml" && path.extension() != ".onnx") {
    throw IoError(fmt::format("'{}' is neither an OpenVINO IR (.xml) nor an ONNX file (.onnx)", path.string()), false);
  }
  if (path.extension() == ".xml" && (std::ifstream(path) >> std::ws).peek() != '<') {
    throw IoError(fmt::format("'{}' is no OpenVINO IR: it does not start as XML does", path.string()), false);
  }
  std::shared_ptr<ov::Model> model;
  try {
    model = openvino::core().read_model(path);
  } catch (const std::exception& error) {
    // The runtime's message spans several lines; the last one says what happened.
    std::string text = error.what();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const auto last = text.rfind('\n');
    throw IoError(fmt::format("'{}' cannot be read as a model: {}", path.string(),
                              last == std::string::npos ? text : text.substr(last + 1)),
                  false);
  }
  return openvino::make_model(model, model->clone());
}

std::unique_ptr<Model> from_openvino(std::shared_ptr<const ov::Model> model) {
  return openvino::make_model(model, model->clone());
}

std::shared_ptr<ov::Model> to_openvino(const Model& model) {
  const auto* own = dynamic_cast<const openvino::OpenVinoModel*>(&model);
  if (own == nullptr)
    throw InvalidArgument(fmt::format("[model] this is a model of {}, not of OpenVINO", model.framework()));
  return own->network();
}

}  // namespace tightrope
