// SPDX-License-Identifier: Apache-2.0
// What the user asks for. Names and defaults are those of NNCF's Python API; JSON uses the same names.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/plan.h"

namespace tightrope {

enum class Preset { kPerformance, kMixed };  // activations symmetric, or asymmetric; weights are always symmetric
enum class TargetDevice { kAny, kCpu, kCpuSpr, kGpu, kNpu };
enum class ModelType { kTransformer };

// Where quantizers go. Lean: where an operation runs faster in 8 bits thanks to them. Reference: where NNCF puts them.
enum class Placement { kLean, kReference };

// What happens to quantizers that meet at a tensor with several consumers. The first forbids to merge, the others
// merge if the possible configurations are equal, share one, or share one that the others can be requantized from.
enum class PropagationRule {
  kDoNotMergeBranches,
  kMergeIfAllBranchesSame,
  kMergeWithPotentialRequantization,
  kMergeAllInOne
};

enum class DropType { kAbsolute, kRelative };
enum class OverflowFix { kEnable, kFirstLayerOnly, kDisable };
enum class RestoreMode { kActivationsAndWeights, kActivationsOnly };
enum class Aggregator { kMin, kMax, kMean };

// How extremes of single items become the extremes of a tensor. Unset fields keep the default for the quantizer.
struct RangeEstimator {
  std::optional<Aggregator> min_aggregator;
  std::optional<Aggregator> max_aggregator;
};

// What the configuration of every quantizer must have; unset fields leave the choice to the device.
struct ConfigConstraints {
  std::optional<int> bits;
  std::optional<Mode> mode;
  std::optional<bool> per_channel;
  std::optional<bool> forced_sign;
  std::optional<bool> narrow_range;
};

struct Subgraph {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// Operations that stay in floating point.
struct IgnoredScope {
  std::vector<std::string> names;
  std::vector<std::string> patterns;  // regular expressions (ECMAScript), matched at the start of the name
  std::vector<std::string> types;
  std::vector<Subgraph> subgraphs;  // every node on a path from an input to an output, both included
  bool validate = true;             // a rule that matches nothing is an error
};

struct QuantizeOptions {
  std::optional<Preset> preset;  // default: mixed for transformers, else performance
  TargetDevice target_device = TargetDevice::kAny;
  std::int64_t subset_size = 300;  // calibration items
  IgnoredScope ignored_scope;
  std::optional<ModelType> model_type;
  Placement placement = Placement::kLean;
  double smooth_quant_alpha = 0.95;  // of matrix products: how much of their data's outliers goes to weights; < 0: off
  bool quantize_outputs = false;
  ConfigConstraints activations;
  ConfigConstraints weights;
  PropagationRule propagation_rule = PropagationRule::kMergeAllInOne;
  std::optional<OverflowFix> overflow_fix;  // default: first layer only with 8 bits throughout, else disabled
  bool bias_correction = true;
  bool fast_bias_correction = true;      // false: more samples and rounds
  std::optional<double> bias_threshold;  // a shift that reaches this multiple of the bias in any channel is skipped
  bool bias_for_all_nodes = false;       // with a threshold: operations without a bias are corrected, too
  RangeEstimator activation_range;
};

struct AccuracyOptions {
  double max_drop = 0.01;
  DropType drop_type = DropType::kAbsolute;
  bool higher_is_better = true;
  std::int64_t max_num_iterations = std::numeric_limits<std::int64_t>::max();  // validations after the first two
  std::optional<std::int64_t> ranking_subset_size;                             // items per ranking score; default: 8
  std::optional<std::string> intermediate_model_dir;
  RestoreMode restore_mode = RestoreMode::kActivationsAndWeights;
  std::string validation_device = "CPU";
  std::string validation_precision = "f32";
};

// Throw InvalidArgument for unknown names and values, Unsupported for options that this version does not do.
QuantizeOptions quantize_options_from_json(std::string_view json);
AccuracyOptions accuracy_options_from_json(std::string_view json);

// Symmetric or asymmetric activations: as asked for, or by the preset, or by the model type.
Mode activation_mode(const QuantizeOptions& options);

// Throw InvalidArgument for values out of range (subset_size 0, a negative or NaN max_drop ...).
void check(const QuantizeOptions& options);
void check(const AccuracyOptions& options);

}  // namespace tightrope
