// SPDX-License-Identifier: Apache-2.0
#include "correction/layer_outputs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "correction/layer_matrices.h"

namespace tightrope {

LayerWeight weight_of(const Model& model, const Quantizer& quantizer, const Layer& layer,
                      std::span<const std::int8_t> rounding) {
  const Tensor tensor = multiplied(model.constant(layer.elements), quantizer);
  const auto values = tensor.as<float>();
  LayerWeight weight{{index(layer.channels), index(layer.inputs)},
                     {index(layer.channels), index(layer.inputs)},
                     quantize_tensor(values, tensor.shape(), quantizer.channel_axes, quantizer.range, rounding)};
  for (std::size_t c = 0; c < layer.channels; ++c) {
    for (std::size_t i = 0; i < layer.inputs; ++i) {
      const std::size_t element = layer.element(c, i);
      weight.elements(index(c), index(i)) = values[element];
      weight.quantized(index(c), index(i)) =
          weight.scale(c) * (static_cast<float>(weight.levels.levels[element]) - weight.zero_point(c));
    }
  }
  return weight;
}

void quantize_in_place(std::span<float> values, const Range& range) {
  if (range.low.empty()) return;
  const std::size_t channels = range.low.size();
  const std::size_t entries = values.size() / channels;
  const auto steps = static_cast<float>(range.levels - 1);
  for (std::size_t c = 0; c < channels; ++c) {
    const float low = range.low[c];
    const float high = range.high[c];
    if (!(high > low)) continue;
    const float scale = (high - low) / steps;
    for (float& value : values.subspan(c * entries, entries))
      value = std::nearbyint((std::clamp(value, low, high) - low) / scale) * scale + low;
  }
}

struct LayerOutputs::Data {
  const Model* model;
  FloatMatrix elements;  // [channels, inputs]
  std::size_t groups = 0;
  struct Part {
    std::vector<float> rows;  // [count, groups, inputs]
    std::size_t count = 0;
    FloatMatrix outputs;  // [count, channels]
    double signal = 0;
  };
  std::array<Part, 2> parts;

  // Of the setting before: mostly the next one has the same.
  Range known_range;
  std::vector<std::int8_t> known_rounding;
  FloatMatrix known_weight;

  const FloatMatrix& quantized(const Quantizer& weight, const Layer& layer) {
    if (known_weight.size() == 0 || weight.range != known_range || weight.rounding != known_rounding) {
      known_weight = weight_of(*model, weight, layer, weight.rounding).quantized;
      known_range = weight.range;
      known_rounding = weight.rounding;
    }
    return known_weight;
  }

  const Part& part(Half half) const { return parts[static_cast<std::size_t>(half)]; }

  FloatMatrix outputs(std::span<const float> rows, std::size_t count, const FloatMatrix& weight,
                      const Layer& layer) const {
    const std::size_t channels = layer.channels / groups;
    FloatMatrix result(index(count), index(layer.channels));
    for (std::size_t g = 0; g < groups; ++g) {
      result.middleCols(index(g * channels), index(channels)).noalias() =
          rows_of(rows, layer, groups, g, 0, count) *
          weight.middleRows(index(g * channels), index(channels)).transpose();
    }
    return result;
  }

