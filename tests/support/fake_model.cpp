// SPDX-License-Identifier: Apache-2.0
#include "support/fake_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>

#include "support/graph_builder.h"
#include "tightrope/error.h"

namespace tightrope::test {
namespace {

std::size_t index(std::int32_t id) { return static_cast<std::size_t>(id); }

// The channel of an element: its coordinates along `axes` alone, row by row.
std::size_t channel_of(std::size_t element, const Shape& shape, const std::vector<int>& axes) {
  std::size_t channel = 0;
  std::size_t stride = 1;
  for (auto axis = static_cast<int>(shape.size()) - 1; axis >= 0; --axis) {
    const std::size_t extent = static_cast<std::size_t>(shape[index(axis)]);
    if (std::ranges::count(axes, axis) > 0) {
      channel += element % extent * stride;
      stride *= extent;
    }
    element /= extent;
  }
  return channel;
}

Shape kept_shape(const Shape& shape, const std::vector<int>& axes) {
  Shape kept;
  for (const int axis : axes) kept.push_back(shape[index(axis)]);
  return kept;
}

float fake_quantize(float x, float low, float high, int levels) {
  const float steps = static_cast<float>(levels - 1);
  return std::nearbyint((std::clamp(x, low, high) - low) / (high - low) * steps) / steps * (high - low) + low;
}

Array quantized(Array array, const Quantizer& quantizer) {
  const Range& range = quantizer.range;
  const bool one = range.low.size() == 1;
  const std::size_t channels = one ? 1 : element_count(kept_shape(array.shape, quantizer.channel_axes));
  if (range.low.size() != channels || range.high.size() != channels) {
    throw InvalidArgument(
        fmt::format("[apply] node '{}': {} ranges for {} channels", quantizer.node, range.low.size(), channels));
  }
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    const std::size_t c = one ? 0 : channel_of(i, array.shape, quantizer.channel_axes);
    array.values[i] = fake_quantize(array.values[i], range.low[c], range.high[c], range.levels);
    if (quantizer.rounding.empty()) continue;
    const float step = (range.high[c] - range.low[c]) / static_cast<float>(range.levels - 1);
    array.values[i] += step * static_cast<float>(quantizer.rounding.at(i));
  }
  return array;
}

Array shifted(Array array, const std::vector<float>& shift, int channel_axis) {
  const int axis = channel_axis < 0 ? channel_axis + static_cast<int>(array.shape.size()) : channel_axis;
  for (std::size_t i = 0; i < array.values.size(); ++i) array.values[i] += shift.at(channel_of(i, array.shape, {axis}));
  return array;
}

// What reductions start from.
float neutral(Probe::Reduction reduction) {
  if (reduction == Probe::Reduction::kMean) return 0;
  const float largest = std::numeric_limits<float>::max();
  return reduction == Probe::Reduction::kMin ? largest : -largest;
}

Array reduced(const Array& array, const Probe& probe) {
  const Shape shape = kept_shape(array.shape, probe.kept_axes);
  Array result{shape, std::vector<float>(element_count(shape), neutral(probe.reduction))};
  const float per_channel = static_cast<float>(array.values.size() / std::max<std::size_t>(result.values.size(), 1));
  std::vector<bool> started(result.values.size(), false);
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    const std::size_t c = channel_of(i, array.shape, probe.kept_axes);
    const float x = array.values[i];
    float& value = result.values[c];
    if (probe.reduction == Probe::Reduction::kMean) {
      value += x / per_channel;
    } else if (!started[c]) {
      value = x;
    } else {
      value = probe.reduction == Probe::Reduction::kMin ? std::min(value, x) : std::max(value, x);
    }
    started[c] = true;
  }
  return result;
}

Array head_of(Array array, std::int64_t entries) {
  if (array.shape[0] <= entries) return array;
  array.values.resize(array.values.size() / static_cast<std::size_t>(array.shape[0]) *
                      static_cast<std::size_t>(entries));
  array.shape[0] = entries;
  return array;
}

Array probed(const Array& array, const Probe& probe) {
  if (probe.reduction == Probe::Reduction::kWhole) return array;
  return probe.reduction == Probe::Reduction::kHead ? head_of(array, probe.head) : reduced(array, probe);
}

Tensor to_tensor(const Array& array, ElementType type) { return Tensor::copy_of(array.values, array.shape).cast(type); }

