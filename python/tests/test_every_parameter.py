# SPDX-License-Identifier: Apache-2.0
"""Every argument and every field does something, or is refused by name.

The names are those of the signatures and dataclasses themselves: a new one without an entry in CASES fails.
"""

import functools
import inspect
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
from small_models import normal

import tightrope
from tightrope.quantization import advanced_parameters, quantize_model, range_estimator
from tightrope.quantization.advanced_parameters import (
    AdvancedAccuracyRestorerParameters,
    AdvancedBiasCorrectionParameters,
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    FP8QuantizationParameters,
    FP8Type,
    OverflowFix,
    QuantizationParameters,
    QuantizerPropagationRule,
    RestoreMode,
)
from tightrope.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    RangeEstimatorParametersSet,
    StatisticsCollectorParameters,
    StatisticsType,
)
from tightrope.scopes import IgnoredScope, Subgraph

CLASSES = [
    AdvancedAccuracyRestorerParameters,
    AdvancedBiasCorrectionParameters,
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    FP8QuantizationParameters,
    IgnoredScope,
    QuantizationParameters,
    RangeEstimatorParameters,
    StatisticsCollectorParameters,
    Subgraph,
]
JOBS: dict[str, Callable[..., Any]] = {
    "quantize": tightrope.quantize,
    "quantize_with_accuracy_control": tightrope.quantize_with_accuracy_control,
}


class Run(NamedTuple):
    """What a job made: the plan and the report, both as JSON."""

    plan: dict[str, Any]
    report: dict[str, Any]

    def quantizers(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [q for q in self.plan["quantizers"] if kind in (None, q["kind"])]

    def configs(self, key: str, kind: str | None = None) -> set[Any]:
        return {q["config"].get(key) for q in self.quantizers(kind)}

    def width(self, kind: str = "output") -> float:
        return sum(max(q["range"]["high"]) - min(q["range"]["low"]) for q in self.quantizers(kind))

    def placed(self) -> list[tuple[Any, ...]]:
        return [(q["kind"], q["node"], q["port"]) for q in self.quantizers()]


@dataclass
class Case:
    """Arguments beyond the usual ones, and what comes of them: an effect on (usual, changed), or words of a refusal."""

    changes: dict[str, Any]
    effect: Callable[[Run, Run], Any] | None = None
    refusal: str = ""
    usual: dict[str, Any] = field(default_factory=dict)
    job: str = "quantize"


def advanced(**values: Any) -> dict[str, Any]:
    return {"advanced_parameters": AdvancedQuantizationParameters(**values)}


def restorer(**values: Any) -> dict[str, Any]:
    return {"advanced_accuracy_restorer_parameters": AdvancedAccuracyRestorerParameters(**values)}


def activations(**values: Any) -> dict[str, Any]:
    return advanced(activations_quantization_params=QuantizationParameters(**values))


def weights(**values: Any) -> dict[str, Any]:
    return advanced(weights_quantization_params=QuantizationParameters(**values))


def upper_end(**values: Any) -> dict[str, Any]:
    return advanced(
        activations_range_estimator_params=RangeEstimatorParameters(max=StatisticsCollectorParameters(**values))
    )


def ignoring(**values: Any) -> dict[str, Any]:
    return {"ignored_scope": IgnoredScope(**values)}


def tokens() -> ov.Model:
    """Tokens [1, 5, 8] with an outlier, and a product of each with a matrix."""
    vector = ops.parameter([1, 5, 8], np.float32, name="tokens")
    data = ops.multiply(vector, np.array([50] + 7 * [1], np.float32), name="scaled")
    return ov.Model([ops.matmul(data, normal(8, (8, 8)), False, False, name="product")], [vector], "tokens")


TOKENS = {"model": tokens, "calibration_dataset": lambda: tightrope.Dataset([normal(9, (1, 5, 8))])}


def usual_arguments(job: str) -> dict[str, Any]:
    """As functions where a new object is wanted for each run."""
    if job == "quantize":
        return {"model": small_models.forked, "calibration_dataset": lambda: tightrope.Dataset(small_models.images(4))}
    return {
        "model": small_models.fragile,
        "calibration_dataset": lambda: tightrope.Dataset(small_models.vectors(8)),
        "validation_dataset": lambda: tightrope.Dataset(small_models.labeled_vectors(8)),
        "validation_fn": lambda: small_models.accuracy,
        "max_drop": 0.9,
    }


PICTURES = {
    "model": small_models.forked,
    "calibration_dataset": lambda: tightrope.Dataset(small_models.images(4)),
    "validation_dataset": lambda: tightrope.Dataset(small_models.images(1)),
    "validation_fn": lambda: lambda model, items: float(len(list(items))),
}


@functools.cache
def usual_run(job: str) -> Run:
    return run(job, {})


def run(job: str, arguments: dict[str, Any]) -> Run:
    given = {**usual_arguments(job), **arguments}
    if job == "quantize_with_accuracy_control":
        given.setdefault("repair", False)  # so that there is something left to revert
    if job == "quantize_with_accuracy_control" and "advanced_parameters" in given:
        given["advanced_quantization_parameters"] = given.pop("advanced_parameters")
    given = {
        name: value() if name in ("model", "validation_fn") or name.endswith("dataset") else value
        for name, value in given.items()
    }
    made: list[Run] = []

    def keep(base: Any, plan: Any, report: str) -> ov.Model:
        made.append(Run(json.loads(plan.to_json()), json.loads(report)))
        return small_models.forked()

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(quantize_model, "_apply", keep))
        try:
            JOBS[job](**given)
        except tightrope.AccuracyNotReachedError:
            pass
    return made[0]


