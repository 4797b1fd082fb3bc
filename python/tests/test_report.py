# SPDX-License-Identifier: Apache-2.0
"""The report of a result: what it tells, where it is kept, and for how long."""

import copy
import gc
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino as ov
import pytest
import small_models

import tightrope
from tightrope import Dataset


@pytest.fixture(scope="module")
def controlled(fragile: ov.Model, vectors: Dataset, labeled: Dataset) -> ov.Model:
    return tightrope.quantize_with_accuracy_control(
        fragile, vectors, labeled, small_models.accuracy, max_drop=0.05, repair=False
    )


def test_the_report_of_quantize_tells_what_runs_in_8_bits(fragile: ov.Model, vectors: Dataset) -> None:
    report = tightrope.report(tightrope.quantize(fragile, vectors))
    assert (report.framework, report.status) == ("openvino", "quantized")
    assert report.quantized == small_models.FRAGILE_OPERATIONS
    assert (report.reverted, report.evaluations) == ([], [])
    assert (report.original_metric, report.final_metric, report.drop) == (None, None, None)
    assert report.calibration_items == 32


def test_the_report_of_accuracy_control_tells_what_was_measured(controlled: ov.Model) -> None:
    report = tightrope.report(controlled)
    names = [evaluation["name"] for evaluation in report.evaluations]
    assert names == ["original model", "quantized model", *[f"candidate {i + 1}" for i in range(len(names) - 2)]]
    assert report.evaluations[0]["metric"] == report.original_metric == 1
    assert report.evaluations[1]["metric"] == report.quantized_metric
    assert report.drop == report.original_metric - report.final_metric
    assert (report.drop_type, report.higher_is_better, report.max_drop) == ("absolute", True, 0.05)
    assert report.final_metric in [each["metric"] for each in report.evaluations if each["reverted"] == report.reverted]


def test_a_report_in_the_process_that_made_the_model_has_times(controlled: ov.Model) -> None:
    report = tightrope.report(controlled)
    assert all(stage["seconds"] >= 0 for stage in report.stages)
    assert {"calibration", "ranking", "search"} <= {stage["name"] for stage in report.stages}


def test_the_report_is_kept_by_saving_and_reading_except_for_times(controlled: ov.Model, tmp_path: Path) -> None:
    ov.save_model(controlled, tmp_path / "model.xml")
    read = ov.Core().read_model(tmp_path / "model.xml")
    kept = json.loads(read.get_rt_info(["tightrope", "report"]).astype(str))
    data = json.loads(tightrope.report(controlled).to_json())
    for record in (*data["evaluations"], *data["stages"]):
        del record["seconds"]
        record.pop("estimated_seconds", None)
    assert data["latency"]["final"] > 0
    data.update(latency=None, environment=[])
    assert kept == data
    assert tightrope.report(read).reverted == data["reverted"]


@pytest.mark.parametrize("same", [lambda model: model.clone(), lambda model: model])
def test_the_report_goes_with_clones(same: Callable[[ov.Model], ov.Model], controlled: ov.Model) -> None:
    assert tightrope.report(same(controlled)).reverted == ["fragile"]


def test_the_report_is_there_even_if_everything_was_reverted(
    fragile: ov.Model, vectors: Dataset, labeled: Dataset, tmp_path: Path
) -> None:
    def identical(model: ov.CompiledModel, items: Any) -> float:
        return float(all((model(vector)[0] == original(vector)[0]).all() for vector, _ in items))

    original = ov.compile_model(fragile, "CPU", small_models.F32)
    result = tightrope.quantize_with_accuracy_control(fragile, vectors, labeled, identical)
    assert tightrope.report(result).quantized == []
    ov.save_model(result, tmp_path / "model.xml")
    assert tightrope.report(ov.Core().read_model(tmp_path / "model.xml")).reverted == small_models.FRAGILE_OPERATIONS


def test_a_result_with_a_report_can_be_quantized_again_if_nothing_in_it_is(fragile: ov.Model, vectors: Dataset) -> None:
    first = fragile.clone()
    first.set_rt_info("an old report", ["tightrope", "report"])
    second = tightrope.quantize(first, vectors)
    assert first.get_rt_info(["tightrope", "report"]).astype(str) == "an old report"
    assert tightrope.report(second).quantized == small_models.FRAGILE_OPERATIONS


def test_a_model_without_report_is_refused(fragile: ov.Model) -> None:
    with pytest.raises(tightrope.InvalidArgumentError, match="the model has no report; needs a model that Tightrope"):
        tightrope.report(fragile)


def test_an_object_that_is_no_model_is_refused() -> None:
    with pytest.raises(tightrope.InvalidArgumentError, match="found an object of type str; needs an openvino.Model"):
        tightrope.report("model.xml")  # type: ignore[arg-type]


def test_the_report_of_a_model_that_is_gone_is_not_given_to_another(fragile: ov.Model, vectors: Dataset) -> None:
    model = tightrope.quantize(fragile, vectors)
    report, address = tightrope.report(model), id(model)
    del model
    gc.collect()
    others = [fragile.clone() for _ in range(1000)]  # one of them is likely to get its place
    for other in others:
        if id(other) == address:
            with pytest.raises(tightrope.InvalidArgumentError, match="the model has no report"):
                tightrope.report(other)
    assert report.quantized == small_models.FRAGILE_OPERATIONS


def test_a_report_prints_as_a_summary(controlled: ov.Model) -> None:
    text = str(tightrope.report(controlled))
    assert "2 operations in 8 bits, 1 returned to floating point\n  fragile\n" in text
    assert "metric: original 1, quantized 0." in text
    assert "limit 0.05: met" in text


def test_a_field_that_a_report_does_not_have_is_named_with_those_it_has(controlled: ov.Model) -> None:
    report = tightrope.report(controlled)
    with pytest.raises(AttributeError, match="a report has no field 'dropp'; it has .*drop, "):
        _ = report.dropp
    assert {"drop", "to_json", "evaluations"} <= set(dir(report))


def test_a_report_survives_pickling_and_copying(controlled: ov.Model) -> None:
    report = tightrope.report(controlled)
    for again in (pickle.loads(pickle.dumps(report)), copy.copy(report), copy.deepcopy(report)):
        assert again.data == report.data
        assert str(again) == str(report)


def test_the_error_of_an_unmet_limit_survives_pickling_with_its_report(
    fragile: ov.Model, vectors: Dataset, labeled: Dataset
) -> None:
    metrics = iter([1.0, 0.5, 0.4, 0.3, 0.2, 0.1])
    with pytest.raises(tightrope.AccuracyNotReachedError) as raised:
        tightrope.quantize_with_accuracy_control(fragile, vectors, labeled, lambda model, items: next(metrics))
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.model is None
    assert (again.drop, again.report.data) == (0.5, raised.value.report.data)
