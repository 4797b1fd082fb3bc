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

// What the search keeps as much of as it can: operations in 8 bits, or the time that they save, as measured.
enum class Objective { kOperations, kLatency };

enum class OverflowFix { kEnable, kFirstLayerOnly, kDisable };
enum class RestoreMode { kActivationsAndWeights, kActivationsOnly };
// What is taken of each item: of its elements, or of their magnitudes. Raw: the elements themselves.
enum class Statistic { kMin, kMax, kAbsMax, kQuantile, kAbsQuantile, kMean, kRaw };

// How the statistics of all items become one number. Histogram: the range with the least error of rounding; of raw
// only. Output error: from the extremes inwards, what makes the least error in the outputs of the layers that read it.
enum class Aggregator { kMin, kMax, kMean, kMedian, kMeanNoOutliers, kMedianNoOutliers, kHistogram, kOutputError };

// How one end of a range is found. Unset fields keep the default for the quantizer.
struct EndEstimator {
  std::optional<Statistic> statistic;
  std::optional<Aggregator> aggregator;
  std::optional<double> clipping_value;  // elements are clipped to [-clipping_value, clipping_value] first
  double outlier_probability = 1e-4;     // of quantiles (one minus it at the upper end), and of outliers at either end

  bool operator==(const EndEstimator&) const = default;
};

struct RangeEstimator {
  EndEstimator min;
  EndEstimator max;

  bool operator==(const RangeEstimator&) const = default;
};

// What the configuration of every quantizer must have; unset fields leave the choice to the device. `format` is for
// modes of 8-bit floating point, which take nothing else.
struct ConfigConstraints {
  std::optional<int> bits;
  std::optional<Mode> mode;
  std::optional<bool> per_channel;
  std::optional<bool> forced_sign;
  std::optional<bool> narrow_range;
  std::optional<NumberFormat> format;
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
  NumberFormat mode = NumberFormat::kInteger;  // 8-bit floating point: OpenVINO models, without accuracy control
  std::optional<Preset> preset;                // default: mixed for transformers, else performance
  TargetDevice target_device = TargetDevice::kAny;
  std::int64_t subset_size = 300;  // calibration items
  IgnoredScope ignored_scope;
  std::optional<ModelType> model_type;
  Placement placement = Placement::kLean;
  double smooth_quant_alpha = 0.95;  // of matrix products: how much of their data's outliers goes to weights; < 0: off
  double smooth_quant_alpha_convolution = -1;
  bool quantize_outputs = false;
  ConfigConstraints activations;
  ConfigConstraints weights;
  PropagationRule propagation_rule = PropagationRule::kMergeAllInOne;
  std::optional<OverflowFix> overflow_fix;  // default: first layer only with 8 bits throughout, else disabled
  bool channel_alignment = false;           // of what convolutions read, before everything else
  bool bias_correction = true;
  bool fast_bias_correction = true;      // false: more samples and rounds
  std::optional<double> bias_threshold;  // a shift that reaches this multiple of the bias in any channel is skipped
  bool bias_for_all_nodes = false;       // with a threshold: operations without a bias are corrected, too
  std::optional<bool> weight_rounding;   // by the data, of all layers; unset: of those that lose much; false: of none
  RangeEstimator activation_range;
  RangeEstimator weight_range;
  bool batchwise_statistics = false;  // calibration items are batches, whose samples count one by one
  bool inplace_statistics = true;     // computed inside of the graph where that is possible
  std::string statistics_path;        // file to reuse statistics from, and to write them to; empty: none
  bool compress_weights = true;       // see Plan
  int stat_requests = 0;              // calibration items at a time; 0: the device's choice
};

// The limit of one of several metrics, by the name under which the validation function returns it.
struct MetricLimit {
  std::string name;
  double max_drop = 0.01;
  DropType drop_type = DropType::kAbsolute;
  bool higher_is_better = true;
};

struct AccuracyOptions {
  double max_drop = 0.01;
  DropType drop_type = DropType::kAbsolute;
  bool higher_is_better = true;
  std::vector<MetricLimit> limits;  // for several metrics, instead of the three above: all of them hold
  std::int64_t max_num_iterations = std::numeric_limits<std::int64_t>::max();  // validations after the first two
  bool repair = true;             // where the limit is broken, try to quantize operations in another way first
  bool tune_hyperparams = false;  // the same where it is not
  std::optional<std::int64_t> ranking_subset_size;  // items per ranking score; default: 8
  int ranking_workers = 1;                          // groups that are ranked at a time, on threads
  std::optional<std::string> intermediate_model_dir;
  int eval_requests = 0;  // samples at a time in the ranking; 0: the device's choice
  RestoreMode restore_mode = RestoreMode::kActivationsAndWeights;
  std::string validation_device = "CPU";
  std::string validation_precision = "f32";
  Objective objective = Objective::kOperations;
  std::optional<double> time_budget;  // seconds; nothing begins that is not expected to end within them
  std::string work_dir;               // folder that keeps what was measured, for the next run; empty: none
  bool early_stopping = true;         // candidates are judged on a part of the items where that settles it
  bool measure_deployed = false;      // the result is measured once more, in the precision that the device chooses
};

// Throw InvalidArgument for unknown names and values, Unsupported for options that this version does not do.
QuantizeOptions quantize_options_from_json(std::string_view json);
AccuracyOptions accuracy_options_from_json(std::string_view json);

// Symmetric or asymmetric activations: as asked for, or by the preset, or by the mode and the model type.
Mode activation_mode(const QuantizeOptions& options);

// Throw InvalidArgument for values out of range (subset_size 0, a negative or NaN max_drop, two limits of one name
// ...).
void check(const QuantizeOptions& options);
void check(const AccuracyOptions& options);

}  // namespace tightrope