const Quantizer* find(const Plan& plan, SiteKind kind, const std::string& node, int port) {
  const auto found = std::ranges::find_if(plan.quantizers, [&](const Quantizer& quantizer) {
    return quantizer.kind == kind && quantizer.node == node && quantizer.port == port;
  });
  return found == plan.quantizers.end() ? nullptr : &*found;
}

// A net with constants changed by the rescalings of a plan; constants are read once there.
std::shared_ptr<const Net> rescaled(const std::shared_ptr<const Net>& net, const Plan& plan) {
  if (plan.rescalings.empty()) return net;
  auto result = std::make_shared<Net>(*net);
  for (const Rescaling& rescaling : plan.rescalings) {
    for (const AdjustedConstant& adjusted : rescaling.constants) {
      const Node& node = net->graph.node(net->graph.find_or_throw(adjusted.node));
      Array& array = result->constants[index(node.inputs[index(adjusted.port)])];
      for (std::size_t i = 0; i < array.values.size(); ++i) {
        const std::size_t c = channel_of(i, array.shape, adjusted.axes);
        array.values[i] =
            array.values[i] * adjusted.factors.at(c) + (adjusted.addends.empty() ? 0 : adjusted.addends[c]);
      }
    }
  }
  return result;
}

class FakeSession : public Session {
 public:
  FakeSession(std::shared_ptr<const Net> net, const Plan& plan, std::shared_ptr<Usage> usage,
              std::span<const Probe> probes, std::span<const Addend> addends)
      : net_(std::move(net)),
        plan_(plan),
        usage_(std::move(usage)),
        probes_(probes.begin(), probes.end()),
        addends_(addends.begin(), addends.end()) {}

  std::vector<Tensor> run(const Sample& sample) override {
    ++usage_->run;
    const Graph& graph = net_->graph;
    raw_ = net_->constants;
    used_ = raw_;
    set_inputs(sample);
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
      if (net_->computes[n]) run_node(graph.nodes()[n], net_->computes[n]);
    }
    std::vector<Tensor> outputs;
    for (const Probe& probe : probes_) {
      const Array& value = raw_[index(probe.value)];
      const bool ran = graph.node(graph.value(probe.value).producer).body.empty() || !value.values.empty();
      const Array output = ran ? probed(value, probe) : value;
      outputs.push_back(to_tensor(output, graph.value(probe.value).type));
    }
    if (!probes_.empty()) return outputs;
    for (const ValueId value : net_->outputs)
      outputs.push_back(to_tensor(used_[index(value)], graph.value(value).type));
    return outputs;
  }

  void run_all(const SampleReader& next, std::string_view,
               const std::function<void(std::size_t, std::vector<Tensor>)>& done) override {
    std::size_t count = 0;
    while (const auto sample = next()) done(count++, run(*sample));
  }

 private:
  void set(ValueId value, Array array) {
    raw_[index(value)] = array;
    const auto addend = std::ranges::find(addends_, value, &Addend::value);
    if (addend != addends_.end()) array = with_addend(std::move(array), *addend);
    const Value& description = net_->graph.value(value);
    const Quantizer* quantizer =
        find(plan_, SiteKind::kOutput, net_->graph.node(description.producer).name, description.port);
    used_[index(value)] = quantizer ? quantized(std::move(array), *quantizer) : std::move(array);
  }

  Array with_addend(Array array, const Addend& addend) const {
    const auto rank = static_cast<int>(array.shape.size());
    const int axis = addend.channel_axis < 0 ? addend.channel_axis + rank : addend.channel_axis;
    const auto position = static_cast<std::size_t>(&addend - addends_.data());
    std::vector<float> sum = inputs_of_addends_[2 * position];
    const Array mean = reduced(array, {kNone, Probe::Reduction::kMean, {axis}});
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += inputs_of_addends_[2 * position + 1][0] * mean.values[c];
    return shifted(std::move(array), sum, axis);
  }

  void set_inputs(const Sample& sample) {
    const std::size_t needed = net_->inputs.size() + 2 * addends_.size();
    if (sample.inputs.size() != needed) {
      throw InvalidArgument(fmt::format("sample: {} inputs; {} are needed", sample.inputs.size(), needed));
    }
    inputs_of_addends_.clear();
    for (std::size_t i = net_->inputs.size(); i < needed; ++i)
      inputs_of_addends_.push_back(sample.inputs[i].tensor.to_floats());
    for (std::size_t i = 0; i < net_->inputs.size(); ++i) {
      const auto& [name, tensor] = sample.inputs[i];
      const auto found = std::ranges::find_if(net_->inputs, [&, wanted = std::string_view(name)](ValueId value) {
        return net_->graph.value(value).name == wanted;
      });
      if (!name.empty() && found == net_->inputs.end())
        throw InvalidArgument(fmt::format("sample: no input '{}'", name));
      set(name.empty() ? net_->inputs[i] : *found, {tensor.shape(), tensor.to_floats()});
    }
  }

  void run_node(const Node& node, const Compute& compute) {
    std::vector<Array> inputs;
    for (std::size_t port = 0; port < node.inputs.size(); ++port) {
      Array input = used_[index(node.inputs[port])];
      for (const SiteKind kind : {SiteKind::kInput, SiteKind::kWeight}) {
        if (const Quantizer* quantizer = find(plan_, kind, node.name, static_cast<int>(port))) {
          input = quantized(std::move(input), *quantizer);
        }
      }
      inputs.push_back(std::move(input));
    }
    Array output = compute(inputs);
    for (const BiasShift& shift : plan_.bias_shifts) {
      if (shift.node == node.name) output = shifted(std::move(output), shift.shift, node.channel_axis);
    }
    set(node.outputs[0], std::move(output));
  }

  std::shared_ptr<const Net> net_;
  Plan plan_;
  std::shared_ptr<Usage> usage_;
  std::vector<Probe> probes_;
  std::vector<Addend> addends_;
  std::vector<std::vector<float>> inputs_of_addends_;  // offset and gain of each
  std::vector<Array> raw_;                             // by value
  std::vector<Array> used_;                            // by value, after its output quantizer
};

}  // namespace

