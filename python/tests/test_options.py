# SPDX-License-Identifier: Apache-2.0
import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from tightrope.errors import InvalidArgumentError
from tightrope.options import accuracy_options, quantize_options
from tightrope.parameters import (
    DropType,
    ModelType,
    Placement,
    QuantizationMode,
    QuantizationPreset,
    QuantizationScheme,
    TargetDevice,
)
from tightrope.quantization.advanced_parameters import (
    AdvancedAccuracyRestorerParameters,
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    FP8QuantizationParameters,
    FP8Type,
    OverflowFix,
    QuantizationParameters,
    QuantizerPropagationRule,
)
from tightrope.quantization.range_estimator import RangeEstimatorParametersSet, StatisticsType
from tightrope.scopes import IgnoredScope, Subgraph

UNSET_COLLECTOR = {
    "statistics_type": None,
    "aggregator_type": None,
    "clipping_value": None,
    "quantile_outlier_prob": 1e-4,
}
UNSET_RANGE = {"min": UNSET_COLLECTOR, "max": UNSET_COLLECTOR}


def quantize(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "mode": None,
        "preset": None,
        "target_device": TargetDevice.ANY,
        "subset_size": 300,
        "fast_bias_correction": True,
        "model_type": None,
        "ignored_scope": None,
        "advanced_parameters": None,
        "placement": Placement.LEAN,
        "statistics_path": None,
        "weight_rounding": None,
    }
    return quantize_options(**{**arguments, **changes})


def accuracy(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "max_drop": 0.01,
        "drop_type": DropType.ABSOLUTE,
        "higher_is_better": True,
        "advanced_accuracy_restorer_parameters": None,
        "validation_device": "CPU",
        "validation_precision": "f32",
    }
    return accuracy_options(**{**arguments, **changes})


def assert_plain(value: Any) -> None:
    """Fails if anything but the very types of JSON is inside: subclasses of them, such as enums, are not plain."""
    assert type(value) in (dict, list, str, int, float, bool, type(None))
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_plain(item)


def test_defaults_of_quantize_become_a_plain_dict() -> None:
    assert quantize() == {
        "mode": None,
        "preset": None,
        "target_device": "ANY",
        "subset_size": 300,
        "fast_bias_correction": True,
        "model_type": None,
        "ignored_scope": None,
        "advanced_parameters": None,
        "placement": "lean",
        "statistics_path": None,
        "weight_rounding": None,
    }


def test_defaults_of_accuracy_control_become_a_plain_dict() -> None:
    assert accuracy() == {
        "max_drop": 0.01,
        "drop_type": "absolute",
        "higher_is_better": True,
        "advanced_accuracy_restorer_parameters": None,
        "validation_device": "CPU",
        "validation_precision": "f32",
        "objective": "operations",
        "repair": True,
        "time_budget": None,
        "work_dir": None,
        "early_stopping": True,
        "measure_deployed": False,
        "eval_requests_number": None,
    }


def test_advanced_parameters_become_nested_dicts_with_the_same_field_names() -> None:
    assert quantize(advanced_parameters=AdvancedQuantizationParameters())["advanced_parameters"] == {
        "overflow_fix": None,
        "quantize_outputs": False,
        "inplace_statistics": True,
        "disable_channel_alignment": True,
        "disable_bias_correction": False,
        "batchwise_statistics": None,
        "activations_quantization_params": None,
        "weights_quantization_params": None,
        "quantizer_propagation_rule": "3",
        "activations_range_estimator_params": UNSET_RANGE,
        "weights_range_estimator_params": UNSET_RANGE,
        "bias_correction_params": {"apply_for_all_nodes": False, "threshold": None},
        "smooth_quant_alphas": {"convolution": -1.0, "matmul": 0.95},
        "smooth_quant_alpha": None,
        "backend_params": {},
    }


def test_restorer_parameters_become_a_dict_that_keeps_the_largest_integer() -> None:
    restorer = AdvancedAccuracyRestorerParameters(intermediate_model_dir="out")
    assert accuracy(advanced_accuracy_restorer_parameters=restorer)["advanced_accuracy_restorer_parameters"] == {
        "max_num_iterations": sys.maxsize,
        "tune_hyperparams": False,
        "ranking_subset_size": None,
        "num_ranking_workers": None,
        "intermediate_model_dir": "out",
        "restore_mode": "activations_and_weights",
    }


