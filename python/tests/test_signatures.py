# SPDX-License-Identifier: Apache-2.0
"""The public Python interface has the names, order and defaults of NNCF's post-training quantization."""

import dataclasses
import importlib
import inspect
from enum import Enum
from typing import Any

import pytest

import tightrope

nncf = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")

STRUCTS = "common.quantization.structs"
PROPAGATION = "common.quantization.quantizer_propagation.structs"
ADVANCED = "quantization.advanced_parameters"
RANGES = "quantization.range_estimator"

ENUMS = [
    (STRUCTS, "QuantizationPreset"),
    (STRUCTS, "QuantizationScheme"),
    (PROPAGATION, "QuantizerPropagationRule"),
    ("parameters", "TargetDevice"),
    ("parameters", "ModelType"),
    ("parameters", "DropType"),
    ("parameters", "QuantizationMode"),
    (ADVANCED, "QuantizationMode"),
    (ADVANCED, "QuantizerPropagationRule"),
    (ADVANCED, "OverflowFix"),
    (ADVANCED, "FP8Type"),
    (ADVANCED, "RestoreMode"),
    (RANGES, "StatisticsType"),
]

DATACLASSES = [
    ("scopes", "IgnoredScope"),
    ("scopes", "Subgraph"),
    (RANGES, "StatisticsCollectorParameters"),
    (RANGES, "RangeEstimatorParameters"),
    (ADVANCED, "RangeEstimatorParameters"),
    (ADVANCED, "QuantizationParameters"),
    (ADVANCED, "FP8QuantizationParameters"),
    (ADVANCED, "AdvancedBiasCorrectionParameters"),
    (ADVANCED, "AdvancedSmoothQuantParameters"),
    (ADVANCED, "AdvancedQuantizationParameters"),
    (ADVANCED, "AdvancedAccuracyRestorerParameters"),
]

FUNCTIONS = [
    ("quantization", "quantize"),
    ("quantization", "quantize_with_accuracy_control"),
    ("quantization.quantize_model", "quantize"),
    ("quantization.quantize_model", "quantize_with_accuracy_control"),
    ("common.logging.logger", "set_log_level"),
    ("common.logging.logger", "set_log_file"),
    ("common.logging.logger", "disable_logging"),
]

# All that is needed for post-training quantization; what serves training or weight compression is left out.
TOP_LEVEL = [
    "AdvancedAccuracyRestorerParameters",
    "AdvancedBiasCorrectionParameters",
    "AdvancedQuantizationParameters",
    "AdvancedSmoothQuantParameters",
    "BufferFullError",
    "Dataset",
    "DropType",
    "IgnoredScope",
    "InstallationError",
    "InternalError",
    "InvalidCollectorTypeError",
    "InvalidGroupSizeError",
    "InvalidPathError",
    "InvalidQuantizerGroupError",
    "ModelType",
    "OverflowFix",
    "ParameterNotSupportedError",
    "QuantizationMode",
    "QuantizationPreset",
    "StatisticsCacheError",
    "Subgraph",
    "TargetDevice",
    "UnknownDatasetError",
    "UnsupportedBackendError",
    "UnsupportedDatasetError",
    "UnsupportedModelError",
    "UnsupportedVersionError",
    "ValidationError",
    "disable_logging",
    "nncf_logger",
    "quantize",
    "quantize_with_accuracy_control",
    "set_log_level",
]

ERRORS = [name for name in TOP_LEVEL if name.endswith("Error")]


def both(module: str, name: str) -> tuple[Any, Any]:
    """The object of that path in tightrope, then in NNCF."""
    ours = importlib.import_module(f"tightrope.{module}")
    theirs = importlib.import_module(f"nncf.{module}")
    return getattr(ours, name), getattr(theirs, name)


