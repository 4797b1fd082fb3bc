// SPDX-License-Identifier: Apache-2.0
// Which quantizers the target devices have kernels for, best first.
#pragma once

#include <optional>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

bool is_convolution(OpKind kind);  // of any grouping, transposed or not

// True for operations that devices run faster with 8-bit operands, by themselves.
bool computes_in_int8(OpKind kind);

// The device whose tables count: with 8 bits throughout all follow the CPU's, with matrix extensions or without.
TargetDevice effective_device(const QuantizeOptions& options);

// True where neither activations nor weights are asked to have other than 8 bits.
bool has_eight_bits(const QuantizeOptions& options);

// What an activation that goes into the operation may be quantized to: the device's row as far as the options allow it.
// Throws InvalidArgument, naming the node, where nothing is left.
std::vector<QuantizerConfig> activation_configs(const Node& node, const QuantizeOptions& options);

// The same for its weight.
std::vector<QuantizerConfig> weight_configs(const Node& node, const QuantizeOptions& options);

// For the values that a model returns.
std::vector<QuantizerConfig> output_configs(const QuantizeOptions& options);

// True where all inputs of the operation need one scale.
bool needs_one_scale(DeviceOp op, TargetDevice effective);

}  // namespace tightrope
