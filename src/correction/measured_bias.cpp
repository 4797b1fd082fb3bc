// SPDX-License-Identifier: Apache-2.0
#include "correction/measured_bias.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "base/output_error.h"
#include "correction/fast_bias.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

constexpr int kRounds = 6;

using Channels = std::vector<float>;
using Means = std::vector<Channels>;  // of one sample, by layer
using Indices = std::vector<std::size_t>;

struct Layer {
  std::string node;
  int axis = 1;  // of the channels of its output
  std::size_t channels = 0;
  Channels planned;
  Channels shift;
  bool is_open = true;  // its shift is measured again, otherwise it stays
};

std::vector<Layer> layers_of(const Plan& plan, const Graph& graph) {
  std::vector<Layer> layers;
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.kind != SiteKind::kWeight || !measures_bias(quantizer, graph)) continue;
    if (std::ranges::find(layers, quantizer.node, &Layer::node) != layers.end()) continue;
    const Node& node = graph.node(graph.find(quantizer.node));
    const Shape& shape = graph.value(node.outputs[0]).shape;
    Layer layer{quantizer.node, output_axis(node, graph), 0, {}, {}, true};
    layer.channels = static_cast<std::size_t>(shape[static_cast<std::size_t>(layer.axis)]);
    const auto planned = std::ranges::find(plan.bias_shifts, layer.node, &BiasShift::node);
    layer.planned = planned == plan.bias_shifts.end() ? Channels(layer.channels, 0) : planned->shift;
    layer.shift = layer.planned;
    if (layer.planned.size() == layer.channels) layers.push_back(std::move(layer));
  }
  return layers;
}

// What is added behind each layer while a sample runs: see Addend.
struct Correction {
  Means offsets;
  Channels gains;
};

// A model whose layers are measured, compiled once. Outputs are those of the base, in its order.
class Subject {
 public:
  Subject(const Model& model, const Graph& base, std::span<const Layer> layers, bool is_corrected) : layers_(layers) {
    const Graph& graph = model.graph();
    std::vector<Probe> probes;
    std::vector<Addend> addends;
    for (const Layer& layer : layers) {
      const ValueId value = graph.node(graph.find(layer.node)).outputs[0];
      probes.push_back({value, Probe::Reduction::kMean, {layer.axis}});
      if (is_corrected) addends.push_back({value, layer.axis});
    }
    for (const Node& node : base.nodes()) {
      if (node.kind != OpKind::kResult || !node.body.empty()) continue;
      probes.push_back({graph.node(graph.find(node.name)).inputs[0], Probe::Reduction::kWhole, {}});
    }
    CompileOptions options;
    options.throughput = true;
    session_ = model.compile(options, probes, addends);
  }

  // Runs the chosen samples. `correct` gives what is added for one, nothing for a model without addends.
  void run(std::span<const Sample> samples, const Indices& chosen,
           const std::function<Correction(std::size_t sample)>& correct,
           const std::function<void(std::size_t sample, Means means, std::vector<Tensor> outputs)>& done) {
    std::size_t next = 0;
    const SampleReader reader = [&]() -> std::optional<Sample> {
      if (next == chosen.size()) return std::nullopt;
      const std::size_t index = chosen[next++];
      Sample sample = samples[index];
      if (correct) append(sample, correct(index));
      return sample;
    };
    session_->run_all(reader, "bias correction", [&](std::size_t position, std::vector<Tensor> outputs) {
      Means means;
      for (std::size_t l = 0; l < layers_.size(); ++l) means.push_back(outputs[l].to_floats());
      outputs.erase(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(layers_.size()));
      done(chosen[position], std::move(means), std::move(outputs));
    });
  }

 private:
  static void append(Sample& sample, const Correction& correction) {
    for (std::size_t l = 0; l < correction.gains.size(); ++l) {
      const Channels& offset = correction.offsets[l];
      sample.inputs.push_back({"", Tensor::copy_of(offset, {static_cast<std::int64_t>(offset.size())})});
      sample.inputs.push_back({"", Tensor::copy_of(std::span(&correction.gains[l], 1), {1})});
    }
  }

  std::span<const Layer> layers_;
  std::unique_ptr<Session> session_;
};

// What the base gives, which the quantized model is to give, too.
struct Reference {
  std::vector<Means> means;                  // by sample
  std::vector<std::vector<Tensor>> outputs;  // by sample; none where there is no room, or it does not judge
};

