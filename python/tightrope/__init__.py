# SPDX-License-Identifier: Apache-2.0
"""Tightrope quantizes OpenVINO and ONNX models to 8 bits and keeps their accuracy.

The names, arguments and defaults are those of NNCF's post-training quantization: `import tightrope as nncf` is enough.
"""

from tightrope import _runtime, errors
from tightrope.callbacks import Event, EventKind, StopSearch
from tightrope.conversion import to_openvino
from tightrope.data.dataset import Dataset
from tightrope.elsewhere import attribute_of
from tightrope.errors import (
    AccuracyNotReachedError,
    BufferFullError,
    Error,
    InstallationError,
    InternalError,
    InvalidArgumentError,
    InvalidCollectorTypeError,
    InvalidGroupSizeError,
    InvalidPathError,
    InvalidQuantizerGroupError,
    IoError,
    ParameterNotSupportedError,
    QuantizationError,
    StatisticsCacheError,
    UnknownDatasetError,
    UnsupportedBackendError,
    UnsupportedDatasetError,
    UnsupportedError,
    UnsupportedModelError,
    UnsupportedVersionError,
    ValidationError,
)
from tightrope.errors import ModuleNotFoundError as ModuleNotFoundError  # not in __all__: it hides the built-in one
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

__getattr__ = attribute_of(__name__)
__version__: str = _runtime._core.__version__

__all__ = [
    "AccuracyNotReachedError",
    "AdvancedAccuracyRestorerParameters",
    "AdvancedBiasCorrectionParameters",
    "AdvancedQuantizationParameters",
    "AdvancedSmoothQuantParameters",
    "AggregatorType",
    "BufferFullError",
    "Dataset",
    "DropType",
    "Error",
    "Event",
    "EventKind",
    "IgnoredScope",
    "InstallationError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidCollectorTypeError",
    "InvalidGroupSizeError",
    "InvalidPathError",
    "InvalidQuantizerGroupError",
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
    "StatisticsCacheError",
    "StatisticsCollectorParameters",
    "StatisticsType",
    "StopSearch",
    "Subgraph",
    "TargetDevice",
    "UnknownDatasetError",
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