FakeModel::FakeModel(std::shared_ptr<const Net> net, Plan plan, std::shared_ptr<Usage> usage)
    : net_(std::move(net)), plan_(std::move(plan)), usage_(std::move(usage)) {}

Tensor FakeModel::constant(ValueId value) const {
  if (net_->graph.node(graph().value(value).producer).kind != OpKind::kConstant) {
    throw InvalidArgument(fmt::format("[graph] value '{}' is no constant.", graph().value(value).name));
  }
  return to_tensor(net_->constants[index(value)], ElementType::kF32);
}

std::unique_ptr<Model> FakeModel::apply(const Plan& plan) const {
  for (const Quantizer& quantizer : plan.quantizers) {
    const NodeId node = graph().find(quantizer.node);
    if (node == kNone) throw InvalidArgument(fmt::format("[apply] the model has no node '{}'.", quantizer.node));
    const auto& ports = quantizer.kind == SiteKind::kOutput ? graph().node(node).outputs : graph().node(node).inputs;
    if (quantizer.port < 0 || index(quantizer.port) >= ports.size() || quantizer.range.low.empty()) {
      throw InvalidArgument(fmt::format("[apply] node '{}': no port {} or no range.", quantizer.node, quantizer.port));
    }
    const bool is_constant =
        graph().node(graph().value(ports[index(quantizer.port)]).producer).kind == OpKind::kConstant;
    if (quantizer.kind == SiteKind::kWeight && !is_constant) {
      throw InvalidArgument(fmt::format("[apply] node '{}': input {} is no constant.", quantizer.node, quantizer.port));
    }
  }
  for (const BiasShift& shift : plan.bias_shifts) {
    if (graph().find(shift.node) == kNone)
      throw InvalidArgument(fmt::format("[apply] the model has no node '{}'.", shift.node));
  }
  auto result = std::make_unique<FakeModel>(rescaled(net_, plan), plan, usage_);
  result->notes_ = notes_;
  return result;
}

std::unique_ptr<Session> FakeModel::compile(const CompileOptions& options, std::span<const Probe> probes,
                                            std::span<const Addend> addends) const {
  ++usage_->compiled;
  usage_->options = options;
  usage_->probes = probes.size();
  return std::make_unique<FakeSession>(net_, plan_, usage_, probes, addends);
}

void FakeModel::save(const std::filesystem::path& path) const {
  std::ofstream file(path);
  if (!(file << to_json(plan_))) throw IoError(fmt::format("[save] '{}' cannot be written.", path.string()), true);
}

