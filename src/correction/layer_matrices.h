// SPDX-License-Identifier: Apache-2.0
// The weight and the rows of a layer as matrices.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <span>

#include "correction/layers.h"
#include "correction/smoothing.h"
#include "kernels/quantize.h"

namespace tightrope {

using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }

// A weight as it is quantized, and what its levels make of it; [channels, inputs].
struct LayerWeight {
  FloatMatrix elements;
  FloatMatrix quantized;
  QuantizedTensor levels;  // in the order of the tensor

  float scale(std::size_t channel) const { return levels.scale[levels.scale.size() == 1 ? 0 : channel]; }
  float zero_point(std::size_t channel) const {
    return levels.zero_point.empty() ? 0.0F : levels.zero_point[levels.zero_point.size() == 1 ? 0 : channel];
  }
};

// With the steps of `rounding` (none: the nearest levels).
LayerWeight weight_of(const Model& model, const Quantizer& quantizer, const Layer& layer,
                      std::span<const std::int8_t> rounding = {});

// Rows [begin, end) of one group, [rows, inputs], where they lie.
inline Eigen::Map<const FloatMatrix, 0, Eigen::OuterStride<>> rows_of(std::span<const float> values, const Layer& layer,
                                                                      std::size_t groups, std::size_t group,
                                                                      std::size_t begin, std::size_t end) {
  const std::size_t width = groups * layer.inputs;
  return {values.data() + begin * width + group * layer.inputs, index(end - begin), index(layer.inputs),
          Eigen::OuterStride<>(index(width))};
}

}  // namespace tightrope
