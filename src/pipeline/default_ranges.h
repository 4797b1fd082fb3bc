// SPDX-License-Identifier: Apache-2.0
// What the default ranges of activations are beyond what calibration saw.
#pragma once

#include <span>

#include "statistics/collect.h"
#include "tightrope/graph.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Behind a sigmoid, softmax or the like, past operations that only move data, values end at 0, 1 or -1, whatever the
// data: an end goes there if at least half of the way was observed. Formula: docs/algorithms.md#default-ranges
Observed up_to_limits(Observed observed, const Quantizer& quantizer, const Graph& graph);

// What only x * sigmoid(x) reads need not reach below -8, where the product is above -0.003.
Observed without_idle_end(Observed observed, const Quantizer& quantizer, const Graph& graph);

// Makes quantizers of activations asymmetric where that makes the steps of what they hold (one entry per quantizer)
// smaller, and costs no time: in front of convolutions and matrix products with constant weights. Leaves the plan as it
// is where the user has asked for a mode, a preset or a range estimator.
// Formula: docs/algorithms.md#default-ranges
Plan choose_modes(Plan plan, std::span<const Observed> observed, const Graph& graph, const QuantizeOptions& options);

// Whether a quantizer that is symmetric may be asymmetric instead at no cost in time, on the CPU.
bool may_be_asymmetric(const Quantizer& quantizer, const Graph& graph, const QuantizeOptions& options);

// True where the user leaves it to us how ranges are made of what is observed.
bool has_default_estimator(const QuantizeOptions& options);

}  // namespace tightrope
