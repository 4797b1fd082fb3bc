// SPDX-License-Identifier: Apache-2.0
// The quantization as data: the quantized model is the base model plus a Plan, and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

enum class SiteKind { kOutput, kInput, kWeight };
enum class Mode { kSymmetric, kAsymmetric };

// What the levels are: integers, or numbers of 8-bit floating point, by their bits of exponent and mantissa.
enum class NumberFormat { kInteger, kF8E4M3, kF8E5M2 };

struct QuantizerConfig {
  int bits = 8;
  Mode mode = Mode::kSymmetric;
  bool per_channel = false;
  bool narrow_range = false;  // one level less, so that the levels lie evenly around zero
  std::optional<bool> forced_sign;
  NumberFormat format = NumberFormat::kInteger;

  bool operator==(const QuantizerConfig&) const = default;
};

// Real values of the lowest and the highest level; one entry, or one per channel. Levels of integers are equally far
// apart; those of 8-bit floating point lie around zero, with 256 bit patterns.
struct Range {
  std::vector<float> low;
  std::vector<float> high;
  int levels = 256;

  bool operator==(const Range&) const = default;
};

// Where one quantizer sits, what it looks like, and which operations run in 8 bits thanks to it.
//
// Smoothing moves outliers from the data of convolutions and matrix products to their weights: channels of the data are
// divided by it before they are quantized, and those of the weight multiplied. The ranges are those that come of it.
struct Quantizer {
  SiteKind kind = SiteKind::kOutput;
  std::string node;               // kOutput: the producer; otherwise the consumer
  int port = 0;                   // output port, or input port
  std::vector<int> channel_axes;  // axes of the tensor that keep a scale of their own; empty: one scale
  QuantizerConfig config;
  bool half_range = false;              // weights use half the levels, against overflow of 16-bit accumulators
  std::vector<float> smoothing;         // one per channel that the operation sums over; empty: none
  int smoothing_axis = 0;               // of the tensor, where these channels are
  int shared_scale = -1;                // quantizers with the same number >= 0 have one range (inputs of a Concat)
  std::vector<std::string> operations;  // names, sorted
  Range range;                          // empty until fitted
  std::vector<std::int8_t> rounding;    // of a weight: levels beyond the nearest one, by element; empty: none

  bool operator==(const Quantizer&) const = default;
};

// A per-channel correction of an operation's output that is added to its bias. One that makes up for errors of the
// data, too, is replaced where the data return to floating point while the weight stays in 8 bits.
struct BiasShift {
  std::string node;
  std::vector<float> shift;                          // one per output channel
  std::optional<std::vector<float>> of_weight = {};  // what takes its place then; unset: the same, empty: nothing

  bool operator==(const BiasShift&) const = default;
};

// An operation that gains from 8 bits only with a convolution in front that does: an addition of two activations that
// becomes part of it, or an average of what it gives.
struct Follower {
  std::string operation;
  std::string convolution;

  bool operator==(const Follower&) const = default;
};

// A constant operand whose channels are multiplied, and then added to.
struct AdjustedConstant {
  std::string node;
  int port = 0;
  std::vector<int> axes;       // number the channels
  std::vector<float> factors;  // one per channel
  std::vector<float> addends;  // the same; empty: none

  bool operator==(const AdjustedConstant&) const = default;
};

// Constants that change together so that the function of the model does not: the channels of a tensor are divided in
// the operations that make them, and multiplied in the weights that read them. That comes before all quantization, and
// leaves the plan with the last of its operations.
struct Rescaling {
  std::vector<AdjustedConstant> constants;

  bool operator==(const Rescaling&) const = default;
};

struct Plan {
  std::vector<Quantizer> quantizers;
  std::vector<BiasShift> bias_shifts;
  std::vector<Follower> followers;
  std::vector<Rescaling> rescalings;  // one after the other
  bool compress_weights = true;       // stored in 8 bits; otherwise in floating point, with a quantizer behind them

  bool empty() const { return quantizers.empty() && bias_shifts.empty() && rescalings.empty(); }
  bool operator==(const Plan&) const = default;
};

// JSON with a schema version; numbers survive the round trip exactly.
std::string to_json(const Plan& plan);

// Throws InvalidArgument for anything that is not a plan of a known schema version.
Plan plan_from_json(std::string_view json);

// Sorted names of the operations that run in 8 bits under this plan.
std::vector<std::string> quantized_operations(const Plan& plan);

}  // namespace tightrope
