// SPDX-License-Identifier: Apache-2.0
#include "pipeline/output_ranges.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/parallel.h"
#include "graph/site.h"
#include "ranges/fit.h"

namespace tightrope {
namespace {

constexpr int kSteps = 24;       // of a quarter of an octave: down to a 64th
constexpr int kStepsInVain = 6;  // until a search in one direction ends

bool uses_outputs(const EndEstimator& end) { return end.aggregator == Aggregator::kOutputError; }

// The range that comes of the ends of another one, each multiplied.
Range shrunk(const Quantizer& quantizer, double low_share, double high_share) {
  Observed observed;
  for (std::size_t c = 0; c < quantizer.range.low.size(); ++c) {
    const auto low = static_cast<float>(quantizer.range.low[c] * low_share);
    const auto high = static_cast<float>(quantizer.range.high[c] * high_share);
    observed.low.push_back(low);
    observed.high.push_back(high);
    observed.magnitude.push_back(quantizer.config.mode == Mode::kSymmetric ? high : std::max(-low, high));
  }
  return fit_activation(observed, quantizer.config);
}

class Search {
 public:
  Search(const Quantizer& quantizer, const std::function<double(const Range&)>& error)
      : quantizer_(quantizer), error_(error), best_(quantizer.range), least_(error(quantizer.range)) {}

  // Multiplies the ends that take part by the same, in ever smaller shares, and then once more finely.
  void move(bool low, bool high) {
    const double low_start = low_share_;
    const double high_start = high_share_;
    int in_vain = 0;
    for (int step = 1; step <= kSteps && in_vain < kStepsInVain; ++step) {
      const double share = std::exp2(-step / 4.0);
      in_vain = attempt(low ? low_start * share : low_start, high ? high_start * share : high_start) ? 0 : in_vain + 1;
    }
    const double low_found = low_share_;
    const double high_found = high_share_;
    for (const double share : {std::exp2(1 / 8.0), std::exp2(-1 / 8.0)})
      attempt(low ? std::min(low_found * share, 1.0) : low_found,
              high ? std::min(high_found * share, 1.0) : high_found);
  }

  const Range& best() const { return best_; }

 private:
  bool attempt(double low_share, double high_share) {
    Range range = shrunk(quantizer_, low_share, high_share);
    const double error = error_(range);
    if (!(error < least_)) return false;
    least_ = error;
    best_ = std::move(range);
    low_share_ = low_share;
    high_share_ = high_share;
    return true;
  }

  const Quantizer& quantizer_;
  const std::function<double(const Range&)>& error_;
  Range best_;
  double least_;
  double low_share_ = 1;
  double high_share_ = 1;
};

// Rows that each half has, so that one product takes some 1e8 multiplications at most.
std::size_t rows_for(const Layer& layer) {
  const double work = static_cast<double>(layer.inputs) * static_cast<double>(layer.channels);
  return static_cast<std::size_t>(std::clamp(1e8 / work, 32.0, 256.0));
}

// At most so many does outputs_of() keep for the layer.
std::size_t output_bytes(const Layer& layer) {
  return 2 * rows_for(layer) * (2 * layer.inputs + layer.channels) * sizeof(float);
}

// Quantizers whose range is one: by shared scale, or each by itself.
std::vector<std::vector<std::size_t>> sharers_of(const Plan& plan) {
  std::vector<std::vector<std::size_t>> sharers;
  std::map<int, std::size_t> by_scale;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.shared_scale >= 0) {
      const auto [at, is_new] = by_scale.try_emplace(quantizer.shared_scale, sharers.size());
      if (!is_new) {
        sharers[at->second].push_back(i);
        continue;
      }
    }
    sharers.push_back({i});
  }
  return sharers;
}

// Chooses the range of one scale. Null where it stays.
std::optional<Range> chosen_range(const Quantizer& first, std::span<const LayerOutputs* const> readers,
                                  MovingEnds ends) {
  const auto error = [&](const Range& range, Half half) {
    Quantizer data = first;
    data.range = range;
    return error_of(readers, data, half);
  };
  Range range = best_range(first, ends, [&](const Range& any) { return error(any, Half::kFitting); });
  if (range == first.range || !(error(range, Half::kJudging) < error(first.range, Half::kJudging))) return std::nullopt;
  return range;
}

}  // namespace

bool chooses_by_outputs(const QuantizeOptions& options) {
  return uses_outputs(options.activation_range.min) || uses_outputs(options.activation_range.max) ||
         uses_outputs(options.weight_range.min) || uses_outputs(options.weight_range.max);
}

Range best_range(const Quantizer& quantizer, MovingEnds ends, const std::function<double(const Range&)>& error) {
  Search search(quantizer, error);
  const auto reaches = [](const std::vector<float>& end) {
    return std::ranges::any_of(end, [](float value) { return value != 0; });
  };
  if (quantizer.config.mode == Mode::kSymmetric) {
    if (ends.high) search.move(true, true);
    return search.best();
  }
  const bool low = ends.low && reaches(quantizer.range.low);
  const bool high = ends.high && reaches(quantizer.range.high);
  if (low && high) search.move(true, true);
  if (low) search.move(true, false);
  if (high) search.move(false, true);
  return search.best();
}

