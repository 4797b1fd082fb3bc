// SPDX-License-Identifier: Apache-2.0
#include "correction/layers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "base/reading.h"
#include "graph/site.h"
#include "graph/walk.h"
#include "kernels/patches.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// The quantizer that the data of a layer went through, perhaps in front of operations that only move them.
std::size_t data_quantizer_of(NodeId layer, const Plan& plan, const Graph& graph) {
  const auto find = [&](SiteKind kind, const Node& node, int port) -> std::optional<std::size_t> {
    const auto found = std::ranges::find_if(plan.quantizers, [&](const Quantizer& quantizer) {
      return quantizer.kind == kind && quantizer.port == port && quantizer.node == node.name;
    });
    if (found == plan.quantizers.end()) return std::nullopt;
    return static_cast<std::size_t>(found - plan.quantizers.begin());
  };
  for (const Node* node = &graph.node(layer);;) {
    if (const auto found = find(SiteKind::kInput, *node, 0)) return *found;
    const Value& value = graph.value(node->inputs[0]);
    node = &graph.node(value.producer);
    if (const auto found = find(SiteKind::kOutput, *node, value.port)) return *found;
    if (node->trait != Trait::kMovesData || node->inputs.empty() || node->inputs[0] == kNone)
      return plan.quantizers.size();
  }
}

std::optional<Layer> layer_of(std::size_t index, const Plan& plan, const Graph& graph) {
  const Quantizer& weight = plan.quantizers[index];
  const NodeId id = graph.find(weight.node);
  const Node& node = graph.node(id);
  if (weight.config.format != NumberFormat::kInteger || weight.port != 1 || !node.body.empty()) return std::nullopt;
  Layer layer;
  layer.weight = index;
  layer.data = node.inputs[0];
  layer.elements = node.inputs[1];
  const Value& data = graph.value(layer.data);
  const Value& elements = graph.value(layer.elements);
  const std::vector<int>& axes = weight_port(weight, graph).channel_axes;
  if (!data.known_rank || !is_float(data.type) || elements.uses.size() != 1 || axes.empty()) return std::nullopt;
  const std::size_t total = element_count(elements.shape);
  if (node.kind == OpKind::kMatMul) {
    if (!node.sums_last_axis || node.weights.size() != 1 || elements.shape.size() != 2) return std::nullopt;
    layer.inputs_first = axes[0] == 1;
    layer.channels = static_cast<std::size_t>(elements.shape[static_cast<std::size_t>(axes[0])]);
  } else {
    if (!is_convolution(node.kind) || !node.window || data.shape.size() != node.window->strides.size() + 2)
      return std::nullopt;
    layer.taps.assign(elements.shape.begin() + static_cast<std::ptrdiff_t>(axes.size()) + 1, elements.shape.end());
    if (layer.taps.size() != node.window->strides.size()) return std::nullopt;
    layer.channels = 1;
    for (std::size_t axis = 0; axis < axes.size(); ++axis)
      layer.channels *= static_cast<std::size_t>(elements.shape[axis]);
  }
  if (total == 0 || layer.channels == 0) return std::nullopt;
  layer.inputs = total / layer.channels;
  layer.data_quantizer = data_quantizer_of(id, plan, graph);
  return layer;
}

// Row number `i` of `count` is that of the position at this share of all: far from each other, and in no line.
std::size_t spread(std::size_t i, std::size_t positions) {
  constexpr double kGolden = 0.6180339887498949;
  const double share = static_cast<double>(i + 1) * kGolden;
  return static_cast<std::size_t>((share - std::floor(share)) * static_cast<double>(positions));
}

class Sampler {
 public:
  Sampler(const Graph& graph, const Plan& plan, const Layer& layer)
      : layer_(layer), weight_(plan.quantizers[layer.weight]) {
    window_ = graph.node(graph.find(weight_.node)).window;
  }

  void add(const Tensor& tensor, std::size_t wanted) {
    if (tensor.size() != 0 && !is_broken_) add_rows(tensor, wanted);
    rows_.ends.push_back(rows_.count);
  }

  Rows take() { return std::move(rows_); }

 private:
  void add_rows(const Tensor& tensor, std::size_t wanted) {
    const Tensor data = tensor.cast(ElementType::kF32);
    const Shape& shape = data.shape();
    const bool is_product = layer_.taps.empty();
    const auto last = static_cast<std::size_t>(shape.back());
    const std::size_t taps = element_count(Shape(layer_.taps.begin(), layer_.taps.end()));
    const std::size_t width = is_product ? last : static_cast<std::size_t>(shape[1]) * taps;
    const std::size_t positions = is_product ? data.size() / last : position_count(shape, *window_, layer_.taps);
    if (width % layer_.inputs != 0 || (rows_.groups != 0 && rows_.groups != width / layer_.inputs)) {
      is_broken_ = true;
      rows_ = {{}, 0, 0, rows_.ends};
      return;
    }
    rows_.groups = width / layer_.inputs;
    const auto values = data.as<float>();
    std::vector<float> row(width);
    const bool takes_all = positions <= wanted;
    for (std::size_t i = 0; i < std::min(wanted, positions); ++i) {
      const std::size_t position = takes_all ? i : spread(rows_.count, positions);
      if (is_product)
        std::ranges::copy(values.subspan(position * last, last), row.begin());
      else
        copy_patch(values, shape, *window_, layer_.taps, position, row);
      divide(row);
      rows_.values.insert(rows_.values.end(), row.begin(), row.end());
      ++rows_.count;
    }
  }

