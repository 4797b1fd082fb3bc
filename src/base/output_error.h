// SPDX-License-Identifier: Apache-2.0
// How far a model's outputs are from those of another one.
#pragma once

#include <span>

#include "tightrope/tensor.h"

namespace tightrope {

// The error of one sample, 0 to 1: the mean over its floating-point outputs of |y - y0|^2 / |y0|^2. Outputs of zeros
// count 0 without an error and 1 with one. NaN, infinities and shapes that only one of the two has make the error 1.
// Integer outputs are left out; where there are no others, the error is the share of unequal elements.
double output_error(std::span<const Tensor> outputs, std::span<const Tensor> reference);

}  // namespace tightrope
