# SPDX-License-Identifier: Apache-2.0
"""The named choices of `quantize` and `quantize_with_accuracy_control`.

Every member is also its value as a string, so `TargetDevice.CPU == "CPU"`.
"""

from enum import StrEnum

from tightrope.elsewhere import attribute_of

__getattr__ = attribute_of(__name__)


class QuantizationPreset(StrEnum):
    """How weights and activations are mapped to integers.

    PERFORMANCE: both symmetric; the fastest.
    MIXED: weights symmetric, activations asymmetric; more accurate where activations are skewed.
    """

    PERFORMANCE = "performance"
    MIXED = "mixed"


class TargetDevice(StrEnum):
    """The device whose abilities decide which operations are quantized, and how.

    ANY: a choice that suits all devices; the same rules as CPU.
    CPU, GPU, NPU: the device of that kind. With 8 bits GPU and NPU follow the rules of CPU.
    CPU_SPR: server CPUs with matrix extensions: as CPU, with fewer quantizers in front of additions.
    """

    ANY = "ANY"
    CPU = "CPU"
    GPU = "GPU"
    NPU = "NPU"
    CPU_SPR = "CPU_SPR"


class ModelType(StrEnum):
    """The family of a model, where it deserves a treatment of its own.

    TRANSFORMER: attention blocks. The default preset is MIXED; normalization and operations like it, and the matrix
        product behind a softmax, stay in floating point. Smooth-quant is applied to data of any rank.
    """

    TRANSFORMER = "transformer"


class Placement(StrEnum):
    """Where quantizers go.

    LEAN: only where an operation runs faster in 8 bits thanks to them.
    REFERENCE: where NNCF puts them.
    """

    LEAN = "lean"
    REFERENCE = "reference"


class DropType(StrEnum):
    """How the drop of the metric is counted against `max_drop`.

    ABSOLUTE: the drop is in the unit of the metric, original minus quantized.
    RELATIVE: the drop is a fraction of the original metric.
    """

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class Objective(StrEnum):
    """What accuracy control keeps as much of as the limit allows.

    OPERATIONS: operations in 8 bits.
    LATENCY: the time that 8 bits save, as measured.
    """

    OPERATIONS = "operations"
    LATENCY = "latency"


class QuantizationMode(StrEnum):
    """Quantization to 8-bit floating point instead of integers, for OpenVINO models.

    FP8_E4M3: 4 bits of exponent, 3 of mantissa.
    FP8_E5M2: 5 bits of exponent, 2 of mantissa.
    """

    FP8_E4M3 = "fp8_e4m3"
    FP8_E5M2 = "fp8_e5m2"


class QuantizationScheme(StrEnum):
    """Whether zero lies in the middle of the integer range. See `QuantizationParameters.mode`.

    SYMMETRIC: one scale, zero maps to integer zero.
    ASYMMETRIC: a scale and a zero point.

    The LORA members exist so that code which names them still imports; they belong to training.
    """

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"
    SYMMETRIC_LORA = "symmetric_lora"
    SYMMETRIC_LORA_NLS = "symmetric_lora_nls"
    ASYMMETRIC_LORA = "asymmetric_lora"
    ASYMMETRIC_LORA_NLS = "asymmetric_lora_nls"
