// SPDX-License-Identifier: Apache-2.0
// Channel alignment: channels between a layer and the convolutions that read it get equal ranges, so that one scale
// suits them all. The function of the model stays the same.
#pragma once

#include <vector>

#include "correction/rescaling.h"
#include "statistics/collect.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope {

// A tensor whose channels (axis 1) can be aligned.
struct AlignedTensor {
  ValueId value = kNone;
  Makers makers;
  std::vector<Operand> readers;  // weights
};

// Tensors that layers with constant weights give, perhaps behind constant additions, Relu and pooling, and that nothing
// but convolutions with one filter per channel or without groups reads; producers first.
std::vector<AlignedTensor> alignable_tensors(const Graph& graph);

// The extremes of each channel.
StatisticRequest alignment_request(const AlignedTensor& tensor);

// Divides channels by their ranges over the median of all, and moves them to around zero where that is exact: between a
// layer and one convolution of one tap without padding, both with a bias. Tensors come in the order of
// alignable_tensors(). Formula: docs/algorithms.md#channel-alignment
Rescaling aligned(const Model& model, const AlignedTensor& tensor, const Observed& observed);

}  // namespace tightrope
