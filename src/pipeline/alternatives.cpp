// SPDX-License-Identifier: Apache-2.0
#include "pipeline/alternatives.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <thread>

#include "base/parallel.h"
#include "correction/fast_bias.h"
#include "correction/rounding.h"
#include "pipeline/default_ranges.h"
#include "pipeline/output_ranges.h"
#include "pipeline/weights.h"
#include "ranges/fit.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using Changes = std::map<std::size_t, Quantizer>;

// One group, and what is known of its layers.
class Trials {
 public:
  Trials(const Plan& plan, const Model& base, const Group& group, std::vector<const LayerOutputs*> layers,
         const QuantizeOptions& options)
      : plan_(plan), base_(base), group_(group), layers_(std::move(layers)), options_(options) {
    before_ = error_with({}, Half::kJudging);
  }

  // `rounded`: the plan with weights rounded by the data.
  std::vector<Alternative> all(const Plan& rounded) {
    try_ranges();
    try_weights(rounded);
    try_biases({}, "biases by the outputs");
    try_together();
    try_weights_alone();
    std::ranges::stable_sort(found_, {}, &Alternative::error);
    return std::move(found_);
  }

 private:
  const Quantizer& quantizer(const Changes& changes, std::size_t i) const {
    const auto changed = changes.find(i);
    return changed == changes.end() ? plan_.quantizers[i] : changed->second;
  }

  std::span<const float> shift_of(const LayerOutputs& layer, std::span<const BiasShift> shifts) const {
    const std::string& node = plan_.quantizers[layer.layer().weight].node;
    for (const std::span<const BiasShift> list : {shifts, std::span<const BiasShift>(plan_.bias_shifts)}) {
      const auto found = std::ranges::find(list, node, &BiasShift::node);
      if (found != list.end()) return found->shift;
    }
    return {};
  }

  LayerOutputs::Setting setting(const LayerOutputs& layer, const Changes& changes, std::span<const BiasShift> shifts,
                                bool with_data = true) const {
    const bool has_data = with_data && layer.layer().data_quantizer < plan_.quantizers.size();
    return {has_data ? &quantizer(changes, layer.layer().data_quantizer) : nullptr,
            &quantizer(changes, layer.layer().weight), shift_of(layer, shifts)};
  }

  double error_with(const Changes& changes, Half half, std::span<const BiasShift> shifts = {},
                    bool with_data = true) const {
    double sum = 0;
    for (const LayerOutputs* layer : layers_) sum += layer->error(setting(*layer, changes, shifts, with_data), half);
    return sum;
  }

  // Keeps what is better.
  bool offer(std::string what, Changes changes, std::vector<BiasShift> shifts = {}) {
    if (changes.empty() && shifts.empty()) return false;
    const double error = error_with(changes, Half::kJudging, shifts);
    if (!(error < before_)) return false;
    found_.push_back({std::move(what), std::move(changes), {}, std::move(shifts), true, error, before_});
    return true;
  }

  std::vector<float> shift_of_weight(const LayerOutputs& layer, const Changes& changes) const {
    return layer.mean_error({nullptr, &quantizer(changes, layer.layer().weight), {}}, Half::kFitting);
  }

  // What a bias has to make up for is different with other levels.
  std::vector<BiasShift> shifts_for_levels(const Changes& changes) const {
    std::vector<BiasShift> shifts;
    for (const LayerOutputs* layer : layers_) {
      const std::size_t weight = layer->layer().weight;
      if (!options_.bias_correction || !changes.contains(weight) || shift_of(*layer, {}).empty()) continue;
      shifts.push_back({plan_.quantizers[weight].node, shift_of_weight(*layer, changes)});
    }
    return shifts;
  }

  // Ranges of activations ---------------------------------------------------------------------------------------------

  // Layers that read what a quantizer, or others of the same scale, give.
  std::vector<const LayerOutputs*> readers_of(std::size_t data) const {
    std::vector<const LayerOutputs*> readers;
    const int scale = plan_.quantizers[data].shared_scale;
    for (const LayerOutputs* layer : layers_) {
      const std::size_t i = layer->layer().data_quantizer;
      if (i == data || (i < plan_.quantizers.size() && scale >= 0 && plan_.quantizers[i].shared_scale == scale))
        readers.push_back(layer);
    }
    return readers;
  }