  // What the outputs lack, [count, channels].
  FloatMatrix lack(const Setting& setting, Half half, const Layer& layer) {
    const Part& given = part(half);
    std::vector<float> rows;
    if (setting.data != nullptr) {
      rows = given.rows;
      const std::size_t width = groups * layer.inputs;
      for (std::size_t r = 0; r < given.count; ++r)
        quantize_in_place(std::span(rows).subspan(r * width, width), setting.data->range);
    }
    const FloatMatrix& weight = setting.weight != nullptr ? quantized(*setting.weight, layer) : elements;
    FloatMatrix result =
        given.outputs - outputs(setting.data != nullptr ? rows : given.rows, given.count, weight, layer);
    for (std::size_t c = 0; c < setting.shift.size(); ++c) result.col(index(c)).array() -= setting.shift[c];
    return result;
  }
};

LayerOutputs::LayerOutputs(const Model& model, const Quantizer& weight, Layer layer, const Rows& rows)
    : layer_(std::move(layer)), data_(std::make_unique<Data>()) {
  data_->model = &model;
  data_->groups = rows.groups;
  if (rows.count == 0) return;
  data_->elements = weight_of(model, weight, layer_).elements;
  const std::size_t width = rows.width(layer_);
  for (std::size_t s = 0; s < rows.ends.size(); ++s) {
    Data::Part& part = data_->parts[s % 2];
    const std::size_t begin = s == 0 ? 0 : rows.ends[s - 1];
    part.rows.insert(part.rows.end(), rows.values.begin() + static_cast<std::ptrdiff_t>(begin * width),
                     rows.values.begin() + static_cast<std::ptrdiff_t>(rows.ends[s] * width));
    part.count += rows.ends[s] - begin;
  }
  for (Data::Part& part : data_->parts) {
    if (part.count == 0) continue;
    part.outputs = data_->outputs(part.rows, part.count, data_->elements, layer_);
    part.signal = (part.outputs.rowwise() - part.outputs.colwise().mean()).cast<double>().squaredNorm();
  }
}

LayerOutputs::~LayerOutputs() = default;
LayerOutputs::LayerOutputs(LayerOutputs&&) noexcept = default;
LayerOutputs& LayerOutputs::operator=(LayerOutputs&&) noexcept = default;

bool LayerOutputs::is_known() const {
  return std::ranges::all_of(data_->parts, [](const Data::Part& part) { return part.count > 0 && part.signal > 0; });
}

LayerOutputs::Extremes LayerOutputs::extremes(const Quantizer& data) const {
  const Data::Part& part = data_->part(Half::kFitting);
  const std::size_t channels = std::max<std::size_t>(data.range.low.size(), 1);
  const std::size_t width = data_->groups * layer_.inputs;
  Extremes found{std::vector<float>(channels, std::numeric_limits<float>::max()),
                 std::vector<float>(channels, std::numeric_limits<float>::lowest())};
  for (std::size_t i = 0; i < part.rows.size(); ++i) {
    const std::size_t c = i % width * channels / width;
    found.low[c] = std::min(found.low[c], part.rows[i]);
    found.high[c] = std::max(found.high[c], part.rows[i]);
  }
  return found;
}

std::vector<float> LayerOutputs::quantiles(std::span<const double> shares) const {
  std::vector<float> sorted = data_->part(Half::kFitting).rows;
  std::ranges::sort(sorted);
  std::vector<float> found;
  for (const double share : shares)
    found.push_back(sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))]);
  return found;
}

double LayerOutputs::error(const Setting& setting, Half half) const {
  const double signal = data_->part(half).signal;
  if (!(signal > 0)) return 0;
  return static_cast<double>(data_->lack(setting, half, layer_).squaredNorm()) / signal;
}

std::vector<double> LayerOutputs::errors(const Setting& setting, Half half) const {
  const double signal = data_->part(half).signal;
  std::vector<double> errors(layer_.channels, 0);
  if (!(signal > 0)) return errors;
  const FloatMatrix lack = data_->lack(setting, half, layer_);
  for (std::size_t c = 0; c < errors.size(); ++c)
    errors[c] = static_cast<double>(lack.col(index(c)).squaredNorm()) / signal;
  return errors;
}

std::vector<float> LayerOutputs::mean_error(const Setting& setting, Half half) const {
  std::vector<float> means(layer_.channels, 0);
  if (data_->part(half).count == 0) return means;
  const FloatMatrix lack = data_->lack(setting, half, layer_);
  for (std::size_t c = 0; c < means.size(); ++c) means[c] = lack.col(index(c)).mean();
  return means;
}

}  // namespace tightrope