def same(usual: Run, changed: Run) -> bool:
    """For what only concerns how the work is done."""
    return usual.plan == changed.plan


def narrower(usual: Run, changed: Run) -> bool:
    return changed.width() < usual.width()


def fewer_shifts(usual: Run, changed: Run) -> bool:
    return len(changed.plan["bias_shifts"]) < len(usual.plan["bias_shifts"])


def other_shifts(usual: Run, changed: Run) -> bool:
    return changed.plan["bias_shifts"] != usual.plan["bias_shifts"]


def both(name: str) -> list[tuple[str, str]]:
    return [(job, name) for job in JOBS]


def halved() -> tightrope.Dataset:
    return tightrope.Dataset([image / 2 for image in small_models.images(4)])


def many() -> tightrope.Dataset:
    return tightrope.Dataset(small_models.vectors(40))


def going_together() -> tightrope.Dataset:
    return tightrope.Dataset([v / 10 + normal(3000 + i, (1, 1)) for i, v in enumerate(small_models.vectors(40))])


MEANS = RangeEstimatorParametersSet.MEAN_MINMAX
MEAN = StatisticsCollectorParameters(aggregator_type=AggregatorType.MEAN)
QUANTILE = StatisticsCollectorParameters(statistics_type=StatisticsType.QUANTILE, quantile_outlier_prob=0.1)
FOUR_BITS = {"target_device": "NPU", **weights(num_bits=4)}
FP8 = {"mode": tightrope.QuantizationMode.FP8_E4M3}
E5M2 = FP8QuantizationParameters(FP8Type.E5M2)


def without_last(usual: Run, changed: Run) -> bool:
    return ("weight", "last", 1) in set(usual.placed()) - set(changed.placed())


def is_smoothed(run: Run) -> bool:
    return any("smoothing" in q for q in run.quantizers()) or len(run.plan["rescalings"]) > 0


def is_rounded(run: Run) -> bool:
    return any("rounding" in q for q in run.quantizers("weight"))


def tracks_outliers(usual: Run, changed: Run) -> bool:
    return is_smoothed(usual) and not is_smoothed(changed)


def control(changes: dict[str, Any], effect: Any = None, refusal: str = "", **usual: Any) -> Case:
    return Case(changes, effect, refusal, usual, "quantize_with_accuracy_control")


def any_early(report: dict[str, Any]) -> bool:
    return any(evaluation["early"] for evaluation in report["evaluations"])


def accuracy_with_values(model: Any, items: Any) -> tuple[float, list[float]]:
    values = [float(model(vector)[0].argmax() == label) for vector, label in items]
    return float(np.mean(values)), values


