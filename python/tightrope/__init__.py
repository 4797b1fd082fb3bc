# SPDX-License-Identifier: Apache-2.0
"""Tightrope quantizes OpenVINO and ONNX models to 8 bits and keeps their accuracy.

The names, arguments and defaults are those of NNCF's post-training quantization: `import tightrope as nncf` is enough.
"""

from tightrope import _runtime, errors
from tightrope.conversion import to_openvino
from tightrope.data.dataset import Dataset
from tightrope.errors import (
    AccuracyNotReachedError,
    Error,
    InstallationError,
    InternalError,
    InvalidArgumentError,
    InvalidPathError,
    IoError,
    ParameterNotSupportedError,
    QuantizationError,
    UnsupportedBackendError,
    UnsupportedDatasetError,
    UnsupportedError,
    UnsupportedModelError,
    UnsupportedVersionError,
    ValidationError,
)
from tightrope.log import disable_logging, set_log_level
from tightrope.log import logger as nncf_logger
from tightrope.parameters import (
    DropType,
    ModelType,
    Objective,
    Placement,
    QuantizationMode,
    QuantizationPreset,
    TargetDevice,
)
from tightrope.quantization.advanced_parameters import (
    AdvancedAccuracyRestorerParameters,
    AdvancedBiasCorrectionParameters,
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    OverflowFix,
    RestoreMode,
)
from tightrope.quantization.quantize_model import quantize, quantize_with_accuracy_control
from tightrope.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    RangeEstimatorParametersSet,
    StatisticsCollectorParameters,
    StatisticsType,
)
from tightrope.reporting import Report, report
from tightrope.scopes import IgnoredScope, Subgraph

__version__: str = _runtime._core.__version__

__all__ = [
    "AccuracyNotReachedError",
    "AdvancedAccuracyRestorerParameters",
    "AdvancedBiasCorrectionParameters",
    "AdvancedQuantizationParameters",
    "AdvancedSmoothQuantParameters",
    "AggregatorType",
    "Dataset",
    "DropType",
    "Error",
    "IgnoredScope",
    "InstallationError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidPathError",
    "IoError",
    "ModelType",
    "OverflowFix",
    "ParameterNotSupportedError",
    "Objective",
    "Placement",
    "QuantizationError",
    "QuantizationMode",
    "QuantizationPreset",
    "RangeEstimatorParameters",
    "RangeEstimatorParametersSet",
    "Report",
    "RestoreMode",
    "StatisticsCollectorParameters",
    "StatisticsType",
    "Subgraph",
    "TargetDevice",
    "UnsupportedBackendError",
    "UnsupportedDatasetError",
    "UnsupportedError",
    "UnsupportedModelError",
    "UnsupportedVersionError",
    "ValidationError",
    "disable_logging",
    "errors",
    "nncf_logger",
    "quantize",
    "quantize_with_accuracy_control",
    "report",
    "set_log_level",
    "to_openvino",
]
