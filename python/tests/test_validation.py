# SPDX-License-Identifier: Apache-2.0
"""How the user's function is called: a trial at first, candidates on a part of the items, the result as deployed."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import F32, accuracy

import tightrope
from tightrope import Dataset, InvalidArgumentError

ITEMS = 240
TRIAL = 4  # items


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


def right(model: ov.CompiledModel, items: Iterable[Any]) -> list[float]:
    return [float(model(vector)[0].argmax() == label) for vector, label in items]


def with_values(model: ov.CompiledModel, items: Iterable[Any]) -> tuple[float, list[float]]:
    values = right(model, items)
    return float(np.mean(values)), values


def error_rate(model: ov.CompiledModel, items: Iterable[Any]) -> float:
    return 1 - accuracy(model, items)


class Watched:
    """Keeps how many items each call read."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.items: list[int] = []

    def __call__(self, model: Any, items: Iterable[Any]) -> Any:
        items = list(items)
        self.items.append(len(items))
        return self.function(model, items)


@pytest.fixture(scope="module")
def many() -> Dataset[Any, Any]:
    return Dataset(small_models.labeled_vectors(ITEMS))


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)  # whatever another test has set


@pytest.fixture
def control(fragile: ov.Model, vectors: Dataset[Any, Any], many: Dataset[Any, Any]) -> Callable[..., ov.Model]:
    def run(function: Any = accuracy, **changes: Any) -> ov.Model:
        return tightrope.quantize_with_accuracy_control(
            changes.pop("model", fragile),
            vectors,
            changes.pop("data", many),
            function,
            **{"max_drop": 0.05, "repair": False, **changes},
        )

    return run


# The trial.


def test_T02_a_damaged_model_that_scores_better_asks_for_the_direction(control: Any, caplog: Any) -> None:
    control(error_rate)
    assert "damaged weights scores better" in warnings(caplog)
    assert "higher_is_better=False is needed" in warnings(caplog)


@pytest.mark.parametrize(("function", "higher_is_better"), [(accuracy, True), (error_rate, False)])
def test_T02_the_right_direction_is_no_reason_for_a_warning(
    control: Any, caplog: Any, function: Any, higher_is_better: bool
) -> None:
    control(function, higher_is_better=higher_is_better)
    assert "higher_is_better" not in warnings(caplog)


def test_T06_a_metric_of_all_data_alone_is_tried_once_and_then_left_in_peace(control: Any, caplog: Any) -> None:
    def needs_many(model: Any, items: Any) -> float:
        if len(items) < 10:
            raise ValueError("too few")
        return accuracy(model, items)

    function = Watched(needs_many)
    with caplog.at_level(logging.INFO):
        assert tightrope.report(control(function)).status == "met"
    assert function.items[:3] == [TRIAL, ITEMS, ITEMS]
    assert TRIAL not in function.items[1:]
    assert "tried on 4 items (ValueError: too few)" in caplog.text


def test_T10_a_metric_that_is_no_number_is_said_at_once_and_refused(control: Any, caplog: Any) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(InvalidArgumentError, match="returned None"):
        control(lambda model, items: [list(items), None][1])
    assert "tried on 4 items" in caplog.text


def test_T13_the_function_is_called_for_all_items_at_once_and_a_few_items_more(control: Any) -> None:
    function = Watched(accuracy)
    report = tightrope.report(control(function))
    assert function.items == [TRIAL, TRIAL, ITEMS, TRIAL] + [ITEMS] * (len(report.evaluations) - 1)


def test_a_function_that_is_not_repeatable_is_told_by_how_much(control: Any, caplog: Any) -> None:
    calls = iter(range(1000))

    def drifting(model: Any, items: Any) -> float:
        return accuracy(model, items) + 0.02 * next(calls)

    control(drifting)
    assert "is 1 and then 1.02: the function is not repeatable" in warnings(caplog)
    assert "0.4 times the limit" in warnings(caplog)


def test_small_data_are_not_worth_a_trial(control: Any) -> None:
    function = Watched(accuracy)
    control(function, data=Dataset(small_models.labeled_vectors(64)))
    assert set(function.items) == {64}


def test_a_function_with_data_of_its_own_is_not_called_more_often(control: Any, many: Dataset[Any, Any]) -> None:
    calls = []

    def own(model: Any, items: Any) -> float:
        calls.append(model)
        return accuracy(model, many.get_data())

    report = tightrope.report(control(own))
    assert len(calls) == len(report.evaluations)


def test_T25_data_that_one_reading_uses_up_are_explained(control: Any) -> None:
    class OneShot:
        def __init__(self) -> None:
            self.left = iter(small_models.labeled_vectors(ITEMS))

        def __iter__(self) -> Any:
            return self.left

        def __len__(self) -> int:
            return ITEMS

    with pytest.raises(InvalidArgumentError, match="readable again from the start"):
        control(Watched(accuracy), data=Dataset(OneShot()))


# Early stopping.


def test_candidates_are_judged_on_a_part_and_the_result_on_all_items(control: Any) -> None:
    function = Watched(with_values)
    result = control(function)
    report = tightrope.report(result)
    assert report.status == "met"
    assert report.reverted == ["fragile"]
    assert any(each["early"] for each in report.evaluations)
    found = float(np.mean(right(ov.compile_model(result, "CPU", F32), small_models.labeled_vectors(ITEMS))))
    assert report.final_metric == pytest.approx(found, abs=1e-9)
    full = [each for each in report.evaluations if not each["early"]]
    assert report.final_metric in [each["metric"] for each in full[1:]]
    assert all(each["items"] == ITEMS for each in full)
    assert sum(function.items) < ITEMS * len(report.evaluations)