Reference run_base(const Model& model, std::span<const Layer> layers, std::span<const Sample> samples) {
  constexpr std::size_t kMostBytes = std::size_t{256} << 20U;
  Reference reference{std::vector<Means>(samples.size()), std::vector<std::vector<Tensor>>(samples.size())};
  Indices all(samples.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::size_t bytes = 0;
  Subject(model, model.graph(), layers, false)
      .run(samples, all, {}, [&](std::size_t sample, Means means, std::vector<Tensor> outputs) {
        reference.means[sample] = std::move(means);
        std::size_t size = 0;
        for (const Tensor& output : outputs) size += output.bytes();
        if (sample % 2 == 0 || (bytes != 0 && bytes + size > kMostBytes)) return;
        bytes += size;
        reference.outputs[sample] = std::move(outputs);
      });
  return reference;
}

bool is_finite(const Channels& values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

// Layers that have the same channels on each sample, with numbers in them.
void keep_measured(std::vector<Layer>& layers, Reference& reference) {
  for (std::size_t l = layers.size(); l-- > 0;) {
    const auto is_sound = [&](const Means& means) {
      return means[l].size() == layers[l].channels && is_finite(means[l]);
    };
    if (std::ranges::all_of(reference.means, is_sound)) continue;
    layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(l));
    for (Means& means : reference.means) means.erase(means.begin() + static_cast<std::ptrdiff_t>(l));
  }
}

Plan without_shifts(Plan plan, std::span<const Layer> layers) {
  std::erase_if(plan.bias_shifts, [&](const BiasShift& shift) {
    return std::ranges::find(layers, shift.node, &Layer::node) != layers.end();
  });
  return plan;
}

double squared(const std::vector<double>& need, const Channels& shift) {
  double sum = 0;
  for (std::size_t c = 0; c < need.size(); ++c) sum += (need[c] - shift[c]) * (need[c] - shift[c]);
  return sum;
}

class Refinement {
 public:
  Refinement(const Model& model, const Plan& plan, std::span<const Sample> samples, std::vector<Layer>& layers,
             const Reference& reference)
      : samples_(samples), layers_(layers), reference_(reference), raw_(samples.size()) {
    for (std::size_t i = 0; i < samples.size(); ++i) (i % 2 == 0 ? fitting_ : judging_).push_back(i);
    const auto quantized = model.apply(without_shifts(plan, layers));
    quantized_ = std::make_unique<Subject>(*quantized, model.graph(), layers, true);
  }

  // The error of the model's outputs on the samples that judge, with the shifts as they are.
  double output_error_now() { return run_with_shifts(judging_); }

  // The same, and the means of every layer on every sample.
  double measure() {
    Indices all(samples_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return run_with_shifts(all);
  }

  // One pass over the samples that fit. Each layer's means are held where they should be while the sample runs, so that
  // the next layers see it corrected; what that took, on average, is its shift.
  void advance() {
    std::vector<std::vector<double>> shifts;
    for (std::size_t l = 0; l < layers_.size(); ++l) shifts.push_back(need(l, fitting_));
    const std::vector<std::vector<double>> needs = shifts;
    const auto held = [&](std::size_t sample) {
      Correction correction;
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        Channels offset = layers_[l].shift;
        if (layers_[l].is_open) {
          for (std::size_t c = 0; c < offset.size(); ++c)
            offset[c] = static_cast<float>(static_cast<double>(raw_[sample][l][c]) + needs[l][c]);
        }
        correction.offsets.push_back(std::move(offset));
        correction.gains.push_back(layers_[l].is_open ? -1.0F : 0.0F);
      }
      return correction;
    };
    quantized_->run(samples_, fitting_, held, [&](std::size_t sample, const Means& means, const std::vector<Tensor>&) {
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        for (std::size_t c = 0; c < means[l].size(); ++c) {
          shifts[l][c] += (static_cast<double>(raw_[sample][l][c]) - static_cast<double>(means[l][c])) /
                          static_cast<double>(fitting_.size());
        }
      }
    });
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      if (layers_[l].is_open)
        std::ranges::transform(shifts[l], layers_[l].shift.begin(),
                               [](double value) { return static_cast<float>(value); });
    }
  }

  // Closes layers whose measured shift is not the best one on the samples that judge. How many.
  std::size_t judge(const std::function<bool(const Layer&, const Channels&)>& is_allowed) {
    std::size_t refused = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      Layer& layer = layers_[l];
      if (!layer.is_open) continue;
      const std::vector<double> needed = need(l, judging_);
      const auto error = [&](const Channels& shift) {
        if (!is_allowed(layer, shift)) return std::numeric_limits<double>::infinity();
        return squared(needed, shift);
      };
      Channels best(layer.channels, 0);
      for (const Channels* candidate : {&layer.planned, &layer.shift}) {
        if (error(*candidate) < squared(needed, best)) best = *candidate;
      }
      if (best == layer.shift) continue;
      layer.shift = std::move(best);
      layer.is_open = false;
      ++refused;
    }
    return refused;
  }

  // Whether hardly anything is left of the mean errors on the samples that fit.
  bool is_done() const {
    constexpr double kLeft = 0.01;  // of squared errors
    double left = 0;
    double open = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      if (!layers_[l].is_open) continue;
      const std::vector<double> needed = need(l, fitting_);
      const double whole = squared(needed, Channels(needed.size(), 0));
      if (whole > 0) left += squared(needed, layers_[l].shift) / whole;
      ++open;
    }
    return left <= kLeft * open;
  }

 private:
  double run_with_shifts(const Indices& samples) {
    Correction correction;
    for (const Layer& layer : layers_) correction.offsets.push_back(layer.shift);
    correction.gains.assign(layers_.size(), 0);
    double error = 0;
    double judged = 0;
    quantized_->run(
        samples_, samples, [&](std::size_t) { return correction; },
        [&](std::size_t sample, Means means, const std::vector<Tensor>& outputs) {
          raw_[sample] = std::move(means);
          if (reference_.outputs[sample].empty()) return;
          error += output_error(outputs, reference_.outputs[sample]);
          ++judged;
        });
    return judged == 0 ? 0 : error / judged;
  }

  // What a layer's output lacks without a shift of its own, behind the other layers as they were measured last.
  std::vector<double> need(std::size_t l, const Indices& samples) const {
    std::vector<double> sum(layers_[l].channels, 0);
    for (const std::size_t i : samples) {
      for (std::size_t c = 0; c < sum.size(); ++c)
        sum[c] += static_cast<double>(reference_.means[i][l][c]) - static_cast<double>(raw_[i][l][c]);
    }
    for (double& value : sum) value /= static_cast<double>(samples.size());
    return sum;
  }

  std::span<const Sample> samples_;
  std::vector<Layer>& layers_;
  const Reference& reference_;
  std::vector<Means> raw_;  // by sample: the layers without shifts of their own
  Indices fitting_;
  Indices judging_;
  std::unique_ptr<Subject> quantized_;
};