std::string FakeModel::note(const std::string& key) const {
  const auto found = notes_.find(key);
  return found == notes_.end() ? std::string() : found->second;
}

ValueId NetBuilder::add_node(Node node, const std::vector<ValueId>& inputs, Shape shape, Compute compute,
                             ElementType type) {
  for (int port = 0; port < static_cast<int>(inputs.size()); ++port) node.data_ports.push_back(port);
  Value value;
  value.name = node.name;
  value.type = type;
  value.shape = std::move(shape);
  node.body = body;
  value.producer = net_.graph.add_node(std::move(node));
  for (std::size_t port = 0; port < inputs.size(); ++port) {
    net_.graph.connect(inputs[port], value.producer, static_cast<int>(port));
  }
  net_.computes.push_back(std::move(compute));
  net_.constants.emplace_back();
  return net_.graph.add_value(std::move(value));
}

ValueId NetBuilder::input(const std::string& name, Shape shape) {
  const ValueId value = add_node(node_of(name, "Parameter", OpKind::kParameter), {}, std::move(shape), {});
  net_.inputs.push_back(value);
  return value;
}

ValueId NetBuilder::constant(const std::string& name, Array array) {
  const ValueId value = add_node(node_of(name, "Constant", OpKind::kConstant), {}, array.shape, {});
  net_.constants[index(value)] = std::move(array);
  return value;
}

ValueId NetBuilder::matmul(const std::string& name, ValueId x, std::vector<float> weight, std::int64_t in,
                           std::int64_t out) {
  const ValueId constant_weight = constant(name + "/weight", {{in, out}, std::move(weight)});
  Shape shape = shape_of(x);
  shape.back() = out;
  Node node = node_of(name, "MatMul", OpKind::kMatMul);
  node.weights = {{1, {1}}};
  node.channel_axis = -1;
  node.sums_last_axis = true;
  return add_node(std::move(node), {x, constant_weight}, std::move(shape), [](const std::vector<Array>& inputs) {
    const auto& [x_shape, values] = inputs[0];
    const auto columns = static_cast<std::size_t>(inputs[1].shape[1]);
    const auto depth = static_cast<std::size_t>(inputs[1].shape[0]);
    Array result{x_shape, {}};
    result.shape.back() = inputs[1].shape[1];
    for (std::size_t row = 0; row * depth < values.size(); ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        float sum = 0;
        for (std::size_t k = 0; k < depth; ++k) sum += values[row * depth + k] * inputs[1].values[k * columns + column];
        result.values.push_back(sum);
      }
    }
    return result;
  });
}

ValueId NetBuilder::convolution(const std::string& name, ValueId x, std::vector<float> weight, std::int64_t in,
                                std::int64_t out) {
  const ValueId constant_weight = constant(name + "/weight", {{out, in, 1}, std::move(weight)});
  Shape shape = shape_of(x);
  shape[1] = out;
  Node node = node_of(name, "Convolution", OpKind::kConvolution);
  node.weights = {{1, {0}}};
  node.window = Window{{1}, {1}, {0}, {0}};
  return add_node(std::move(node), {x, constant_weight}, std::move(shape), [](const std::vector<Array>& inputs) {
    const auto& [x_shape, values] = inputs[0];
    const Array& taps = inputs[1];
    const std::size_t outputs = static_cast<std::size_t>(taps.shape[0]);
    const std::size_t channels = static_cast<std::size_t>(taps.shape[1]);
    const std::size_t length = static_cast<std::size_t>(x_shape[2]);
    Array result{{x_shape[0], taps.shape[0], x_shape[2]}, {}};
    for (std::size_t item = 0; item < static_cast<std::size_t>(x_shape[0]); ++item) {
      for (std::size_t output = 0; output < outputs; ++output) {
        for (std::size_t at = 0; at < length; ++at) {
          float sum = 0;
          for (std::size_t c = 0; c < channels; ++c) {
            sum += values[(item * channels + c) * length + at] * taps.values[output * channels + c];
          }
          result.values.push_back(sum);
        }
      }
    }
    return result;
  });
}

ValueId NetBuilder::add(const std::string& name, ValueId x, std::vector<float> values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  const ValueId bias = constant(name + "/constant", {shape, std::move(values)});
  Node node = node_of(name, "Add", OpKind::kAdd);
  node.channel_axis = -1;
  return add_node(std::move(node), {x, bias}, shape_of(x), [](const std::vector<Array>& inputs) {
    Array result = inputs[0];
    const auto& bias_values = inputs[1].values;
    for (std::size_t i = 0; i < result.values.size(); ++i) result.values[i] += bias_values[i % bias_values.size()];
    return result;
  });
}