def test_early_stopping_can_be_switched_off_and_leads_to_the_same(control: Any) -> None:
    without = tightrope.report(control(with_values, early_stopping=False))
    assert not any(each["early"] for each in without.evaluations)
    assert tightrope.report(control(with_values)).reverted == without.reverted


def test_data_without_random_access_are_read_as_a_whole(control: Any, many: Dataset[Any, Any]) -> None:
    class Stream:
        def __iter__(self) -> Any:
            return iter(many.get_data())

        def __len__(self) -> int:
            return ITEMS

    report = tightrope.report(control(with_values, data=Dataset(Stream())))
    assert not any(each["early"] for each in report.evaluations)
    assert report.status == "met"


def test_a_metric_that_is_not_the_mean_of_its_values_is_validated_in_full(control: Any) -> None:
    def root(model: Any, items: Any) -> tuple[float, list[float]]:
        values = right(model, items)
        return float(np.mean(values)) ** 2, values

    report = tightrope.report(control(root))
    assert not any(each["early"] for each in report.evaluations)
    assert report.interval is None


def test_values_that_are_outputs_of_the_model_are_no_values_per_item(control: Any) -> None:
    def outputs(model: Any, items: Any) -> tuple[float, list[Any]]:
        items = list(items)
        return accuracy(model, items), [[model(vector)[0]] for vector, _ in items]

    report = tightrope.report(control(outputs))
    assert report.interval is None
    assert report.status == "met"


def test_runs_with_early_stopping_go_on_and_end_with_the_same_bytes(control: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.xml"
    ov.save_model(small_models.fragile(), file, compress_to_fp16=False)

    def saved(name: str, **changes: Any) -> bytes:
        result = control(model=ov.Core().read_model(file), **changes)
        ov.save_model(result, tmp_path / f"{name}.xml", compress_to_fp16=False)
        return (tmp_path / f"{name}.xml").read_bytes()

    class Ended(BaseException):
        pass

    counted = Watched(with_values)
    whole = saved("whole", function=counted)
    for last in range(1, len(counted.items)):
        function = Watched(with_values)

        def ending(model: Any, items: Any, function: Watched = function, last: int = last) -> Any:
            if len(function.items) == last:
                raise Ended
            return function(model, items)

        folder = tmp_path / f"work{last}"
        with pytest.raises(Ended):
            saved("ended", function=ending, work_dir=folder)
        again = Watched(with_values)
        assert saved("resumed", function=again, work_dir=folder) == whole
        assert sum(function.items) + sum(again.items) <= sum(counted.items) + 3 * TRIAL


# What the items tell.


def test_T15_fifty_items_and_a_limit_of_a_hundredth_are_warned_of(control: Any, caplog: Any) -> None:
    data = Dataset(small_models.labeled_vectors(50))
    with caplog.at_level(logging.INFO):
        report = tightrope.report(control(with_values, data=data, max_drop=0.01))
    assert "one item changes it by 0.02" in warnings(caplog)
    assert "at least 100 items" in warnings(caplog)
    assert report.interval["low"] <= report.drop <= report.interval["high"]
    assert report.interval["items_needed"] > 1000
    assert f"about {report.interval['items_needed']} could" in warnings(caplog)


def test_the_interval_holds_the_drop_and_is_part_of_the_summary(control: Any) -> None:
    report = tightrope.report(control(with_values))
    assert report.interval["confidence"] == 0.95
    assert report.interval["low"] <= report.drop <= report.interval["high"]
    assert "with 95 % confidence" in str(report)


# As deployed.


def test_T24_the_report_separates_the_drop_by_quantization_from_the_one_by_execution(control: Any) -> None:
    chosen = small_models.chosen_precision()
    validated = "bf16" if chosen == "f32" else "f32"
    function = Watched(with_values)
    result = control(function, validation_precision=validated, measure_deployed=True)
    report = tightrope.report(result)
    assert report.deployed["precision"] == chosen
    assert report.deployed["drop"] == pytest.approx(report.drop + report.deployed["drop_by_execution"])
    found = float(np.mean(right(ov.compile_model(result, "CPU"), small_models.labeled_vectors(ITEMS))))
    assert report.deployed["metric"] == pytest.approx(found)
    assert f"in {chosen}, as deployed" in str(report)


def test_T24_without_being_asked_for_it_is_only_said_and_costs_nothing(control: Any, caplog: Any) -> None:
    chosen = small_models.chosen_precision()
    with caplog.at_level(logging.INFO):
        report = tightrope.report(control())
    assert report.deployed is None
    assert ("measure_deployed tells how much" in caplog.text) == (chosen != "f32")


def test_T28_the_time_of_a_run_that_meets_the_limit_at_once_is_told_before(control: Any, caplog: Any) -> None:
    def slow(model: Any, items: Any) -> float:
        time.sleep(0.01 * len(items))
        return accuracy(model, items)

    started = time.monotonic()
    with caplog.at_level(logging.INFO):
        control(slow, max_drop=1)
    actual = time.monotonic() - started
    told = re.search(r"about ([0-9.]+) s in all", caplog.text)
    assert told
    assert float(told[1]) == pytest.approx(actual, rel=0.3)


def test_T28_stages_have_the_seconds_that_were_expected(control: Any, caplog: Any) -> None:
    with caplog.at_level(logging.INFO):
        report = tightrope.report(control())
    assert re.search(r"about [0-9.]+ s", caplog.text)
    expected = [stage for stage in report.stages if "estimated_seconds" in stage]
    assert {"calibration", "validation of the quantized model"} <= {stage["name"] for stage in expected}