# What means the same in both jobs.
SHARED = {
    "model": Case({"model": lambda: small_models.classifier()}, lambda a, b: a.placed() != b.placed()),
    "calibration_dataset": Case({"calibration_dataset": halved}, narrower),
    "preset": Case({"preset": "mixed"}, lambda a, b: b.configs("mode", "output") == {"asymmetric"}),
    "target_device": Case(FOUR_BITS, lambda a, b: b.configs("bits", "weight") == {4}),
    "subset_size": Case({"subset_size": 2}, lambda a, b: b.report["calibration_items"] == 2),
    "fast_bias_correction": Case(
        {"fast_bias_correction": False},
        other_shifts,
        usual={"model": small_models.fragile, "calibration_dataset": many},
    ),
    "statistics_path": Case({"statistics_path": "no such folder/statistics.json"}, refusal="no such folder"),
    "weight_rounding": Case(
        {"weight_rounding": True},
        lambda a, b: is_rounded(b) and not is_rounded(a),
        usual={"model": small_models.fragile, "calibration_dataset": going_together, "weight_rounding": False},
    ),
    "model_type": Case({"model_type": "transformer"}, lambda a, b: b.configs("mode", "output") == {"asymmetric"}),
    "placement": Case({"placement": "reference"}, lambda a, b: set(b.placed()) > set(a.placed())),
}

