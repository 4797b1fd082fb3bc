# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C stops within two seconds, wherever the work is."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
import numpy as np
import openvino as ov
import small_models
import tightrope

model = small_models.classifier(batch=1, size=64, width=64, layers=8)  # some milliseconds for each item
image = small_models.images(1, size=64)[0]

def endless(pause=0.0):
    while True:
        time.sleep(pause)
        yield image

def ready(seconds):
    threading.Timer(seconds, print, ("ready",), {"flush": True}).start()

def calibrate(data):
    ready(0.3)
    tightrope.quantize(model, tightrope.Dataset(data), subset_size=10**6)

class Metric:
    calls = 0
    def __call__(self, model, items):
        self.calls += 1
        if self.calls == 2:
            ready(0.5)
        return 2.0 - self.calls

def control(items, repair=False, **restorer):
    tightrope.quantize_with_accuracy_control(
        model, tightrope.Dataset([image] * items), tightrope.Dataset([image]), Metric(), repair=repair,
        advanced_accuracy_restorer_parameters=tightrope.AdvancedAccuracyRestorerParameters(**restorer),
    )

def validate_slowly(compiled, items):
    ready(0.2)
    for _ in range(10**9):
        compiled(image)

try:
    WORK
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""

WORK = {
    "calibration with slow data": "calibrate(endless(0.05))",
    "calibration with fast data": "calibrate(endless())",
    "ranking of few groups on many items": "control(items=120, ranking_subset_size=120)",
    "repair": "control(items=32, repair=True)",
    "the validation function": (
        "tightrope.quantize_with_accuracy_control(model, tightrope.Dataset([image]), tightrope.Dataset([image]), "
        "validate_slowly)"
    ),
}


@pytest.mark.parametrize("stage", WORK)
def test_an_interrupt_stops_within_two_seconds_during(stage: str) -> None:
    command = [sys.executable, "-c", START.replace("WORK", WORK[stage]), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line == "ready\n", process.communicate(timeout=60)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, log = process.communicate(timeout=60)
        seconds = time.monotonic() - started
    finally:
        process.kill()
    assert (output, process.returncode) == ("interrupted\n", 130), log
    assert seconds < 2
    assert "Traceback" not in log
