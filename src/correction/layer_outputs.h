// SPDX-License-Identifier: Apache-2.0
// What other ranges, levels and biases do to the outputs of one layer, computed on some of the rows that it reads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "correction/layers.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope {

// Rows of every other sample, from the first one on, are what a choice may be fitted to; the others judge it.
enum class Half { kFitting, kJudging };

// Remembers the weight that it was asked about last, so one thread at a time may ask.
class LayerOutputs {
 public:
  // `model`: the base. `weight`: the quantizer of the layer, as the rows were sampled for it.
  LayerOutputs(const Model& model, const Quantizer& weight, Layer layer, const Rows& rows);
  ~LayerOutputs();
  LayerOutputs(LayerOutputs&&) noexcept;
  LayerOutputs& operator=(LayerOutputs&&) noexcept;

  const Layer& layer() const { return layer_; }

  // True where both halves have rows, and outputs that are not all the same.
  bool is_known() const;

  // Entries of the data, the lowest and the highest of each channel of `quantizer`, of the half that fits.
  struct Extremes {
    std::vector<float> low;
    std::vector<float> high;
  };
  Extremes extremes(const Quantizer& data) const;
  // The entries at these shares of all, of the half that fits, which is sorted once for each call.
  std::vector<float> quantiles(std::span<const double> shares) const;

  // How the layer is quantized; what is null stays in floating point, an empty shift adds nothing.
  struct Setting {
    const Quantizer* data = nullptr;
    const Quantizer* weight = nullptr;
    std::span<const float> shift;
  };

  // The squared error of the outputs, relative to the sum of squares of the outputs around their means.
  double error(const Setting& setting, Half half) const;
  // The same by output channel, relative to that sum over all channels.
  std::vector<double> errors(const Setting& setting, Half half) const;
  // What the mean of each output channel lacks: the shift that makes up for it, but for `setting.shift`.
  std::vector<float> mean_error(const Setting& setting, Half half) const;

 private:
  struct Data;

  Layer layer_;
  std::unique_ptr<Data> data_;
};

// What the levels of a quantizer with this range make of values, in place. Each channel of the range stands for as many
// values, one channel after the other. Formula: docs/algorithms.md#openvino-models
void quantize_in_place(std::span<float> values, const Range& range);

}  // namespace tightrope
