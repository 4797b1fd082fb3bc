# SPDX-License-Identifier: Apache-2.0
"""Accuracy control that is ended at any moment, goes on, and ends in time."""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import accuracy

import tightrope
from tightrope import AccuracyNotReachedError, Dataset, InvalidArgumentError

ITEMS = 64
RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
import openvino as ov, small_models, tightrope

def slow(model, items):
    with open(sys.argv[3], "a") as calls:
        calls.write("call\\n")
    time.sleep(0.05)
    return small_models.accuracy(model, items)

result = tightrope.quantize_with_accuracy_control(
    ov.Core().read_model(sys.argv[5]), tightrope.Dataset(small_models.vectors(32)),
    tightrope.Dataset(small_models.labeled_vectors(64)), slow, max_drop=0.05, repair=False,
    work_dir=sys.argv[2])
ov.save_model(result, sys.argv[4], compress_to_fp16=False)
"""


# Names that OpenVINO makes up differ from model to model: all runs read the same file.
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "fragile.xml"
ov.save_model(small_models.fragile(), FILE, compress_to_fp16=False)


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, model: ov.CompiledModel, items: Any) -> float:
        self.calls += 1
        return accuracy(model, items)


def control(folder: Path | None, function: Any = None, model: ov.Model | None = None, **changes: Any) -> ov.Model:
    return tightrope.quantize_with_accuracy_control(
        model or ov.Core().read_model(FILE),
        changes.pop("calibration", Dataset(small_models.vectors(32))),
        changes.pop("validation", Dataset(small_models.labeled_vectors(ITEMS))),
        function or Counted(),
        **{"max_drop": 0.05, "work_dir": folder, "repair": False, **changes},
    )


def saved(model: ov.Model, folder: Path) -> tuple[bytes, bytes]:
    ov.save_model(model, folder / "saved.xml", compress_to_fp16=False)
    return (folder / "saved.xml").read_bytes(), (folder / "saved.bin").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return saved(control(None), tmp_path_factory.mktemp("uninterrupted"))


def start(folder: Path, out: Path) -> "subprocess.Popen[bytes]":
    arguments = [str(Path(__file__).parent), str(folder), str(folder / "calls"), str(out), str(FILE)]
    return subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.DEVNULL)


# TIGHTROPE_KILLS is the number of random moments: 20 for a thorough run.
@pytest.mark.parametrize("seed", range(int(os.environ.get("TIGHTROPE_KILLS", "3"))))
def test_T16_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(
    seed: int, uninterrupted: tuple[bytes, bytes], tmp_path: Path
) -> None:
    moments = random.Random(seed)
    calls, kills = tmp_path / "calls", 0
    while kills < 4:
        before = calls.read_text().count("call") if calls.exists() else 0
        process = start(tmp_path, tmp_path / "result.xml")
        while process.poll() is None and (not calls.exists() or calls.read_text().count("call") == before):
            time.sleep(0.005)  # until it measures something
        time.sleep(moments.uniform(0, 0.15))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert start(tmp_path, tmp_path / "result.xml").wait() == 0
    assert ((tmp_path / "result.xml").read_bytes(), (tmp_path / "result.bin").read_bytes()) == uninterrupted
    made = len(tightrope.report(ov.Core().read_model(tmp_path / "result.xml")).evaluations)
    assert calls.read_text().count("call") <= made + kills, "at most one evaluation is lost by each kill"


def test_the_same_call_measures_nothing_again(uninterrupted: tuple[bytes, bytes], tmp_path: Path) -> None:
    first, second = Counted(), Counted()
    assert saved(control(tmp_path / "work", first), tmp_path) == uninterrupted
    result = control(tmp_path / "work", second)
    assert saved(result, tmp_path) == uninterrupted
    assert (first.calls, second.calls) == (3, 0)


def test_another_limit_uses_all_evaluations(tmp_path: Path) -> None:
    control(tmp_path)
    function = Counted()
    report = tightrope.report(control(tmp_path, function, max_drop=1))
    assert (function.calls, report.reverted) == (0, [])
    function = Counted()
    report = tightrope.report(control(tmp_path, function, max_drop=0))
    known = [[], ["fragile"], small_models.FRAGILE_OPERATIONS]  # with everything reverted it is the original
    new = [evaluation for evaluation in report.evaluations if evaluation["reverted"] not in known]
    assert function.calls == len(new) > 0


def test_a_run_whose_function_raised_goes_on_where_it_was(uninterrupted: tuple[bytes, bytes], tmp_path: Path) -> None:
    class Failing(Counted):
        def __call__(self, model: ov.CompiledModel, items: Any) -> float:
            if self.calls == 2:
                raise OSError("the disk is gone")
            return super().__call__(model, items)

    with pytest.raises(OSError, match="the disk is gone"):
        control(tmp_path / "work", Failing())
    function = Counted()
    assert saved(control(tmp_path / "work", function), tmp_path) == uninterrupted
    assert function.calls == 1


def other_model() -> ov.Model:
    model = ov.Core().read_model(FILE)
    constant = next(node for node in model.get_ordered_ops() if node.get_friendly_name() == "last").input_value(1)
    values = np.array(constant.get_node().data)
    values[0, 0] += 1
    replacement = ov.opset13.constant(values, name="other")
    for target in constant.get_target_inputs():
        target.replace_source_output(replacement.output(0))
    return model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subset_size": 31}, "since subset_size was 300 and is 31;"),
        ({"validation_precision": "bf16"}, "since validation_precision was 'f32' and is 'bf16';"),
        ({"model": other_model()}, "since the model is another one;"),
        ({"calibration": Dataset(small_models.vectors(31))}, "since the calibration data are other ones;"),
        ({"validation": Dataset(small_models.labeled_vectors(63))}, "since the validation data are other ones;"),
    ],
)
def test_what_has_changed_is_said_and_nothing_is_reused(
    changes: Any, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control(tmp_path, max_drop=1)
    caplog.clear()
    function = Counted()
    with caplog.at_level(logging.WARNING, "tightrope"):
        control(tmp_path, function, max_drop=1, **changes)
    assert message in caplog.text
    assert function.calls == 2
    caplog.clear()
    control(tmp_path, function, max_drop=1)
    assert function.calls == 2, "the first run is still there"
    assert "[store]" not in caplog.text.replace("[store] the plan is known", "")


def test_calibration_data_that_can_be_read_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="work_dir: the calibration dataset can be read only once"):
        control(tmp_path, calibration=Dataset(vector for vector in small_models.vectors(4)))


def test_a_folder_that_cannot_be_made_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    function = Counted()
    with pytest.raises(tightrope.IoError, match=r"work_dir '.*file' cannot be created"):
        control(tmp_path / "file", function)
    assert function.calls == 0


def test_T27_a_run_ends_in_time_with_the_best_model_and_goes_on_later(
    uninterrupted: tuple[bytes, bytes], tmp_path: Path
) -> None:
    function = Counted()
    report = tightrope.report(control(tmp_path / "work", function, time_budget=1e-6))
    assert (function.calls, report.reverted) == (2, small_models.FRAGILE_OPERATIONS), "the original was measured"
    assert "time budget" in report.stopped and not report.minimal
    with pytest.raises(AccuracyNotReachedError, match="time_budget") as raised:
        control(None, time_budget=1e-6)
    assert isinstance(raised.value.model, ov.Model)
    assert saved(control(tmp_path / "work", function, time_budget=3600), tmp_path) == uninterrupted
    assert function.calls == 3


@pytest.mark.parametrize("budget", [0, -1, float("nan"), "soon"])
def test_a_time_that_is_none_is_refused(budget: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="time_budget"):
        control(None, time_budget=budget)
