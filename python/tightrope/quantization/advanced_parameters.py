# SPDX-License-Identifier: Apache-2.0
"""Fine control over quantization and accuracy control. Every default is what `quantize` does by itself."""

import sys
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from os import PathLike
from typing import Any

from tightrope.elsewhere import attribute_of
from tightrope.parameters import QuantizationScheme as QuantizationMode
from tightrope.quantization.range_estimator import AggregatorType as AggregatorType
from tightrope.quantization.range_estimator import RangeEstimatorParameters as RangeEstimatorParameters
from tightrope.quantization.range_estimator import StatisticsType as StatisticsType

__getattr__ = attribute_of(__name__)


class OverflowFix(StrEnum):
    """Which weights use half of the 8-bit range, so that sums stay within 16 bits on CPUs without VNNI.

    The result doesn't depend on the CPU that quantizes; the log says what the choice means on it.

    ENABLE: those of all convolutions, except depthwise ones, and matrix products.
    FIRST_LAYER: those of the first convolutions after each model input.
    DISABLE: none.
    """

    ENABLE = "enable"
    FIRST_LAYER = "first_layer_only"
    DISABLE = "disable"


class FP8Type(StrEnum):
    """An 8-bit floating-point format: bits of exponent, then bits of mantissa."""

    E4M3 = "f8e4m3"
    E5M2 = "f8e5m2"


class QuantizerPropagationRule(StrEnum):
    """What happens to quantizers that meet while they move up through a branching value.

    DO_NOT_MERGE_BRANCHES: they stay on their branches.
    MERGE_IF_ALL_BRANCHES_SAME: they become one if their possible configurations are identical.
    MERGE_WITH_POTENTIAL_REQUANTIZATION: what they share becomes one; a branch that could be narrower keeps its own.
    MERGE_ALL_IN_ONE: they become one wherever a common configuration exists.
    """

    DO_NOT_MERGE_BRANCHES = "0"
    MERGE_IF_ALL_BRANCHES_SAME = "1"
    MERGE_WITH_POTENTIAL_REQUANTIZATION = "2"
    MERGE_ALL_IN_ONE = "3"


class RestoreMode(Enum):
    """What accuracy control gives back to an operation that it reverts.

    ACTIVATIONS_AND_WEIGHTS: the whole operation runs in floating point again.
    ONLY_ACTIVATIONS: its inputs are in floating point again, its weights stay 8-bit.
    """

    ACTIVATIONS_AND_WEIGHTS = "activations_and_weights"
    ONLY_ACTIVATIONS = "only_activations"


@dataclass
class QuantizationParameters:
    """Wishes for the integer quantizers of all weights or all activations. None leaves the choice to the device.

    Where the device can't do as asked, quantization fails and names the first such node.

    num_bits: width of the integers, from 2 to 16.
    mode: SYMMETRIC or ASYMMETRIC.
    signedness_to_force: True for signed integers, False for unsigned.
    per_channel: True for one scale per channel, False for one per tensor.
    narrow_range: True to leave the lowest integer unused, so that signed integers span -(2^(n-1) - 1) .. 2^(n-1) - 1.
    """

    num_bits: int | None = None
    mode: QuantizationMode | None = None
    signedness_to_force: bool | None = None
    per_channel: bool | None = None
    narrow_range: bool | None = None


@dataclass
class FP8QuantizationParameters:
    """Wishes for the 8-bit floating-point quantizers of all weights or all activations; only together with `mode`.

    destination_type: the format; None follows the mode.
    """

    destination_type: FP8Type | None = None


@dataclass
class AdvancedBiasCorrectionParameters:
    """Control over bias correction.

    apply_for_all_nodes: with a `threshold`, True to give a bias also to operations that have none. Without a threshold
        they get one in any case.
    threshold: a correction is skipped if it reaches this multiple of the bias itself, in any channel. None: never.
    """

    apply_for_all_nodes: bool = False
    threshold: float | None = None


@dataclass
class AdvancedSmoothQuantParameters:
    """How far smooth-quant moves outliers from activations to weights: 0 not at all, 1 fully, negative turns it off.

    The operation in front of the data takes the division in where it can; otherwise a multiplication is added.

    convolution: for convolutions without groups, of data that nothing else reads in 8 bits.
    matmul: for matrix products of constant weights and data that nothing else reads in 8 bits; of data with fewer than
        three axes only with `model_type=TRANSFORMER`.
    """

    convolution: float = -1
    matmul: float = 0.95