CASES: dict[tuple[str, str], Case] = {
    **{("quantize", name): case for name, case in SHARED.items()},
    **{
        ("quantize_with_accuracy_control", name): replace(
            case, usual={**PICTURES, **case.usual}, job="quantize_with_accuracy_control"
        )
        for name, case in SHARED.items()
    },
    ("quantize", "mode"): Case(FP8, lambda a, b: (a.configs("format"), b.configs("format")) == ({None}, {"f8e4m3"})),
    ("quantize", "ignored_scope"): Case(ignoring(names=["last"]), without_last),
    ("quantize", "advanced_parameters"): Case(advanced(quantize_outputs=True), lambda a, b: a.plan != b.plan),
    ("quantize_with_accuracy_control", "ignored_scope"): control(
        ignoring(names=["last"]), lambda a, b: len(a.placed()) > len(b.placed())
    ),
    ("quantize_with_accuracy_control", "advanced_quantization_parameters"): control(
        advanced(quantize_outputs=True), lambda a, b: a.plan != b.plan
    ),
    ("quantize_with_accuracy_control", "advanced_accuracy_restorer_parameters"): control(
        restorer(max_num_iterations=0),
        lambda a, b: len(a.report["evaluations"]) > len(b.report["evaluations"]),
        max_drop=0.01,
    ),
    ("quantize_with_accuracy_control", "validation_dataset"): control(
        {"validation_dataset": lambda: tightrope.Dataset(small_models.labeled_vectors(3))},
        lambda a, b: b.report["evaluations"][0]["items"] == 3,
    ),
    ("quantize_with_accuracy_control", "validation_fn"): control(
        {"validation_fn": lambda: lambda model, items: 0.5}, lambda a, b: b.report["original_metric"] == 0.5
    ),
    ("quantize_with_accuracy_control", "max_drop"): control(
        {"max_drop": 0.01}, lambda a, b: (a.report["reverted"], bool(b.report["reverted"])) == ([], True)
    ),
    ("quantize_with_accuracy_control", "drop_type"): control(
        {"drop_type": "relative"}, lambda a, b: b.report["drop_type"] == "relative"
    ),
    ("quantize_with_accuracy_control", "higher_is_better"): control(
        {"higher_is_better": False}, lambda a, b: a.report["drop"] == -b.report["drop"] != 0
    ),
    ("quantize_with_accuracy_control", "validation_device"): control({"validation_device": "NONE"}, refusal="NONE"),
    ("quantize_with_accuracy_control", "validation_precision"): control({"validation_precision": "f99"}, refusal="f99"),
    ("quantize_with_accuracy_control", "objective"): control(
        {"objective": "latency"},
        lambda a, b: (
            not any("saving" in group for group in a.report["groups"])
            and all("saving" in group for group in b.report["groups"])
        ),
        max_drop=0.01,
    ),
    ("quantize_with_accuracy_control", "repair"): control(
        {"repair": True}, lambda a, b: not a.report["repairs"] and bool(b.report["repairs"]), max_drop=0.01
    ),
    ("quantize_with_accuracy_control", "time_budget"): control(
        {"time_budget": 1e-9},
        lambda a, b: len(a.report["evaluations"]) > len(b.report["evaluations"]),
        max_drop=0.01,
    ),
    ("quantize_with_accuracy_control", "work_dir"): control({"work_dir": "/dev/null/work"}, refusal="work_dir"),
    ("quantize_with_accuracy_control", "early_stopping"): control(
        {"early_stopping": False},
        lambda a, b: any_early(a.report) and not any_early(b.report),
        validation_dataset=lambda: tightrope.Dataset(small_models.labeled_vectors(200)),
        validation_fn=lambda: accuracy_with_values,
        max_drop=0.01,
    ),
    ("quantize_with_accuracy_control", "measure_deployed"): control(
        {"measure_deployed": True},
        lambda a, b: a.report["deployed"] is None and b.report["deployed"] is not None,
        validation_precision="bf16" if small_models.chosen_precision() == "f32" else "f32",
    ),
    ("quantize_with_accuracy_control", "executor"): control({"executor": 2}, refusal="executor"),
    ("quantize_with_accuracy_control", "callbacks"): control(
        {"callbacks": lambda event: True},
        lambda a, b: len(a.report["evaluations"]) > len(b.report["evaluations"]),
        max_drop=0.01,
    ),
    ("AdvancedAccuracyRestorerParameters", "max_num_iterations"): control(
        restorer(max_num_iterations=0),
        lambda a, b: len(a.report["evaluations"]) > len(b.report["evaluations"]),
        max_drop=0.01,
    ),
    ("AdvancedAccuracyRestorerParameters", "tune_hyperparams"): control(
        restorer(tune_hyperparams=True),
        lambda a, b: (
            "repaired model"
            in {e["name"] for e in b.report["evaluations"]} - {e["name"] for e in a.report["evaluations"]}
        ),
    ),
    ("AdvancedAccuracyRestorerParameters", "ranking_subset_size"): control(
        restorer(ranking_subset_size=1), lambda a, b: scores(a) != scores(b), max_drop=0.01
    ),
    ("AdvancedAccuracyRestorerParameters", "num_ranking_workers"): control(
        restorer(num_ranking_workers=3), same, max_drop=0.01
    ),
    ("AdvancedAccuracyRestorerParameters", "intermediate_model_dir"): control(
        restorer(intermediate_model_dir="no such folder"), refusal="intermediate_model_dir"
    ),
    ("AdvancedAccuracyRestorerParameters", "restore_mode"): control(
        restorer(restore_mode=RestoreMode.ONLY_ACTIVATIONS),
        lambda a, b: (len(a.quantizers("weight")), len(b.quantizers("weight"))) == (2, 3),
        max_drop=0.01,
    ),
    ("AdvancedBiasCorrectionParameters", "apply_for_all_nodes"): Case(
        advanced(bias_correction_params=AdvancedBiasCorrectionParameters(apply_for_all_nodes=True, threshold=1e9)),
        lambda a, b: len(b.plan["bias_shifts"]) > len(a.plan["bias_shifts"]),
        usual=advanced(bias_correction_params=AdvancedBiasCorrectionParameters(threshold=1e9)),
    ),
    ("AdvancedBiasCorrectionParameters", "threshold"): Case(
        advanced(bias_correction_params=AdvancedBiasCorrectionParameters(threshold=1e-9)), fewer_shifts
    ),
    ("AdvancedSmoothQuantParameters", "convolution"): Case(
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=0.5)),
        lambda a, b: is_smoothed(b) and not is_smoothed(a),
    ),
    ("AdvancedSmoothQuantParameters", "matmul"): Case(
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=-1)), tracks_outliers, usual=TOKENS
    ),
    ("AdvancedQuantizationParameters", "overflow_fix"): Case(
        advanced(overflow_fix=OverflowFix.DISABLE),
        lambda a, b: [sum(q["half_range"] for q in each.quantizers()) for each in (a, b)] == [2, 0],
    ),
    ("AdvancedQuantizationParameters", "quantize_outputs"): Case(
        advanced(quantize_outputs=True), lambda a, b: len(b.quantizers()) == len(a.quantizers()) + 1
    ),
    ("AdvancedQuantizationParameters", "inplace_statistics"): Case(
        advanced(inplace_statistics=False),
        lambda a, b: [q["range"] for q in a.quantizers()] == [q["range"] for q in b.quantizers()],
    ),
    ("AdvancedQuantizationParameters", "disable_channel_alignment"): Case(
        advanced(disable_channel_alignment=False),
        lambda a, b: len(b.plan["rescalings"]) > len(a.plan["rescalings"]),
        usual={"model": lambda: small_models.classifier()},
    ),
    ("AdvancedQuantizationParameters", "disable_bias_correction"): Case(
        advanced(disable_bias_correction=True), lambda a, b: a.plan["bias_shifts"] and not b.plan["bias_shifts"]
    ),
    ("AdvancedQuantizationParameters", "batchwise_statistics"): Case(
        advanced(batchwise_statistics=True, activations_range_estimator_params=MEANS),
        narrower,
        usual={
            "model": lambda: small_models.classifier(),
            "calibration_dataset": lambda: tightrope.Dataset(small_models.images(4, batch=3)),
            **advanced(batchwise_statistics=False, activations_range_estimator_params=MEANS),
        },
    ),
    ("AdvancedQuantizationParameters", "activations_quantization_params"): Case(
        activations(num_bits=16), lambda a, b: b.configs("bits", "output") == {16}
    ),
    ("AdvancedQuantizationParameters", "weights_quantization_params"): Case(
        weights(num_bits=16), lambda a, b: b.configs("bits", "weight") == {16}
    ),
    ("AdvancedQuantizationParameters", "quantizer_propagation_rule"): Case(
        advanced(quantizer_propagation_rule=QuantizerPropagationRule.DO_NOT_MERGE_BRANCHES),
        lambda a, b: ("output", "image", 0) in a.placed() and ("input", "left", 0) in b.placed(),
    ),
    ("AdvancedQuantizationParameters", "activations_range_estimator_params"): Case(
        advanced(activations_range_estimator_params=MEANS), narrower
    ),
    ("AdvancedQuantizationParameters", "weights_range_estimator_params"): Case(
        advanced(weights_range_estimator_params=RangeEstimatorParametersSet.MEAN_QUANTILE),
        lambda a, b: b.width("weight") < a.width("weight"),
    ),
    ("AdvancedQuantizationParameters", "bias_correction_params"): Case(
        advanced(bias_correction_params=AdvancedBiasCorrectionParameters(False, 1e-9)), fewer_shifts
    ),
    ("AdvancedQuantizationParameters", "smooth_quant_alphas"): Case(
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(-1, -1)), tracks_outliers, usual=TOKENS
    ),
    ("AdvancedQuantizationParameters", "smooth_quant_alpha"): Case(
        advanced(smooth_quant_alpha=-1.0), tracks_outliers, usual=TOKENS
    ),
    ("AdvancedQuantizationParameters", "backend_params"): Case(
        advanced(backend_params={"compress_weights": False}), lambda a, b: b.plan["compress_weights"] is False
    ),
    ("FP8QuantizationParameters", "destination_type"): Case(
        {**FP8, **advanced(activations_quantization_params=E5M2)},
        lambda a, b: b.configs("format") == {"f8e4m3", "f8e5m2"},
    ),
    ("IgnoredScope", "names"): Case(ignoring(names=["last"]), without_last),
    ("IgnoredScope", "patterns"): Case(ignoring(patterns=["l.st$"]), without_last),
    ("IgnoredScope", "types"): Case(ignoring(types=["Convolution"]), without_last),
    ("IgnoredScope", "subgraphs"): Case(ignoring(subgraphs=[Subgraph(["sum"], ["pool"])]), without_last),
    ("IgnoredScope", "validate"): Case(ignoring(names=["nothing"], validate=False), same),
    ("Subgraph", "inputs"): Case(
        ignoring(subgraphs=[Subgraph(["last"], ["pool"])]),
        without_last,
        usual=ignoring(subgraphs=[Subgraph(["pool"], ["pool"])]),
    ),
    ("Subgraph", "outputs"): Case(
        ignoring(subgraphs=[Subgraph(["sum"], ["last"])]),
        without_last,
        usual=ignoring(subgraphs=[Subgraph(["sum"], ["sum"])]),
    ),
    ("QuantizationParameters", "num_bits"): Case(
        weights(num_bits=16), lambda a, b: b.configs("bits", "weight") == {16}
    ),
    ("QuantizationParameters", "mode"): Case(
        activations(mode="asymmetric"), lambda a, b: b.configs("mode", "output") == {"asymmetric"}
    ),
    ("QuantizationParameters", "signedness_to_force"): Case(
        weights(signedness_to_force=False), refusal="forced to be unsigned"
    ),
    ("QuantizationParameters", "per_channel"): Case(
        weights(per_channel=False), lambda a, b: not any(q["channel_axes"] for q in b.quantizers("weight"))
    ),
    ("QuantizationParameters", "narrow_range"): Case(weights(narrow_range=False), refusal="full range"),
    ("RangeEstimatorParameters", "min"): Case(
        advanced(activations_range_estimator_params=RangeEstimatorParameters(min=MEAN)),
        narrower,
        usual={"preset": "mixed"},
    ),
    ("RangeEstimatorParameters", "max"): Case(
        advanced(activations_range_estimator_params=RangeEstimatorParameters(max=MEAN)), narrower
    ),
    ("StatisticsCollectorParameters", "statistics_type"): Case(
        upper_end(statistics_type=StatisticsType.QUANTILE), narrower
    ),
    ("StatisticsCollectorParameters", "aggregator_type"): Case(
        upper_end(aggregator_type=AggregatorType.MEAN), narrower
    ),
    ("StatisticsCollectorParameters", "clipping_value"): Case(upper_end(clipping_value=1.0), narrower),
    ("StatisticsCollectorParameters", "quantile_outlier_prob"): Case(
        advanced(activations_range_estimator_params=RangeEstimatorParameters(QUANTILE, QUANTILE)),
        narrower,
        usual=advanced(activations_range_estimator_params=RangeEstimatorParametersSet.MEAN_QUANTILE),
    ),
}