  // One quantizer for each scale that layers of this group read, and no other group has a part in.
  std::vector<std::size_t> scales() const {
    std::vector<std::size_t> firsts;
    std::set<int> seen;
    for (const std::size_t i : group_.quantizers) {
      const Quantizer& quantizer = plan_.quantizers[i];
      if (quantizer.kind == SiteKind::kWeight || quantizer.config.format != NumberFormat::kInteger) continue;
      if (quantizer.shared_scale >= 0 && !seen.insert(quantizer.shared_scale).second) continue;
      if (quantizer.shared_scale >= 0 && !owns(quantizer.shared_scale)) continue;
      if (!readers_of(i).empty()) firsts.push_back(i);
    }
    return firsts;
  }

  bool owns(int scale) const {
    for (std::size_t i = 0; i < plan_.quantizers.size(); ++i) {
      if (plan_.quantizers[i].shared_scale == scale && !std::ranges::binary_search(group_.quantizers, i)) return false;
    }
    return true;
  }

  Changes with(std::size_t data, const Quantizer& changed) const {
    Changes changes;
    for (const std::size_t i : group_.quantizers) {
      const Quantizer& old = plan_.quantizers[i];
      if (i != data && (old.shared_scale < 0 || old.shared_scale != plan_.quantizers[data].shared_scale)) continue;
      Quantizer next = old;
      next.range = changed.range;
      next.config = changed.config;
      changes.emplace(i, std::move(next));
    }
    return changes;
  }

  static Observed observed_in_rows(const Quantizer& data, std::span<const LayerOutputs* const> readers) {
    std::vector<Observed> seen;
    for (const LayerOutputs* reader : readers) {
      const auto [low, high] = reader->extremes(data);
      seen.push_back({low, high, {}, {}});
      for (std::size_t c = 0; c < low.size(); ++c) seen.back().magnitude.push_back(std::max(-low[c], high[c]));
    }
    return united(seen);
  }

  static Quantizer fitted(Quantizer quantizer, const Observed& observed) {
    quantizer.range = fit_activation(observed, quantizer.config);
    return quantizer;
  }

  // The other quantizers that one may be, with what they are called.
  std::vector<std::pair<std::string, Quantizer>> candidates(std::size_t data) const {
    const Quantizer& now = plan_.quantizers[data];
    const std::vector<const LayerOutputs*> readers = readers_of(data);
    const Observed extremes = observed_in_rows(now, readers);
    std::vector<std::pair<std::string, Quantizer>> candidates;
    candidates.emplace_back("ranges of the extremes", fitted(now, extremes));
    if (extremes.low.size() == 1) {
      for (const double outliers : {1e-4, 1e-3}) {
        const std::vector<float> ends = readers.front()->quantiles(std::vector<double>{outliers, 1 - outliers});
        candidates.emplace_back(fmt::format("ranges of quantiles {}", outliers),
                                fitted(now, {{ends[0]}, {ends[1]}, {std::max(-ends[0], ends[1])}, {}}));
      }
      if (may_be_asymmetric(now, base_.graph(), options_) && extremes.low[0] < 0) {
        Quantizer other = now;
        other.config.mode = Mode::kAsymmetric;
        candidates.emplace_back("asymmetric ranges", fitted(other, extremes));
      }
    }
    Quantizer widest = now;
    Observed both = extremes;
    for (std::size_t c = 0; c < both.low.size(); ++c) {
      both.low[c] = std::min(both.low[c], now.range.low[c]);
      both.high[c] = std::max(both.high[c], now.range.high[c]);
      both.magnitude[c] = std::max(both.magnitude[c], now.range.high[c]);
    }
    if (now.config.mode == Mode::kAsymmetric) widest = fitted(now, both);
    if (now.config.mode == Mode::kSymmetric) widest = fitted(now, {extremes.low, both.high, both.magnitude, {}});
    widest.range = best_range(widest, {}, [&](const Range& range) {
      Quantizer any = widest;
      any.range = range;
      return error_of(readers, any, Half::kFitting);
    });
    candidates.emplace_back("ranges by output error", std::move(widest));
    return candidates;
  }

