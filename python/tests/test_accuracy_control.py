# SPDX-License-Identifier: Apache-2.0
"""The contract of `quantize_with_accuracy_control`: what validation_fn gets and returns, when the limit is met."""

import logging
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import F32, accuracy, picture, types

import tightrope
from tightrope import (
    AccuracyNotReachedError,
    AdvancedAccuracyRestorerParameters,
    Dataset,
    DropType,
    InvalidArgumentError,
    RestoreMode,
)

ITEMS = 64
EVALUATIONS = ["original model", "quantized model", "candidate 1"]


@pytest.fixture
def control(fragile: ov.Model, vectors: Dataset, labeled: Dataset) -> Callable[..., ov.Model]:
    """Runs the job on the fragile network with what a test wants to be different."""

    def run(validation_fn: Any = accuracy, **changes: Any) -> ov.Model:
        arguments = {"max_drop": 0.05, "validation_dataset": labeled, "calibration_dataset": vectors}
        arguments = {"repair": False, **arguments, **changes}
        return tightrope.quantize_with_accuracy_control(fragile, validation_fn=validation_fn, **arguments)

    return run


def restorer(**options: Any) -> dict[str, Any]:
    return {"advanced_accuracy_restorer_parameters": AdvancedAccuracyRestorerParameters(**options)}


class Sinking:
    """A metric that gets worse with each call: no model can meet a limit."""

    def __init__(self, step: float = 0.1) -> None:
        self.calls, self.step = 0, step

    def __call__(self, model: ov.CompiledModel, items: Any) -> float:
        list(items)
        self.calls += 1
        return 10 - self.step * self.calls