def scores(run: Run) -> list[float]:
    return [group["score"] for group in run.report["groups"]]


def names_to_cover() -> set[tuple[str, str]]:
    arguments = {(job, name) for job, function in JOBS.items() for name in inspect.signature(function).parameters}
    return arguments | {(kind.__name__, member.name) for kind in CLASSES for member in fields(kind)}


def test_no_argument_or_field_is_left_out() -> None:
    assert set(CASES) == names_to_cover()


def test_every_class_of_parameters_of_quantization_is_walked() -> None:
    for module in (advanced_parameters, range_estimator):
        kinds = [value for value in vars(module).values() if hasattr(value, "__dataclass_fields__")]
        assert set(kinds) <= set(CLASSES)


@pytest.mark.parametrize("name", CASES, ids="-".join)
def test_has_its_effect_or_is_refused_by_name(name: tuple[str, str]) -> None:
    case = CASES[name]
    if case.refusal:
        assert case.effect is None
        with pytest.raises(tightrope.Error) as refusal:
            run(case.job, {**case.usual, **case.changes})
        assert case.refusal in str(refusal.value)
        return
    assert case.effect is not None
    usual = run(case.job, case.usual) if case.usual else usual_run(case.job)
    assert case.effect(usual, run(case.job, {**case.usual, **case.changes}))


def test_parameters_of_the_backend_have_their_effect_or_are_refused_by_name(tmp_path: Path) -> None:
    usual = usual_run("quantize")
    for key in ("stat_requests_number", "eval_requests_number"):
        assert same(usual, run("quantize", advanced(backend_params={key: 2})))
        with pytest.raises(tightrope.InvalidArgumentError, match=key):
            run("quantize", advanced(backend_params={key: 0}))
    assert not run("quantize", advanced(backend_params={"compress_weights": False})).plan["compress_weights"]
    for key in ("activations", "weights", "external_data_dir", "compres_weights"):
        with pytest.raises(tightrope.Error, match=key):
            run("quantize", advanced(backend_params={key: {"level_low": -64}}))