Plan with_shifts(Plan plan, std::span<const Layer> layers, const std::vector<Channels>& shifts) {
  plan = without_shifts(std::move(plan), layers);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const bool is_zero = std::ranges::all_of(shifts[l], [](float value) { return value == 0; });
    if (is_zero) continue;
    plan.bias_shifts.push_back({layers[l].node, shifts[l]});
    const Channels& planned = layers[l].planned;  // knows nothing of activations
    if (shifts[l] == planned) continue;
    const bool is_none = std::ranges::all_of(planned, [](float value) { return value == 0; });
    plan.bias_shifts.back().of_weight = is_none ? Channels() : planned;
  }
  return plan;
}

}  // namespace

std::size_t bias_samples(const QuantizeOptions& options) {
  constexpr std::int64_t kFewest = 32;
  return static_cast<std::size_t>(std::max(kFewest, options.subset_size / 5));
}

bool measures_bias(const Quantizer& weight, const Graph& graph) {
  const Node& node = graph.node(graph.find(weight.node));
  if (!computes_product(node.kind) || !node.body.empty()) return false;
  const Value& output = graph.value(node.outputs[0]);
  const Value& elements = graph.value(node.inputs[static_cast<std::size_t>(weight.port)]);
  if (!is_float(output.type) || !output.known_rank || output.shape.size() < 2 || elements.shape.size() < 2)
    return false;
  return output.shape[static_cast<std::size_t>(output_axis(node, graph))] > 0;
}

MeasuredBiases measure_biases(const Model& model, Plan plan, std::span<const Sample> samples,
                              const QuantizeOptions& options) {
  MeasuredBiases result{std::move(plan)};
  std::vector<Layer> layers = layers_of(result.plan, model.graph());
  std::erase_if(layers, [&](const Layer& layer) { return !wants_bias(layer.node, model.graph(), options); });
  if (layers.empty() || samples.size() < 2) return result;
  Reference reference = run_base(model, layers, samples);
  keep_measured(layers, reference);
  if (layers.empty()) return result;

  Refinement refinement(model, result.plan, samples, layers, reference);
  const auto shifts = [&] {
    std::vector<Channels> now;
    for (const Layer& layer : layers) now.push_back(layer.shift);
    return now;
  };
  std::vector<std::pair<double, std::vector<Channels>>> candidates;  // none, planned, measured
  for (Layer& layer : layers) layer.shift.assign(layer.channels, 0);
  candidates.emplace_back(refinement.output_error_now(), shifts());
  for (Layer& layer : layers) layer.shift = layer.planned;
  candidates.emplace_back(refinement.measure(), shifts());
  const auto is_allowed = [&](const Layer& layer, const Channels& shift) {
    return is_below_threshold(model, layer.node, shift, options);
  };
  double error = 0;
  bool is_measured = false;
  for (int round = 0; round < kRounds; ++round) {
    refinement.advance();
    error = refinement.measure();
    const std::size_t refused = refinement.judge(is_allowed);
    result.refused += refused;
    is_measured = refused == 0;
    if (is_measured && refinement.is_done()) break;
  }
  candidates.emplace_back(is_measured ? error : refinement.output_error_now(), shifts());
  std::size_t best = candidates.size() - 1;
  for (std::size_t i = best; i-- > 0;) {
    if (candidates[i].first < candidates[best].first) best = i;
  }
  result.is_better = best == candidates.size() - 1;
  log(LogLevel::kDebug,
      fmt::format("Relative error of the outputs on {} samples: {:.4g} without bias shifts, {:.4g} with those from the "
                  "weights, {:.4g} with the measured ones.",
                  samples.size() / 2, candidates[0].first, candidates[1].first, candidates[2].first));
  result.plan = with_shifts(std::move(result.plan), layers, candidates[best].second);
  return result;
}

}  // namespace tightrope