ValueId NetBuilder::add(const std::string& name, ValueId a, ValueId b) {
  Node node = node_of(name, "Add", OpKind::kAdd);
  node.channel_axis = -1;
  return add_node(std::move(node), {a, b}, shape_of(a), [](const std::vector<Array>& inputs) {
    Array result = inputs[0];
    for (std::size_t i = 0; i < result.values.size(); ++i) result.values[i] += inputs[1].values.at(i);
    return result;
  });
}

ValueId NetBuilder::map(const std::string& name, const std::string& type, ValueId x, float (*function)(float)) {
  return add_node(node_of(name, type), {x}, shape_of(x), [function](const std::vector<Array>& inputs) {
    Array result = inputs[0];
    std::ranges::transform(result.values, result.values.begin(), function);
    return result;
  });
}

ValueId NetBuilder::relu(const std::string& name, ValueId x) {
  return map(name, "Relu", x, [](float value) { return std::max(value, 0.0F); });
}

ValueId NetBuilder::concat(const std::string& name, const std::vector<ValueId>& values, int axis) {
  const auto joined = [axis](const std::vector<Shape>& shapes) {
    Shape shape = shapes[0];
    for (std::size_t i = 1; i < shapes.size(); ++i) shape[index(axis)] += shapes[i][index(axis)];
    return shape;
  };
  std::vector<Shape> shapes;
  for (const ValueId value : values) shapes.push_back(shape_of(value));
  Node node = node_of(name, "Concat", OpKind::kConcat);
  node.trait = Trait::kJoins;
  node.channel_axis = axis;
  return add_node(std::move(node), values, joined(shapes), [axis, joined](const std::vector<Array>& inputs) {
    std::vector<Shape> input_shapes;
    for (const Array& input : inputs) input_shapes.push_back(input.shape);
    Array result{joined(input_shapes), {}};
    const std::size_t rows = element_count({result.shape.begin(), result.shape.begin() + axis});
    for (std::size_t row = 0; row < rows; ++row) {
      for (const Array& input : inputs) {
        const std::size_t length = input.values.size() / rows;
        const auto first = input.values.begin() + static_cast<std::ptrdiff_t>(row * length);
        result.values.insert(result.values.end(), first, first + static_cast<std::ptrdiff_t>(length));
      }
    }
    return result;
  });
}

ValueId NetBuilder::reshape(const std::string& name, ValueId x, Shape shape) {
  Node node = node_of(name, "Reshape");
  node.trait = Trait::kMovesData;
  return add_node(std::move(node), {x}, shape, [shape](const std::vector<Array>& inputs) {
    Array result{shape, inputs[0].values};
    std::int64_t known = 1;
    for (const std::int64_t extent : shape) known *= extent < 0 ? 1 : extent;
    for (std::int64_t& extent : result.shape) {
      if (extent < 0) extent = static_cast<std::int64_t>(result.values.size()) / known;
    }
    return result;
  });
}

ValueId NetBuilder::argmax(const std::string& name, ValueId x) {
  Shape shape = shape_of(x);
  shape.pop_back();
  return add_node(
      node_of(name, "ArgMax"), {x}, std::move(shape),
      [](const std::vector<Array>& inputs) {
        const auto extent = inputs[0].shape.back();
        Array result{inputs[0].shape, {}};
        result.shape.pop_back();
        for (auto row = inputs[0].values.begin(); row != inputs[0].values.end(); row += extent) {
          result.values.push_back(static_cast<float>(std::max_element(row, row + extent) - row));
        }
        return result;
      },
      ElementType::kI64);
}

std::unique_ptr<FakeModel> NetBuilder::build(const std::vector<ValueId>& outputs) {
  net_.outputs = outputs;
  for (const ValueId output : outputs) {
    const Value& value = net_.graph.value(output);
    const NodeId result = net_.graph.add_node(node_of(value.name + "/result", "Result", OpKind::kResult));
    net_.graph.connect(output, result, 0);
    net_.computes.emplace_back();
  }
  return std::make_unique<FakeModel>(std::make_shared<const Net>(std::move(net_)));
}

}  // namespace tightrope::test