  // The data of a smoothed layer are divided where it runs.
  void divide(std::vector<float>& row) const {
    const std::size_t channels = weight_.smoothing.size();
    for (std::size_t i = 0; channels > 0 && i < row.size(); ++i) row[i] /= weight_.smoothing[i * channels / row.size()];
  }

  const Layer& layer_;
  const Quantizer& weight_;
  std::optional<Window> window_;
  Rows rows_;
  bool is_broken_ = false;
};

// The extents of a value on the sample, roughly: open ones are like the largest of its inputs, or like their first.
Shape shape_on(const Value& value, const Sample& sample) {
  std::int64_t first = 1;
  std::int64_t largest = 1;
  for (const Sample::Input& input : sample.inputs) {
    const Shape& shape = input.tensor.shape();
    if (!shape.empty()) first = std::max(first, shape[0]);
    for (const std::int64_t extent : shape) largest = std::max(largest, extent);
  }
  Shape shape = value.shape;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0) shape[axis] = axis == 0 ? first : largest;
  }
  return shape;
}

// A value of which the first entries leave the graph.
struct Head {
  ValueId value = kNone;
  std::size_t entries = 1;  // along the first axis
  std::size_t bytes = 0;    // of one entry

  std::size_t within(std::size_t most_bytes) const {
    return bytes == 0 ? entries : std::clamp<std::size_t>(most_bytes / bytes, 1, entries);
  }
};

std::vector<Head> heads_of(const Model& model, std::span<const Layer> layers, const Sample& sample) {
  std::vector<Head> heads;
  for (const Layer& layer : layers) {
    if (std::ranges::find(heads, layer.data, &Head::value) != heads.end()) continue;
    const Shape shape = shape_on(model.graph().value(layer.data), sample);
    const std::size_t entries = shape.size() > 1 ? static_cast<std::size_t>(std::max<std::int64_t>(shape[0], 1)) : 1;
    heads.push_back({layer.data, entries, element_count(shape) / entries * sizeof(float)});
  }
  return heads;
}

// So many bytes of each value that all of them together take no more than this, if one entry of each does.
std::size_t share_of_each(std::span<const Head> heads, std::size_t together) {
  const auto fits = [&](std::size_t most_bytes) {
    std::size_t sum = 0;
    for (const Head& head : heads) sum += head.within(most_bytes) * head.bytes;
    return sum <= together;
  };
  if (fits(std::numeric_limits<std::size_t>::max())) return std::numeric_limits<std::size_t>::max();
  std::size_t least = 0;
  std::size_t most = together;  // a value that takes it all leaves nothing to the others
  while (least + 1 < most) {
    const std::size_t middle = (least + most) / 2;
    (fits(middle) ? least : most) = middle;
  }
  return least;
}

// Probes that leave the graph together: in one pass where the first entries of batches suffice.
std::vector<std::vector<Probe>> batches_of(std::span<const Head> heads, std::size_t together) {
  const std::size_t share = share_of_each(heads, together);
  std::vector<std::vector<Probe>> batches;
  std::size_t held = 0;
  for (const Head& head : heads) {
    const std::size_t entries = head.within(share);
    const std::size_t bytes = entries * head.bytes;
    if (batches.empty() || held + bytes > together) {
      batches.emplace_back();
      held = 0;
    }
    held += bytes;
    Probe probe{head.value};
    if (entries < head.entries) probe.reduction = Probe::Reduction::kHead;
    probe.head = static_cast<std::int64_t>(entries);
    batches.back().push_back(std::move(probe));
  }
  return batches;
}

}  // namespace

std::vector<Layer> layers_of(const Plan& plan, const Graph& graph) {
  std::vector<Layer> layers;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    if (plan.quantizers[i].kind != SiteKind::kWeight) continue;
    if (auto layer = layer_of(i, plan, graph)) layers.push_back(std::move(*layer));
  }
  return layers;
}

std::vector<Rows> sample_rows(const Model& model, const Plan& plan, std::span<const Layer> layers,
                              std::span<const Sample> samples, std::span<const std::size_t> wanted,
                              std::size_t together) {
  std::vector<Sampler> samplers;
  for (const Layer& layer : layers) samplers.emplace_back(model.graph(), plan, layer);
  if (layers.empty() || samples.empty()) return std::vector<Rows>(layers.size());
  std::size_t passes = 0;
  for (const std::vector<Probe>& probes : batches_of(heads_of(model, layers, samples.front()), together)) {
    CompileOptions options;
    options.requests = 1;  // finished ones would wait with all that they hold
    const auto session = model.compile(options, probes);
    session->run_all(reader_of(samples), "calibration", [&](std::size_t, const std::vector<Tensor>& found) {
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const auto at = std::ranges::find(probes, layers[l].data, &Probe::value);
        if (at != probes.end()) samplers[l].add(found[static_cast<std::size_t>(at - probes.begin())], wanted[l]);
      }
      progress("weights", ++passes, 0);  // which may end the work
    });
  }
  std::vector<Rows> rows;
  for (Sampler& sampler : samplers) rows.push_back(sampler.take());
  return rows;
}

}  // namespace tightrope