@dataclass
class AdvancedQuantizationParameters:
    """Control over `quantize`. A field that this version does not serve yet raises UnsupportedError where it is set.

    overflow_fix: which weights use half of the range. None: FIRST_LAYER if weights and activations have 8 integer
        bits, else DISABLE.
    quantize_outputs: True to quantize the values that the model returns, too.
    inplace_statistics: True to compute statistics inside the graph where that is possible; the numbers are the same.
    disable_channel_alignment: False to give the channels between a layer and the convolutions behind it equal ranges
        first, which costs one more pass over the calibration data.
    disable_bias_correction: True to leave biases as they are.
    batchwise_statistics: True to take calibration items as batches, each of whose samples counts by itself; False to
        take them as they are. None: only if the calibration dataset tells a batch size above 1.
    activations_quantization_params: wishes for the quantizers of activations.
    weights_quantization_params: wishes for the quantizers of weights.
    quantizer_propagation_rule: how quantizers of branches merge.
    activations_range_estimator_params: how ranges of activations are estimated.
    weights_range_estimator_params: how ranges of weights are estimated.
    bias_correction_params: control over bias correction.
    smooth_quant_alphas: control over smooth-quant.
    smooth_quant_alpha: deprecated. If given, it replaces `smooth_quant_alphas.matmul`; negative turns both off.
    backend_params: further settings by name. `compress_weights`: False leaves weights in floating point, with a
        quantizer behind them (default True: they are stored in 8 bits). `stat_requests_number`, and
        `eval_requests_number` in the ranking of accuracy control: how many items run at a time; results don't depend
        on it. `external_data_dir`: the folder of an ONNX model's tensors that aren't loaded.
    """

    overflow_fix: OverflowFix | None = None
    quantize_outputs: bool = False
    inplace_statistics: bool = True
    disable_channel_alignment: bool = True
    disable_bias_correction: bool = False
    batchwise_statistics: bool | None = None
    activations_quantization_params: QuantizationParameters | FP8QuantizationParameters | None = None
    weights_quantization_params: QuantizationParameters | FP8QuantizationParameters | None = None
    quantizer_propagation_rule: QuantizerPropagationRule = QuantizerPropagationRule.MERGE_ALL_IN_ONE
    activations_range_estimator_params: RangeEstimatorParameters = field(default_factory=RangeEstimatorParameters)
    weights_range_estimator_params: RangeEstimatorParameters = field(default_factory=RangeEstimatorParameters)
    bias_correction_params: AdvancedBiasCorrectionParameters = field(default_factory=AdvancedBiasCorrectionParameters)
    smooth_quant_alphas: AdvancedSmoothQuantParameters = field(default_factory=AdvancedSmoothQuantParameters)
    smooth_quant_alpha: float | None = None
    backend_params: dict[str, Any] = field(default_factory=dict)


@dataclass
class AdvancedAccuracyRestorerParameters:
    """Control over the search of `quantize_with_accuracy_control`.

    max_num_iterations: how many candidates are validated at most, beyond the original and the fully quantized model.
    tune_hyperparams: True to try other ranges, roundings and biases even if the limit is met, and to use them if that
        lowers the drop. Where the limit is broken, `repair` of `quantize_with_accuracy_control` tries them.
    ranking_subset_size: how many calibration items the ranking of operations uses. None: 8.
    num_ranking_workers: groups of operations that are ranked at a time, on threads. None: 1, which uses all cores by
        itself. The result does not depend on it. With an `executor` its workers rank instead.
    intermediate_model_dir: existing folder to which the fully quantized model is saved. None: it is not saved.
    restore_mode: what a reverted operation gets back.
    """

    max_num_iterations: int = sys.maxsize
    tune_hyperparams: bool = False
    ranking_subset_size: int | None = None
    num_ranking_workers: int | None = None
    intermediate_model_dir: str | PathLike[str] | None = None
    restore_mode: RestoreMode = RestoreMode.ACTIVATIONS_AND_WEIGHTS
