// SPDX-License-Identifier: Apache-2.0
// What is written into copies of a base: a plan's quantizers, or the outputs that calibration asks for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "onnx/onnx_model.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope::onnx {

// The constants that the plan's rescalings change. Throws as rewrite() does. The graph of the copy is another one then.
void rescale(Network& copy, const Plan& plan);

// QuantizeLinear and DequantizeLinear for activations, 8-bit integers and DequantizeLinear for weights, shifts in
// biases. Operations that the plan doesn't name stay as they are, byte for byte. `graph` is that of the base. Throws
// InvalidArgument for a plan that names what the base does not have and for ranges without zero, Unsupported for other
// than 8 bits. How: docs/algorithms.md#onnx-models
void rewrite(Network& copy, const Graph& graph, const Plan& plan);

// Makes the probes the outputs of the copy, in place of its own, and gives it two inputs per addend. Gives the names of
// the outputs, in the order of the probes. Throws Unsupported for a value per channel whose rank is not known.
std::vector<std::string> add_probes(Network& copy, const Graph& graph, std::span<const Probe> probes,
                                    std::span<const Addend> addends = {});

}  // namespace tightrope::onnx