def test_options_with_everything_set_are_plain_and_survive_json() -> None:
    advanced = AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.FIRST_LAYER,
        batchwise_statistics=True,
        activations_quantization_params=QuantizationParameters(8, QuantizationScheme.ASYMMETRIC, True, False, None),
        weights_quantization_params=FP8QuantizationParameters(FP8Type.E4M3),
        quantizer_propagation_rule=QuantizerPropagationRule.DO_NOT_MERGE_BRANCHES,
        activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM,
        smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=0.5, matmul=1),
        backend_params={
            "external_data_dir": Path("data"),
            "levels": (1, 2.5),
            "deep": {"kind": FP8Type.E5M2, "x": None},
        },
    )
    options = quantize(
        mode=QuantizationMode.FP8_E4M3,
        preset=QuantizationPreset.MIXED,
        target_device=TargetDevice.CPU_SPR,
        model_type=ModelType.TRANSFORMER,
        ignored_scope=IgnoredScope(["a"], ["b.*"], ["Add"], [Subgraph(["c"], ["d"])], False),
        advanced_parameters=advanced,
        placement=Placement.REFERENCE,
    )
    assert_plain(options)
    assert json.loads(json.dumps(options, allow_nan=False)) == options
    assert (options["mode"], options["preset"], options["target_device"]) == ("fp8_e4m3", "mixed", "CPU_SPR")
    assert (options["model_type"], options["placement"]) == ("transformer", "reference")
    assert options["ignored_scope"] == {
        "names": ["a"],
        "patterns": ["b.*"],
        "types": ["Add"],
        "subgraphs": [{"inputs": ["c"], "outputs": ["d"]}],
        "validate": False,
    }
    inside = options["advanced_parameters"]
    assert inside["overflow_fix"] == "first_layer_only"
    assert inside["activations_quantization_params"] == {
        "num_bits": 8,
        "mode": "asymmetric",
        "signedness_to_force": True,
        "per_channel": False,
        "narrow_range": None,
    }
    assert inside["weights_quantization_params"] == {"destination_type": "f8e4m3"}
    assert inside["quantizer_propagation_rule"] == "0"
    assert inside["activations_range_estimator_params"]["min"]["statistics_type"] == "raw"
    assert inside["backend_params"] == {
        "external_data_dir": "data",
        "levels": [1, 2.5],
        "deep": {"kind": "f8e5m2", "x": None},
    }


@pytest.mark.parametrize("text", ["reference", "REFERENCE"])
def test_a_string_serves_for_the_placement(text: str) -> None:
    assert quantize(placement=text)["placement"] == "reference"


@pytest.mark.parametrize("text", ["performance", "PERFORMANCE", "Performance"])
def test_a_string_stands_for_the_enum_member_with_that_value(text: str) -> None:
    assert quantize(preset=text)["preset"] == "performance"


def test_a_string_stands_for_the_enum_member_with_that_name() -> None:
    advanced = AdvancedQuantizationParameters(
        overflow_fix="first_layer",  # type: ignore[arg-type]
        quantizer_propagation_rule="merge_all_in_one",  # type: ignore[arg-type]
    )
    inside = quantize(advanced_parameters=advanced)["advanced_parameters"]
    assert (inside["overflow_fix"], inside["quantizer_propagation_rule"]) == ("first_layer_only", "3")


def test_strings_work_for_enums_inside_parameter_objects() -> None:
    restorer = AdvancedAccuracyRestorerParameters(restore_mode="only_activations")  # type: ignore[arg-type]
    options = accuracy(drop_type="relative", advanced_accuracy_restorer_parameters=restorer)
    assert options["drop_type"] == "relative"
    assert options["advanced_accuracy_restorer_parameters"]["restore_mode"] == "only_activations"


def test_a_string_enum_of_another_package_counts_as_its_string() -> None:
    class Device(str, Enum):  # noqa: UP042 - how packages write it that support Python 3.10
        CPU = "CPU"

        def __str__(self) -> str:
            return str(self.value)

    assert quantize(target_device=Device.CPU)["target_device"] == "CPU"


def test_numbers_of_numpy_become_plain_numbers() -> None:
    np = pytest.importorskip("numpy", reason="needs NumPy's number types")
    options = {**quantize(subset_size=np.int64(10)), **accuracy(max_drop=np.float32(0.5))}
    assert_plain(options)
    assert (options["subset_size"], options["max_drop"]) == (10, 0.5)


def test_an_integer_serves_where_a_number_is_needed() -> None:
    assert accuracy(max_drop=1)["max_drop"] == 1.0
    assert_plain(accuracy(max_drop=1))


def test_infinity_becomes_the_largest_number_that_json_can_hold() -> None:
    assert accuracy(max_drop=float("inf"))["max_drop"] == sys.float_info.max
    assert accuracy(max_drop=float("-inf"))["max_drop"] == -sys.float_info.max


def test_names_may_come_as_any_collection_and_sets_come_out_sorted() -> None:
    scope = IgnoredScope(names={"b", "a", "c"}, types=("Add",))  # type: ignore[arg-type]
    options = quantize(ignored_scope=scope)["ignored_scope"]
    assert (options["names"], options["types"]) == (["a", "b", "c"], ["Add"])