class Scripted:
    """Returns or raises its outcomes one after the other, and the last one from then on."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes, self.calls = outcomes, 0

    def __call__(self, model: ov.CompiledModel, items: Any) -> Any:
        list(items)
        outcome = self.outcomes[min(self.calls, len(self.outcomes) - 1)]
        self.calls += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def independent(model: ov.Model) -> float:
    return accuracy(ov.compile_model(model, "CPU", F32), small_models.labeled_vectors(ITEMS))


# The job.


def test_only_what_must_be_is_returned_to_floating_point(control: Any) -> None:
    result = control()
    report = tightrope.report(result)
    assert report.status == "met"
    assert report.reverted == ["fragile"]
    assert report.quantized == ["first", "last"]
    assert report.minimal
    assert report.original_metric - report.quantized_metric > 0.15
    assert report.drop <= 0.05


def test_the_metric_in_the_report_is_that_of_the_returned_model(control: Any) -> None:
    result = control()
    assert tightrope.report(result).final_metric == pytest.approx(independent(result), abs=1e-6)


def test_a_continuous_metric_in_the_report_is_that_of_the_returned_model_too(fragile: ov.Model, control: Any) -> None:
    def agreement(model: ov.CompiledModel, items: Any) -> float:
        return -float(np.mean([np.abs(model(vector)[0] - original(vector)[0]).mean() for vector, _ in items]))

    original = ov.compile_model(fragile, "CPU", F32)
    result = control(agreement, max_drop=0.5)
    report = tightrope.report(result)
    found = agreement(ov.compile_model(result, "CPU", F32), small_models.labeled_vectors(ITEMS))
    assert report.reverted == ["fragile"]
    assert report.final_metric == pytest.approx(found, abs=1e-6)
    assert report.drop == pytest.approx(-found, abs=1e-6)


def test_the_model_of_the_user_is_not_changed(fragile: ov.Model, control: Any) -> None:
    before = picture(fragile)
    control()
    assert picture(fragile) == before


def test_nothing_is_reverted_if_8_bits_are_good_enough(control: Any) -> None:
    calls = []
    result = control(lambda model, items: calls.append(1) or accuracy(model, items), max_drop=1)
    assert tightrope.report(result).reverted == []
    assert len(calls) == 2


def test_T04_success_with_the_last_group_is_success(fragile: ov.Model, control: Any) -> None:
    def identical(model: ov.CompiledModel, items: Any) -> float:
        return float(all((model(vector)[0] == original(vector)[0]).all() for vector, _ in items))

    original = ov.compile_model(fragile, "CPU", F32)
    result = control(identical)
    report = tightrope.report(result)
    assert report.status == "met"
    assert report.reverted == small_models.FRAGILE_OPERATIONS
    assert (report.quantized, report.drop, report.drop_reverted) == ([], 0, 0)
    assert types(result) == types(fragile)


def test_a_limit_of_zero_is_met_by_a_model_that_is_as_good(control: Any) -> None:
    assert tightrope.report(control(max_drop=0)).drop <= 0


def test_items_of_a_loader_work_for_both_datasets(fragile: ov.Model) -> None:
    items = small_models.labeled_vectors(ITEMS)
    loader = small_models.Loader(np.concatenate([item for item, _ in items]), np.array([y for _, y in items]), 16)

    def share(model: ov.CompiledModel, batches: Iterable[Any]) -> float:
        return float(np.mean(np.concatenate([model(x)["scores"].argmax(axis=1) == y for x, y in batches])))

    result = tightrope.quantize_with_accuracy_control(
        fragile,
        Dataset(loader, lambda item: item[0]),
        Dataset(loader, lambda item: item[0]),
        share,
        max_drop=0.05,
        repair=False,
    )
    report = tightrope.report(result)
    assert report.reverted == ["fragile"]
    assert {evaluation["items"] for evaluation in report.evaluations} == {4}


# What validation_fn gets.


def test_the_function_gets_a_compiled_model_in_f32_and_the_items_as_they_are(
    fragile: ov.Model, vectors: Dataset
) -> None:
    seen: list[Any] = []
    items = small_models.labeled_vectors(4)

    def look(model: ov.CompiledModel, data: Any) -> float:
        assert isinstance(model, ov.CompiledModel)
        seen.append((str(model.get_property("INFERENCE_PRECISION_HINT")), list(data)))
        assert len(data) == 4
        assert all(again is item for again, item in zip(data, items, strict=True))  # also when it iterates again
        return 1.0

    tightrope.quantize_with_accuracy_control(fragile, vectors, Dataset(items, lambda item: item[0]), look)
    for precision, data in seen:
        assert precision == str(ov.Type.f32)
        assert all(found is item for found, item in zip(data, items, strict=True))


def test_device_and_precision_of_the_validation_can_be_chosen(fragile: ov.Model, control: Any) -> None:
    seen = []

    def look(model: ov.CompiledModel, items: Any) -> float:
        seen.append(str(model.get_property("INFERENCE_PRECISION_HINT")))
        return 1.0

    for precision, properties in (("bf16", {"INFERENCE_PRECISION_HINT": "bf16"}), ("", {})):
        # The processor decides what it makes of the wish.
        expected = ov.compile_model(fragile, "CPU", properties).get_property("INFERENCE_PRECISION_HINT")
        seen.clear()
        control(look, validation_device="CPU", validation_precision=precision)
        assert seen == [str(expected)] * 2


@pytest.mark.parametrize("option", [{"validation_device": "MOON"}, {"validation_precision": "f17"}])
def test_a_device_or_precision_that_is_not_there_is_named_in_one_line(option: dict[str, str], control: Any) -> None:
    with pytest.raises(tightrope.QuantizationError, match=f"'{next(iter(option.values()))}'") as raised:
        control(**option)
    assert "\n" not in str(raised.value)


def test_a_function_that_returns_a_number_always_sees_all_items(control: Any) -> None:
    counts: list[int] = []

    def needs_everything(model: ov.CompiledModel, items: Any) -> float:
        items = list(items)
        counts.append(len(items))
        if len(items) < ITEMS:
            raise ValueError("this metric has no meaning on a part of the data")
        return accuracy(model, items)

    report = tightrope.report(control(needs_everything))
    assert set(counts) == {ITEMS}
    assert len(counts) == len(report.evaluations) >= 3


def test_a_function_that_reads_fewer_items_once_causes_a_warning(
    control: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def stops_early(model: ov.CompiledModel, items: Any) -> float:
        calls.append(1)
        for index, _ in enumerate(items):
            if len(calls) > 1 and index == 9:
                break
        return 1.0

    calls: list[int] = []
    with caplog.at_level(logging.WARNING, "tightrope"):
        control(stops_early)
    assert "10 items were read, but 64 for the original model" in caplog.text


def test_a_limit_below_the_weight_of_one_item_causes_a_warning(control: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tightrope"):
        control(max_drop=0.01)
    assert "one item changes it by 0.01562, more than max_drop 0.01" in caplog.text


def test_a_repair_leaves_everything_in_eight_bits(control: Any) -> None:
    report = tightrope.report(control(repair=True))
    names = [evaluation["name"] for evaluation in report.evaluations]
    assert names == ["original model", "quantized model", "repaired model"]
    assert report.repairs
    assert report.reverted == []
    assert report.drop <= 0.05 < report.evaluations[1]["drop"]
    assert tightrope.report(control()).reverted != []


# What validation_fn may return.

GOOD_RETURNS = {
    "float": 0.5,
    "int": 1,
    "bool": True,
    "fraction": Fraction(1, 2),
    "numpy float": np.float64(0.5),
    "numpy float32": np.float32(0.5),
    "numpy int": np.int64(1),
    "numpy bool": np.bool_(True),
    "numpy 0-d": np.array(0.5),
    "numpy 1 element": np.array([0.5], np.float32),
    "number, None": (0.5, None),
    "number, list": (0.5, [0.5] * ITEMS),
    "number, array": (np.float32(0.5), np.full(ITEMS, 0.5)),
    "0-d, list": (np.array(0.5), [0.5] * ITEMS),
}


@pytest.mark.parametrize("kind", GOOD_RETURNS)
def test_the_function_may_return(kind: str, control: Any) -> None:
    value = GOOD_RETURNS[kind]
    report = tightrope.report(control(Scripted(value)))
    expected = value[0] if isinstance(value, tuple) else value
    assert report.original_metric == report.final_metric == float(np.asarray(expected, np.float64).reshape(-1)[0])


def test_the_function_may_return_a_torch_tensor_with_one_element(control: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert tightrope.report(control(Scripted(torch.tensor(0.5)))).final_metric == 0.5


BAD_RETURNS = {
    "NaN": (float("nan"), r"the metric is nan; .* finite number"),
    "numpy NaN": (np.float32("nan"), r"the metric is nan; .* finite number"),
    "infinity": (float("inf"), r"the metric is inf; .* finite number"),
    "minus infinity": (float("-inf"), r"the metric is -inf; .* finite number"),
    "integer beyond all floats": (10**400, r"needs a finite number"),
    "None": (None, r"None \(NoneType\) as the metric; needs a finite number"),
    "complex": (1 + 2j, r"complex\) as the metric; needs a finite number"),
    "numpy complex": (np.array(1 + 2j), r"complex\) as the metric; needs a finite number"),
    "string": ("0.5", r"'0.5' \(str\) as the metric; needs a finite number"),
    "list": ([0.5], r"\(list\) as the metric; needs a finite number"),
    "array": (np.zeros(3), r"\(ndarray\) as the metric; needs a finite number"),
    "dict, for one limit": ({"accuracy": 0.5}, r"by name \('accuracy'\), but max_drop is one number; limits by name"),
    "dict of names to text": ({"accuracy": "good"}, r"'good' \(str\) as the metric 'accuracy'; needs a finite number"),
    "dict without names": ({1: 0.5}, r"needs a dict of numbers with names as keys"),
    "empty dict": ({}, r"needs a dict of numbers with names as keys"),
    "tuple of one": ((0.5,), r"a tuple of \(float\); needs a number or a dict"),
    "tuple of three": ((0.5, 0.5, 0.5), r"a tuple of \(float, float, float\); needs a number or a dict"),
    "tuple of two numbers": ((0.5, 0.5), r"a tuple of \(float, float\); needs a number or a dict"),
    "tuple without number": ((None, [0.5]), r"None \(NoneType\) as the metric; needs a finite number"),
    "tuple with NaN": ((float("nan"), None), r"the metric is nan; .* finite number"),
}


@pytest.mark.parametrize("kind", BAD_RETURNS)
@pytest.mark.parametrize("at", range(3), ids=EVALUATIONS)
def test_the_function_must_not_return(kind: str, at: int, control: Any) -> None:
    value, message = BAD_RETURNS[kind]
    function = Scripted(*[1.0, 0.5][:at], value)
    with pytest.raises(InvalidArgumentError, match=rf"^\[validation\] {EVALUATIONS[at]}: .*{message}"):
        control(function)
    assert function.calls == at + 1


# Exceptions of validation_fn.


@pytest.mark.parametrize("at", range(3), ids=EVALUATIONS)
def test_an_exception_reaches_the_user_as_the_same_object_with_a_note(
    at: int, control: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Mistake(Exception):
        pass

    mistake = Mistake("wrong label")
    with pytest.raises(Mistake) as raised:
        control(Scripted(*[1.0, 0.5][:at], mistake))
    assert raised.value is mistake
    assert raised.value.__notes__ == [
        f"raised by validation_fn during the evaluation of the {EVALUATIONS[at]}, after {ITEMS} items"
    ]
    assert any(entry.name == "__call__" and "test_accuracy" in str(entry.path) for entry in raised.traceback)
    assert "Mistake" in caplog.text


def test_an_exit_or_interrupt_of_the_function_is_not_held_up(control: Any) -> None:
    for kind in (KeyboardInterrupt, SystemExit):
        with pytest.raises(kind):
            control(Scripted(1.0, kind()))


def test_an_error_in_the_data_of_the_validation_reaches_the_user_too(control: Any) -> None:
    class Broken:
        def __iter__(self) -> Any:
            yield from small_models.labeled_vectors(3)
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as raised:
        control(validation_dataset=Dataset(Broken()))
    assert "original model, after 3 items" in raised.value.__notes__[0]


# Data that can be read only once.


def test_a_generator_is_refused_before_any_work(control: Any) -> None:
    calls: list[int] = []
    stream = small_models.Stream(small_models.vectors(4))
    items = (item for item in small_models.labeled_vectors(4))
    with pytest.raises(InvalidArgumentError, match="validation_dataset: its source is an iterator .* read only once"):
        control(
            lambda model, data: calls.append(1) or 1.0,
            validation_dataset=Dataset(items),
            calibration_dataset=Dataset(stream),
        )
    assert calls == [] and stream.read == 0
    assert len(list(items)) == 4


def test_one_generator_of_calibration_data_serves_calibration_and_ranking(control: Any) -> None:
    result = control(calibration_dataset=Dataset(vector for vector in small_models.vectors(32)))
    assert tightrope.report(result).reverted == ["fragile"]


@pytest.mark.parametrize(
    "function",
    [
        lambda model, items: len([model(vector) for vector, _ in items]),
        lambda model, items: np.nan if (values := list(items)) == [] else float(len(values)),
        lambda model, items: float(np.concatenate([model(vector)[0] for vector, _ in items]).max()),
        lambda model, items: 1 / len(list(items)),
    ],
    ids=["returns a number", "returns NaN", "numpy raises", "divides by zero"],
)
def test_data_that_yield_nothing_again_are_recognized_whatever_the_function_does_then(
    function: Any, control: Any
) -> None:
    data = Dataset(small_models.OnePass(small_models.labeled_vectors(5)))
    assert not data.is_one_shot
    message = r"^\[validation\] quantized model: no item was left, while .* read 5; .* readable again from the start"
    with pytest.raises(InvalidArgumentError, match=message):
        control(function, validation_dataset=data)


def test_an_exception_before_the_data_are_read_is_not_mistaken_for_used_up_data(control: Any) -> None:
    def picky(model: ov.CompiledModel, items: Any) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise LookupError("no such output")
        return float(len(list(items)))

    calls: list[int] = []
    with pytest.raises(LookupError, match="no such output"):
        control(picky)


def test_a_function_that_does_not_read_the_data_is_fine(control: Any) -> None:
    items = small_models.labeled_vectors(ITEMS)
    assert tightrope.report(control(lambda model, _: accuracy(model, items))).reverted == ["fragile"]


# Directions and kinds of drop.


def error_rate(model: ov.CompiledModel, items: Any) -> float:
    return 1 - accuracy(model, items)


def test_an_error_rate_is_kept_from_rising_if_told_that_lower_is_better(control: Any) -> None:
    report = tightrope.report(control(error_rate, higher_is_better=False))
    assert report.quantized_metric > 0.15
    assert report.final_metric <= 0.05
    assert report.reverted == ["fragile"]
    assert (report.higher_is_better, report.drop) == (False, pytest.approx(report.final_metric))


def test_T01_an_error_rate_that_rises_above_the_limit_is_never_a_success(control: Any) -> None:
    rates = Scripted(0.005, 0.030)
    with pytest.raises(AccuracyNotReachedError) as raised:
        control(rates, higher_is_better=False, max_drop=0.01)
    assert raised.value.drop == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("original", "worse", "higher_is_better", "drop"),
    [(0.8, 0.6, True, 0.25), (-2.0, -3.0, True, 0.5), (0.4, 0.5, False, 0.25), (-4.0, -3.0, False, 0.25)],
)
def test_T11_a_relative_drop_is_a_share_of_the_metric_of_the_original(
    original: float, worse: float, higher_is_better: bool, drop: float, control: Any
) -> None:
    options = {"drop_type": DropType.RELATIVE, "higher_is_better": higher_is_better}
    report = tightrope.report(control(Scripted(original, worse), max_drop=drop, **options))
    assert (report.status, report.drop_type) == ("met", "relative")
    assert report.drop == pytest.approx(drop)
    with pytest.raises(AccuracyNotReachedError) as raised:
        control(Scripted(original, worse), max_drop=drop - 0.01, **options)
    assert raised.value.drop == pytest.approx(drop)


def test_a_relative_limit_on_a_real_metric_is_met(control: Any) -> None:
    report = tightrope.report(control(drop_type=DropType.RELATIVE, max_drop=0.05))
    assert report.reverted == ["fragile"]
    assert report.drop == pytest.approx((report.original_metric - report.final_metric) / report.original_metric)


def test_T11_a_drop_relative_to_zero_is_an_error_of_the_first_evaluation(control: Any) -> None:
    function = Scripted(0.0)
    with pytest.raises(InvalidArgumentError, match="original model: the metric is 0, and a drop relative to 0"):
        control(function, drop_type=DropType.RELATIVE)
    assert function.calls == 1


def test_a_metric_that_improves_is_a_negative_drop(control: Any) -> None:
    assert tightrope.report(control(Scripted(0.5, 0.75), max_drop=0)).drop == -0.25


@pytest.mark.parametrize("max_drop", [-0.01, float("nan"), float("-inf"), "0.01", None])
def test_a_max_drop_that_is_no_limit_is_refused_before_any_work(max_drop: Any, control: Any) -> None:
    stream = small_models.Stream(small_models.vectors(4))
    with pytest.raises(InvalidArgumentError, match="max_drop"):
        control(max_drop=max_drop, calibration_dataset=Dataset(stream))
    assert stream.read == 0


# Several metrics.


def both(model: ov.CompiledModel, items: Any) -> dict[str, float]:
    share = accuracy(model, items)
    return {"accuracy": share, "error": np.float32(1 - share), "constant": 3}


def test_T26_all_of_several_limits_hold_and_the_report_tells_which_one_was_binding(control: Any) -> None:
    limits = {"accuracy": 0.5, "error": 0.05}
    report = tightrope.report(control(both, max_drop=limits, higher_is_better={"error": False}))
    assert report.reverted == ["fragile"]
    final = {metric["name"]: metric for metric in report.final_metrics}
    assert final["error"]["drop"] <= 0.05 and final["accuracy"]["metric"] == pytest.approx(1 - final["error"]["metric"])
    assert [evaluation["binding"] for evaluation in report.evaluations[1:]] == ["error"] * (len(report.evaluations) - 1)
    assert {limit["name"]: limit["max_drop"] for limit in report.limits} == limits
    assert (report.original_metric, report.max_drop) == (None, 1)
    assert "error: final" in str(report)


def test_a_limit_relative_for_one_metric_and_absolute_for_another(control: Any) -> None:
    report = tightrope.report(
        control(
            lambda model, items: (both(model, items), None),
            max_drop={"accuracy": 0.05, "constant": 0},
            drop_type={"accuracy": DropType.RELATIVE},
        )
    )
    assert [limit["drop_type"] for limit in report.limits] == ["relative", "absolute"]
    assert report.reverted == ["fragile"]


def test_limits_of_several_metrics_that_cannot_be_met_are_named(control: Any) -> None:
    with pytest.raises(
        AccuracyNotReachedError, match=r"drop of 'a' is 0\.\d+, at most 0\.05 was asked for\."
    ) as raised:
        control(lambda model, items: {"a": sinking(model, items), "b": 1}, max_drop={"a": 0.05, "b": 0})
    assert "'b'" not in str(raised.value)


sinking = Sinking()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": {}}, "max_drop.*a limit for each metric"),
        ({"max_drop": {"accuracy": -1}}, r"max_drop\.accuracy' is -1"),
        ({"max_drop": {"accuracy": "little"}}, r"max_drop\['accuracy'\]: found 'little'"),
        ({"max_drop": {"accuracy": 0.1}, "drop_type": {"f1": "relative"}}, "'drop_type' names the metric 'f1'"),
        ({"max_drop": 0.1, "higher_is_better": {"accuracy": True}}, "'higher_is_better'.* as max_drop is one number"),
    ],
)
def test_limits_that_do_not_fit_are_refused_before_any_work(options: Any, message: str, control: Any) -> None:
    calls: list[int] = []
    with pytest.raises(InvalidArgumentError, match=message):
        control(lambda model, items: calls.append(1) or 1.0, **options)
    assert calls == []


@pytest.mark.parametrize(("found", "message"), [(0.5, "one number"), ({"acc": 1}, "'acc'")])
def test_a_metric_with_a_limit_must_be_returned(found: Any, message: str, control: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"a limit for 'accuracy', but the function returned {message}"):
        control(Scripted(found), max_drop={"accuracy": 0.1})


# Limits that can't be met.


def test_T03_an_unmet_limit_raises_with_the_best_model_the_report_the_drops_and_advice(control: Any) -> None:
    with pytest.raises(AccuracyNotReachedError) as raised:
        control(Sinking())
    error = raised.value
    assert "best model found is 0.1; at most 0.05" in str(error)
    assert isinstance(error.model, ov.Model)
    assert ov.compile_model(error.model, "CPU")(small_models.vectors(1)[0])[0].shape == (1, 4)
    assert error.report.status == tightrope.report(error.model).status == "not met"
    assert error.drop == error.report.drop == pytest.approx(0.1)
    assert error.drop_reverted is not None and error.drop_reverted > 0.1
    assert "With everything reverted the drop is still" in error.advice
    assert error.advice in str(error)


def test_the_best_model_of_an_unmet_limit_is_the_best_that_was_measured(control: Any) -> None:
    with pytest.raises(AccuracyNotReachedError) as raised:
        control(Scripted(1.0, 0.2, 0.9, 0.5, 0.6))
    error = raised.value
    assert error.report.final_metric == 0.9
    best = next(each for each in error.report.evaluations if each["metric"] == 0.9)
    assert error.report.reverted == best["reverted"]


def test_the_number_of_candidates_can_be_limited(control: Any) -> None:
    function = Sinking()
    with pytest.raises(AccuracyNotReachedError, match="With everything reverted"):  # what the last one is kept for
        control(function, **restorer(max_num_iterations=1))
    assert function.calls == 3
    function = Sinking()
    with pytest.raises(AccuracyNotReachedError, match="Raise max_num_iterations"):
        control(function, **restorer(max_num_iterations=0))
    assert function.calls == 2


def test_a_limit_that_was_met_when_the_candidates_ran_out_is_met(control: Any) -> None:
    report = tightrope.report(control(Scripted(1.0, 0.2, 1.0, 0.2), **restorer(max_num_iterations=1)))
    assert (report.status, report.final_metric, len(report.evaluations)) == ("met", 1.0, 3)


# Parameters of the restorer.


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_size_of_the_ranking_subset_does_not_change_what_is_asked_of_the_function(size: int, control: Any) -> None:
    report = tightrope.report(control(**restorer(ranking_subset_size=size)))
    assert report.reverted == ["fragile"]
    assert {evaluation["items"] for evaluation in report.evaluations} == {ITEMS}


def test_the_ranking_puts_the_culprit_first(control: Any) -> None:
    groups = tightrope.report(control()).groups
    assert [group["operations"] for group in groups if group["reverted"]] == [["fragile"]]
    assert max(groups, key=lambda group: group["score"])["operations"] == ["fragile"]


def test_T17_the_result_does_not_depend_on_the_number_of_ranking_workers(control: Any, tmp_path: Path) -> None:
    def saved(workers: int) -> tuple[bytes, bytes]:
        path = tmp_path / f"{workers}.xml"
        ov.save_model(control(max_drop=0.01, **restorer(num_ranking_workers=workers)), path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()

    assert saved(1) == saved(4)


def test_with_only_activations_restored_the_weights_of_reverted_operations_stay_in_8_bits(control: Any) -> None:
    result = control(**restorer(restore_mode=RestoreMode.ONLY_ACTIVATIONS))
    report = tightrope.report(result)
    assert report.reverted == ["fragile"]
    names = [node.get_friendly_name() for node in result.get_ordered_ops()]
    assert "fragile/fq_weights_1/quantized" in names
    assert "scaled/fq_output_0" not in names
    assert report.final_metric == pytest.approx(independent(result), abs=1e-6)


@pytest.mark.parametrize("kind", [str, Path])
def test_the_fully_quantized_model_is_saved_into_the_folder_for_it(kind: Any, control: Any, tmp_path: Path) -> None:
    result = control(**restorer(intermediate_model_dir=kind(tmp_path)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["intermediate_model.bin", "intermediate_model.xml"]
    intermediate = ov.Core().read_model(tmp_path / "intermediate_model.xml")
    assert types(intermediate).count("FakeQuantize") == 3
    assert tightrope.report(result).quantized_metric == pytest.approx(independent(intermediate), abs=1e-6)


def test_a_folder_for_the_intermediate_model_that_is_missing_is_found_before_any_work(
    control: Any, tmp_path: Path
) -> None:
    stream = small_models.Stream(small_models.vectors(4))
    with pytest.raises(tightrope.IoError, match="intermediate_model_dir '.*missing' is no folder"):
        control(calibration_dataset=Dataset(stream), **restorer(intermediate_model_dir=tmp_path / "missing"))
    assert stream.read == 0


@pytest.mark.parametrize(("name", "value"), [("ranking_subset_size", 0), ("max_num_iterations", -1)])
def test_numbers_out_of_range_are_refused_by_name(name: str, value: int, control: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=name):
        control(**restorer(**{name: value}))