std::vector<LayerOutputs> outputs_of(const Model& model, const Plan& plan, std::vector<Layer> layers,
                                     std::span<const Sample> samples) {
  std::vector<std::size_t> wanted;
  for (const Layer& layer : layers) wanted.push_back(2 * rows_for(layer) / samples.size() + 1);
  const std::vector<Rows> rows = sample_rows(model, plan, layers, samples, wanted);
  std::vector<std::optional<LayerOutputs>> made(layers.size());
  for_each_in_parallel(layers.size(), [&](std::size_t l) {
    made[l].emplace(model, plan.quantizers[layers[l].weight], std::move(layers[l]), rows[l]);
  });
  std::vector<LayerOutputs> outputs;
  for (std::optional<LayerOutputs>& layer : made) {
    if (layer->is_known()) outputs.push_back(std::move(*layer));
  }
  return outputs;
}

Batch next_batch(std::size_t first, std::size_t count,
                 const std::function<std::vector<Layer>(std::size_t)>& layers_of) {
  constexpr std::size_t kBytes = std::size_t{256} << 20U;
  Batch batch;
  std::size_t bytes = 0;
  for (batch.end = first; batch.end < count; ++batch.end) {
    const std::vector<Layer> layers = layers_of(batch.end);
    std::size_t more = 0;
    for (const Layer& layer : layers) more += output_bytes(layer);
    if (bytes > 0 && bytes + more > kBytes) break;
    bytes += more;
    batch.layers.insert(batch.layers.end(), layers.begin(), layers.end());
  }
  return batch;
}

double error_of(std::span<const LayerOutputs* const> readers, const Quantizer& data, Half half) {
  double sum = 0;
  for (const LayerOutputs* reader : readers) sum += reader->error({&data, nullptr, {}}, half);
  return sum;
}

Range best_weight_range(const LayerOutputs& outputs, const Quantizer& weight, bool centered) {
  constexpr float kShares[] = {1, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F, 0.6F, 0.5F};
  const std::size_t channels = outputs.layer().channels;
  if (weight.range.high.size() != channels) return weight.range;
  const auto errors_with = [&](const Range& range, Half half) {
    Quantizer any = weight;
    any.range = range;
    any.rounding.clear();
    std::vector<float> shift;
    if (centered) shift = outputs.mean_error({nullptr, &any, {}}, half);
    return outputs.errors({nullptr, &any, shift}, half);
  };
  Range best = weight.range;
  std::vector<double> least = errors_with(best, Half::kFitting);
  for (const float share : kShares) {
    Range range = weight.range;
    for (std::vector<float>* end : {&range.low, &range.high})
      std::ranges::transform(*end, end->begin(), [&](float value) { return value * share; });
    const std::vector<double> errors = errors_with(range, Half::kFitting);
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(errors[c] < least[c])) continue;
      least[c] = errors[c];
      best.low[c] = range.low[c];
      best.high[c] = range.high[c];
    }
  }
  const std::vector<double> before = errors_with(weight.range, Half::kJudging);
  const std::vector<double> after = errors_with(best, Half::kJudging);
  for (std::size_t c = 0; c < channels; ++c) {
    if (after[c] < before[c]) continue;
    best.low[c] = weight.range.low[c];
    best.high[c] = weight.range.high[c];
  }
  return best;
}

Plan fit_by_outputs(const Model& model, Plan plan, std::span<const Sample> samples, const QuantizeOptions& options) {
  if (!chooses_by_outputs(options) || samples.size() < 2) return plan;
  const MovingEnds ends{uses_outputs(options.activation_range.min), uses_outputs(options.activation_range.max)};
  const bool moves_weights = uses_outputs(options.weight_range.min) || uses_outputs(options.weight_range.max);
  const std::vector<Layer> layers = layers_of(plan, model.graph());
  const std::vector<std::vector<std::size_t>> scales = sharers_of(plan);
  const auto readers_of = [&](const std::vector<std::size_t>& scale) {
    std::vector<Layer> readers;
    std::ranges::copy_if(layers, std::back_inserter(readers), [&](const Layer& layer) {
      return std::ranges::find(scale, layer.data_quantizer) != scale.end() ||
             (layer.data_quantizer == plan.quantizers.size() && layer.weight == scale.front());
    });
    return readers;
  };
  for (std::size_t first = 0; first < scales.size();) {
    Batch batch = next_batch(first, scales.size(), [&](std::size_t s) { return readers_of(scales[s]); });
    const std::size_t end = batch.end;
    const std::vector<LayerOutputs> outputs = outputs_of(model, plan, std::move(batch.layers), samples);
    for_each_in_parallel(end - first, [&](std::size_t s) {
      const std::vector<std::size_t>& scale = scales[first + s];
      std::vector<const LayerOutputs*> readers;
      for (const LayerOutputs& layer : outputs) {
        if (std::ranges::find(scale, layer.layer().data_quantizer) != scale.end()) readers.push_back(&layer);
      }
      if (readers.empty() || !(ends.low || ends.high)) return;
      if (const auto range = chosen_range(plan.quantizers[scale.front()], readers, ends)) {
        for (const std::size_t i : scale) plan.quantizers[i].range = *range;
      }
    });
    for_each_in_parallel(moves_weights ? outputs.size() : 0, [&](std::size_t l) {
      Quantizer& weight = plan.quantizers[outputs[l].layer().weight];
      weight.range = best_weight_range(outputs[l], weight, options.bias_correction);
    });
    first = end;
  }
  return plan;
}

}  // namespace tightrope