def test_a_path_object_serves_as_folder() -> None:
    restorer = AdvancedAccuracyRestorerParameters(intermediate_model_dir=Path("out"))
    options = accuracy(advanced_accuracy_restorer_parameters=restorer)
    assert options["advanced_accuracy_restorer_parameters"]["intermediate_model_dir"] == "out"


def test_meaning_is_left_to_the_core() -> None:
    assert quantize(subset_size=-5)["subset_size"] == -5
    assert accuracy(max_drop=-1.0, validation_device="moon")["validation_device"] == "moon"


def test_the_objects_of_the_user_stay_as_they_were() -> None:
    advanced = AdvancedQuantizationParameters(backend_params={"a": (1, 2)})
    options = quantize(advanced_parameters=advanced)
    options["advanced_parameters"]["backend_params"]["b"] = 1
    assert advanced == AdvancedQuantizationParameters(backend_params={"a": (1, 2)})


WRONG_TYPES = [
    ({"subset_size": "many"}, "subset_size: found 'many' (str); needs an integer."),
    ({"subset_size": 1.5}, "subset_size: found 1.5 (float); needs an integer."),
    ({"subset_size": True}, "subset_size: found True (bool); needs an integer."),
    ({"fast_bias_correction": 1}, "fast_bias_correction: found 1 (int); needs True or False."),
    (
        {"preset": "quick"},
        "preset: found 'quick' (str); needs QuantizationPreset (one of 'performance', 'mixed') or None.",
    ),
    ({"placement": None}, "placement: found None (NoneType); needs Placement (one of 'lean', 'reference')."),
    ({"placement": "full"}, "placement: found 'full' (str); needs Placement (one of 'lean', 'reference')."),
    ({"target_device": None}, "target_device: found None (NoneType); needs TargetDevice (one of 'ANY', 'CPU', "),
    (
        {"ignored_scope": ["conv"]},
        "ignored_scope: found ['conv'] (list); needs an object of type tightrope.scopes.IgnoredScope or None.",
    ),
    (
        {"ignored_scope": IgnoredScope(names="conv")},  # type: ignore[arg-type]
        "ignored_scope.names: found 'conv' (str); needs a list of strings.",
    ),
    (
        {"ignored_scope": IgnoredScope(names=["conv", 3])},  # type: ignore[list-item]
        "ignored_scope.names[1]: found 3 (int); needs a string.",
    ),
    (
        {"ignored_scope": IgnoredScope(subgraphs=[(["a"], ["b"])])},  # type: ignore[list-item]
        "ignored_scope.subgraphs[0]: found (['a'], ['b']) (tuple); needs an object of type tightrope.scopes.Subgraph.",
    ),
    (
        {"advanced_parameters": AdvancedQuantizationParameters(overflow_fix=StatisticsType.MAX)},  # type: ignore[arg-type]
        "advanced_parameters.overflow_fix: found <StatisticsType.MAX: 'max'> "
        "(tightrope.quantization.range_estimator.StatisticsType); needs OverflowFix (one of 'enable', ",
    ),
    (
        {"advanced_parameters": AdvancedQuantizationParameters(weights_quantization_params=8)},  # type: ignore[arg-type]
        "advanced_parameters.weights_quantization_params: found 8 (int); needs an object of type "
        "tightrope.quantization.advanced_parameters.QuantizationParameters or an object of type "
        "tightrope.quantization.advanced_parameters.FP8QuantizationParameters or None.",
    ),
    (
        {"advanced_parameters": AdvancedQuantizationParameters(backend_params={"a": [object]})},
        "advanced_parameters.backend_params['a'][0]: found <class 'object'> (type); needs ",
    ),
    (
        {"advanced_parameters": AdvancedQuantizationParameters(backend_params={1: 2})},  # type: ignore[dict-item]
        "a key of advanced_parameters.backend_params: found 1 (int); needs a string.",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_TYPES)
def test_a_wrong_type_is_refused_with_name_finding_and_need(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        quantize(**changes)
    assert str(raised.value).startswith(f"[options] {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_drop": "1%"}, "max_drop: found '1%' (str); needs a number or a dict with strings as keys."),
        ({"max_drop": float("nan")}, "max_drop: found nan (float); needs a number or a dict with strings as keys."),
        (
            {"drop_type": 1},
            "drop_type: found 1 (int); needs DropType (one of 'absolute', 'relative') or a dict with strings as keys.",
        ),
        (
            {"higher_is_better": None},
            "higher_is_better: found None (NoneType); needs True or False or a dict with strings as keys.",
        ),
        ({"validation_device": None}, "validation_device: found None (NoneType); needs a string."),
    ],
)
def test_a_wrong_type_for_accuracy_control_is_refused_likewise(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        accuracy(**changes)
    assert str(raised.value) == f"[options] {message}"


def test_a_message_names_the_argument_as_the_user_wrote_it() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^\[options\] advanced_quantization_parameters: "):
        quantize(advanced_parameters={}, advanced_argument="advanced_quantization_parameters")
