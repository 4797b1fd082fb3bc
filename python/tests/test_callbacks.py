# SPDX-License-Identifier: Apache-2.0
"""Callbacks see what a run does, and can end it."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import accuracy

import tightrope
from tightrope import AccuracyNotReachedError, Dataset, Event, EventKind, InvalidArgumentError, StopSearch

ORIGINAL = ov.compile_model(small_models.fragile(), "CPU", small_models.F32)


def control(callbacks: Any, function: Any = accuracy, **changes: Any) -> ov.Model:
    return tightrope.quantize_with_accuracy_control(
        small_models.fragile(),
        Dataset(small_models.vectors(32)),
        Dataset(small_models.labeled_vectors(64)),
        function,
        **{"max_drop": 0.05, "repair": False, "callbacks": callbacks, **changes},
    )


def told(**changes: Any) -> tuple[ov.Model, list[Event]]:
    events: list[Event] = []
    return control(events.append, **changes), events


def of_kind(events: list[Event], kind: EventKind) -> list[Event]:
    return [event for event in events if event.kind == kind]


def test_stages_begin_and_end_in_the_order_of_the_report() -> None:
    model, events = told()
    started, ended = (of_kind(events, kind) for kind in (EventKind.STAGE_STARTED, EventKind.STAGE_ENDED))
    stages = tightrope.report(model).stages
    assert [event.stage for event in started] == [event.stage for event in ended] == [s["name"] for s in stages]
    assert [event.seconds for event in ended] == pytest.approx([stage["seconds"] for stage in stages])


def test_evaluations_are_those_of_the_report_with_the_best_so_far() -> None:
    model, events = told()
    evaluations = of_kind(events, EventKind.EVALUATION)
    report = tightrope.report(model)
    assert [event.evaluation for event in evaluations] == report.evaluations
    assert evaluations[0].best is None, "the original is what the others are measured against"
    assert evaluations[1].best == evaluations[1].evaluation
    final = evaluations[-1].best
    assert final is not None
    assert (final["metric"], final["drop"], final["reverted"]) == (report.final_metric, report.drop, report.reverted)


def test_the_ranking_tells_the_groups_and_their_scores() -> None:
    model, events = told()
    (ranking,) = of_kind(events, EventKind.RANKING)
    for told_group, group in zip(ranking.groups, tightrope.report(model).groups, strict=True):
        assert (told_group["operations"], told_group["score"]) == (group["operations"], group["score"])


def test_progress_counts_the_steps_of_the_stage_that_is_under_way() -> None:
    _, events = told()
    calibration = [e for e in of_kind(events, EventKind.PROGRESS) if e.stage == "calibration"]
    assert [(event.done, event.total) for event in calibration] == [(i + 1, 32) for i in range(32)]


def test_a_repair_is_an_event_as_well() -> None:
    model, events = told(repair=True)
    names = [event.evaluation["name"] for event in of_kind(events, EventKind.EVALUATION) if event.evaluation]
    assert "repaired model" in names
    assert "repair" in [event.stage for event in of_kind(events, EventKind.STAGE_ENDED)]
    assert "repair" in {event.stage for event in of_kind(events, EventKind.PROGRESS)}
    assert tightrope.report(model).status == "met"


def true_of(kind: EventKind, name: str = "") -> Any:
    def stop(event: Event) -> bool:
        return event.kind == kind and (not name or event.evaluation is not None and event.evaluation["name"] == name)

    return stop


def raising(condition: Any) -> Any:
    def stop(event: Event) -> None:
        if condition(event):
            raise StopSearch

    return stop


def agreement(model: ov.CompiledModel, items: Any) -> float:
    """A metric that takes several candidates: minus the mean distance from the outputs of the original."""
    return -float(np.mean([np.abs(model(vector)[0] - ORIGINAL(vector)[0]).mean() for vector, _ in items]))


@pytest.mark.parametrize("how", [lambda condition: condition, raising], ids=["returns True", "raises StopSearch"])
def test_a_callback_ends_the_search_with_the_best_model_so_far(how: Any) -> None:
    seen: list[Event] = []
    stop = how(true_of(EventKind.EVALUATION, "candidate 2"))
    report = tightrope.report(control([seen.append, stop], agreement, max_drop=0.1))
    assert [entry["name"] for entry in report.evaluations][2:] == ["candidate 1", "candidate 2"]
    assert (report.status, report.minimal) == ("met", False)
    assert report.stopped == "A callback stopped the search."
    assert report.final_metric == report.evaluations[-1]["metric"]
    assert of_kind(seen, EventKind.EVALUATION)[-1].best == report.evaluations[-1]


def test_what_a_callback_leaves_above_the_limit_comes_with_the_error() -> None:
    with pytest.raises(AccuracyNotReachedError) as caught:
        control(true_of(EventKind.EVALUATION, "candidate 1"), agreement, max_drop=0.1)
    report = caught.value.report
    assert report.stopped == "A callback stopped the search."
    assert report.final_metric == report.evaluations[-1]["metric"] > report.quantized_metric


@pytest.mark.parametrize("kind", [EventKind.STAGE_STARTED, EventKind.PROGRESS, EventKind.EVALUATION])
def test_the_quantized_model_is_measured_in_any_case(kind: EventKind) -> None:
    with pytest.raises(AccuracyNotReachedError) as caught:
        control(true_of(kind), repair=True)
    report = caught.value.report
    assert [entry["name"] for entry in report.evaluations] == ["original model", "quantized model"]
    assert report.stopped == "A callback stopped the search."
    assert caught.value.model is not None


def test_a_ranking_ends_where_it_is() -> None:
    def stop(event: Event) -> bool:
        return event.kind == EventKind.PROGRESS and event.stage == "ranking"

    with pytest.raises(AccuracyNotReachedError) as caught:
        control(stop)
    assert caught.value.report.stopped == "A callback stopped the search."
    assert len(caught.value.report.evaluations) == 2


def test_a_stop_after_the_last_evaluation_changes_nothing() -> None:
    whole = tightrope.report(control(None))
    stopped = tightrope.report(control(true_of(EventKind.EVALUATION, whole.evaluations[-1]["name"])))
    assert stopped.reverted == whole.reverted


def test_only_true_ends_a_run() -> None:
    events: list[Event] = []
    assert tightrope.report(control([lambda event: 1, lambda event: events.append(event)])).minimal
    assert events


def test_nothing_is_measured_again_after_a_callback_has_raised(tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(model: Any, items: Any) -> float:
        calls.append(1)
        return accuracy(model, items)

    class OwnError(Exception):
        pass

    def fail(event: Event) -> None:
        if event.evaluation and event.evaluation["name"] == "candidate 1":
            raise OwnError("mine")

    with pytest.raises(OwnError, match="^mine$"):
        control(fail, counted, work_dir=tmp_path)
    assert len(calls) == 3
    names: list[str] = []
    result = control(
        lambda event: names.append(event.evaluation["name"]) if event.evaluation else None, counted, work_dir=tmp_path
    )
    evaluations = tightrope.report(result).evaluations
    assert names == [entry["name"] for entry in evaluations], "what is known is told, too"
    assert len(calls) == len(evaluations)


@pytest.mark.parametrize("stage", ["calibration", "ranking", "search"])
def test_an_exception_of_a_callback_reaches_the_caller_from_any_stage(stage: str) -> None:
    error = RuntimeError("stop it")

    def fail(event: Event) -> None:
        if event.kind == EventKind.PROGRESS and event.stage == stage:
            raise error

    with pytest.raises(RuntimeError) as caught:
        control(fail)
    assert caught.value is error
    assert tightrope.report(control(None)).status == "met", "the next run is not disturbed"


def test_what_cannot_be_called_is_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidArgumentError, match="callbacks: found int; needs a function of one event"):
        control([print, 5])


def test_onnx_models_tell_the_same() -> None:
    small_onnx_models = pytest.importorskip("small_onnx_models", reason="the onnx package is not installed")
    events: list[Event] = []
    tightrope.quantize_with_accuracy_control(
        small_onnx_models.fragile(),
        Dataset(small_models.vectors(32)),
        Dataset(small_models.labeled_vectors(64)),
        small_onnx_models.accuracy,
        max_drop=0.05,
        repair=False,
        callbacks=events.append,
    )
    assert {event.kind for event in events} == set(EventKind)