  // Each kind of range, wherever it is better, and the best kind for each quantizer.
  void try_ranges() {
    std::map<std::string, Changes> kinds;
    Changes best;
    for (const std::size_t data : scales()) {
      const std::vector<const LayerOutputs*> readers = readers_of(data);
      const auto error_of_readers = [&](const Changes& changes) {
        double sum = 0;
        for (const LayerOutputs* reader : readers) sum += reader->error(setting(*reader, changes, {}), Half::kFitting);
        return sum;
      };
      const double now = error_of_readers({});
      double least = now;
      Changes chosen;
      for (auto& [what, candidate] : candidates(data)) {
        Changes changes = with(data, candidate);
        const double error = error_of_readers(changes);
        if (!(error < now)) continue;
        kinds[what].insert(changes.begin(), changes.end());
        if (!(error < least)) continue;
        least = error;
        chosen = std::move(changes);
      }
      best.insert(chosen.begin(), chosen.end());
    }
    for (auto& [what, changes] : kinds) offer(what, std::move(changes));
    if (error_with(best, Half::kJudging) < before_) best_ = std::move(best);
  }

  // Weights and biases ------------------------------------------------------------------------------------------------

  void try_weights(const Plan& rounded) {
    Changes ranges;
    Changes levels;
    for (const LayerOutputs* layer : layers_) {
      const std::size_t i = layer->layer().weight;
      const Quantizer& now = plan_.quantizers[i];
      Quantizer other = now;
      other.range = best_weight_range(*layer, now, options_.bias_correction);
      if (other.range != now.range && now.rounding.empty()) ranges.emplace(i, std::move(other));
      if (rounded.quantizers[i].rounding != now.rounding) levels.emplace(i, rounded.quantizers[i]);
    }
    const std::vector<BiasShift> shifts = shifts_for_levels(ranges);
    const std::vector<BiasShift> other_shifts = shifts_for_levels(levels);
    const double with_ranges = ranges.empty() ? before_ : error_with(ranges, Half::kJudging, shifts);
    const double with_levels = levels.empty() ? before_ : error_with(levels, Half::kJudging, other_shifts);
    const Changes& better = with_ranges < with_levels ? ranges : levels;
    if (std::min(with_ranges, with_levels) < before_) best_.insert(better.begin(), better.end());
    offer("ranges of weights by output error", ranges, shifts);
    offer("weights rounded by the data", levels, other_shifts);
  }

  std::vector<BiasShift> measured_shifts(const Changes& changes) const {
    std::vector<BiasShift> shifts;
    for (const LayerOutputs* layer : layers_) {
      LayerOutputs::Setting without_shift = setting(*layer, changes, {});
      without_shift.shift = {};
      const std::string& node = plan_.quantizers[layer->layer().weight].node;
      std::vector<float> shift = layer->mean_error(without_shift, Half::kFitting);
      if (wants_bias(node, base_.graph(), options_) && is_below_threshold(base_, node, shift, options_))
        shifts.push_back({node, std::move(shift), shift_of_weight(*layer, changes)});
    }
    return shifts;
  }

  void try_biases(const Changes& changes, std::string what) {
    if (options_.bias_correction) offer(std::move(what), changes, measured_shifts(changes));
  }

  void try_together() {
    if (best_.empty()) return;
    if (!try_biases_with_best()) offer("the best ranges and levels together", best_, shifts_for_levels(best_));
  }

  bool try_biases_with_best() {
    const double without = error_with(best_, Half::kJudging, shifts_for_levels(best_));
    std::vector<BiasShift> shifts = options_.bias_correction ? measured_shifts(best_) : std::vector<BiasShift>();
    if (shifts.empty() || !(error_with(best_, Half::kJudging, shifts) < without)) return false;
    return offer("the best ranges and levels together, with biases by the outputs", best_, std::move(shifts));
  }

  void try_weights_alone() {
    Alternative alone{"weights alone in 8 bits", {}, {}, {}, false, 0, before_};
    for (const BiasShift& shift : plan_.bias_shifts) {
      if (shift.of_weight && std::ranges::binary_search(group_.operations, shift.node))
        alone.shifts.push_back(of_weight_alone(shift).value_or(BiasShift{shift.node, {}}));
    }
    alone.error = error_with({}, Half::kJudging, alone.shifts, false);
    for (const std::size_t i : group_.quantizers) {
      const Quantizer& quantizer = plan_.quantizers[i];
      if (quantizer.kind == SiteKind::kWeight && !quantizer.smoothing.empty()) return;  // belongs to quantized data
      if (quantizer.kind != SiteKind::kWeight) alone.left_out.push_back(i);
    }
    if (!alone.left_out.empty() && alone.error < before_) found_.push_back(std::move(alone));
  }