def plain(value: Any) -> Any:
    """Enums by value, dataclasses as lists of pairs, so that objects of both packages can be compared."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return [(f.name, plain(getattr(value, f.name))) for f in dataclasses.fields(value)]
    return value


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, plain(p.default)) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("module", "name"), ENUMS)
def test_enum_has_the_same_members_values_and_strings(module: str, name: str) -> None:
    ours, theirs = both(module, name)
    assert [(m.name, m.value) for m in ours] == [(m.name, m.value) for m in theirs]
    assert issubclass(ours, str) == issubclass(theirs, str)
    assert [str(m) for m in ours] == [str(m).replace(theirs.__name__, ours.__name__) for m in theirs]


def test_one_aggregator_is_new() -> None:
    ours, theirs = both(RANGES, "AggregatorType")
    assert {m.name: m.value for m in ours} == {m.name: m.value for m in theirs} | {"OUTPUT_ERROR": "output_error"}


@pytest.mark.parametrize(("module", "name"), DATACLASSES)
def test_dataclass_has_the_same_fields_in_the_same_order_with_the_same_defaults(module: str, name: str) -> None:
    ours, theirs = both(module, name)
    assert plain(ours()) == plain(theirs())
    assert [p[:2] for p in parameters(ours)] == [p[:2] for p in parameters(theirs)]


def test_objects_made_by_default_do_not_share_state() -> None:
    first, second = tightrope.AdvancedQuantizationParameters(), tightrope.AdvancedQuantizationParameters()
    first.activations_range_estimator_params.min.clipping_value = 1.0
    first.backend_params["a"] = 1
    assert second == tightrope.AdvancedQuantizationParameters()


def test_ready_made_range_estimators_are_the_same() -> None:
    ours, theirs = both(RANGES, "RangeEstimatorParametersSet")

    def members(estimators: Any) -> dict[str, Any]:
        return {name: plain(value) for name, value in vars(estimators).items() if not name.startswith("_")}

    assert {name: value for name, value in members(ours).items() if name != "OUTPUT_ERROR"} == members(theirs)


@pytest.mark.parametrize("name", ["__init__", "get_data", "get_inference_data", "get_length", "get_batch_size"])
def test_dataset_methods_take_the_same_parameters(name: str) -> None:
    ours, theirs = both("data", "Dataset")
    assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name))


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_function_takes_the_same_parameters_and_extra_ones_only_by_keyword_at_the_end(module: str, name: str) -> None:
    ours, theirs = (parameters(function) for function in both(module, name))
    assert ours[: len(theirs)] == theirs
    for _, kind, default in ours[len(theirs) :]:
        assert kind is inspect.Parameter.KEYWORD_ONLY
        assert default is not inspect.Parameter.empty


def test_extra_parameters_are_the_ones_we_documented() -> None:
    def extra(name: str) -> dict[str, Any]:
        ours, theirs = (parameters(getattr(package, name)) for package in (tightrope, nncf))
        return {parameter: default for parameter, _, default in ours[len(theirs) :]}

    assert extra("quantize") == {"placement": "lean", "statistics_path": None, "weight_rounding": None}
    assert extra("quantize_with_accuracy_control") == {
        "higher_is_better": True,
        "validation_device": "CPU",
        "validation_precision": "f32",
        "placement": "lean",
        "statistics_path": None,
        "weight_rounding": None,
        "objective": "operations",
        "repair": True,
        "time_budget": None,
        "work_dir": None,
        "early_stopping": True,
        "measure_deployed": False,
        "executor": None,
        "callbacks": None,
    }


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_name_can_be_used_from_the_package_itself(name: str) -> None:
    assert hasattr(nncf, name), "NNCF has no such name any more"
    assert hasattr(tightrope, name)


@pytest.mark.parametrize(("module", "name"), ENUMS + DATACLASSES)
def test_name_under_several_paths_is_one_class(module: str, name: str) -> None:
    ours, theirs = both(module, name)
    if getattr(nncf, name, None) is theirs:
        assert getattr(tightrope, name) is ours


@pytest.mark.parametrize("name", ERRORS)
def test_error_caught_by_its_nncf_name_is_one_of_ours(name: str) -> None:
    ours, _ = both("errors", name)
    assert issubclass(ours, tightrope.errors.Error)