  const Plan& plan_;
  const Model& base_;
  const Group& group_;
  std::vector<const LayerOutputs*> layers_;
  const QuantizeOptions& options_;
  double before_ = 0;
  Changes best_;
  std::vector<Alternative> found_;
};

std::vector<Layer> layers_in(const Group& group, std::span<const Layer> layers) {
  std::vector<Layer> found;
  std::ranges::copy_if(layers, std::back_inserter(found),
                       [&](const Layer& layer) { return std::ranges::binary_search(group.quantizers, layer.weight); });
  return found;
}

}  // namespace

std::vector<std::vector<Alternative>> alternatives_of(const Model& model, const Plan& plan,
                                                      std::span<const Group> groups, std::span<const Sample> samples,
                                                      const QuantizeOptions& options) {
  std::vector<std::vector<Alternative>> found(groups.size());
  if (samples.size() < 2) return found;
  const std::unique_ptr<Model> rescaled = with_rescalings(model, plan);
  const Model& base = rescaled ? *rescaled : model;
  const std::vector<Layer> layers = layers_of(plan, base.graph());
  for (std::size_t first = 0; first < groups.size();) {
    Batch batch = next_batch(first, groups.size(), [&](std::size_t g) { return layers_in(groups[g], layers); });
    const std::size_t end = batch.end;
    const Plan rounded = options.weight_rounding.value_or(true)
                             ? round_layers(base, plan, batch.layers, samples, options.bias_correction).plan
                             : plan;
    progress("repair", first, groups.size());  // which may end the work
    const std::vector<LayerOutputs> outputs = outputs_of(base, plan, std::move(batch.layers), samples);
    const std::size_t at_a_time = std::max(std::thread::hardware_concurrency(), 1U);
    for (; first < end; first += std::min(at_a_time, end - first)) {
      for_each_in_parallel(std::min(at_a_time, end - first), [&](std::size_t i) {
        const Group& group = groups[first + i];
        std::vector<const LayerOutputs*> known;
        for (const LayerOutputs& layer : outputs) {
          if (std::ranges::binary_search(group.quantizers, layer.layer().weight)) known.push_back(&layer);
        }
        if (!known.empty()) found[first + i] = Trials(plan, base, group, known, options).all(rounded);
      });
      progress("repair", first, groups.size());
    }
  }
  return found;
}

Plan with_alternatives(Plan plan, std::span<const Alternative> chosen) {
  std::set<std::size_t> left_out;
  for (const Alternative& alternative : chosen) {
    for (const auto& [i, quantizer] : alternative.quantizers) plan.quantizers[i] = quantizer;
    left_out.insert(alternative.left_out.begin(), alternative.left_out.end());
    for (const BiasShift& shift : alternative.shifts) {
      std::erase_if(plan.bias_shifts, [&](const BiasShift& old) { return old.node == shift.node; });
      if (!shift.shift.empty()) plan.bias_shifts.push_back(shift);
    }
  }
  for (auto i = left_out.rbegin(); i != left_out.rend(); ++i)
    plan.quantizers.erase(plan.quantizers.begin() + static_cast<std::ptrdiff_t>(*i));
  return plan;
}

Repaired repair(const Model& model, const Plan& plan, std::span<const Sample> samples, const QuantizeOptions& options) {
  const std::vector<Group> groups = form_groups(plan);
  const std::vector<std::vector<Alternative>> alternatives = alternatives_of(model, plan, groups, samples, options);
  Repaired result;
  std::vector<Alternative> chosen;
  std::map<std::string, std::size_t> kinds;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto best = std::ranges::find(alternatives[g], true, &Alternative::stays_fast);
    if (best == alternatives[g].end()) continue;
    ++kinds[best->what];
    result.repairs.push_back({groups[g].operations, best->what, best->error_before, best->error});
    chosen.push_back(*best);
  }
  std::vector<std::string> texts;
  for (const auto& [what, count] : kinds) texts.push_back(fmt::format("{} ({})", what, count));
  log(LogLevel::kInfo, fmt::format("[repair] {} of {} groups have something with less error in their outputs{}{}.",
                                   chosen.size(), groups.size(), texts.empty() ? "" : ": ", fmt::join(texts, ", ")));
  result.plan = with_alternatives(plan, chosen);
  return result;
}

}  // namespace tightrope
