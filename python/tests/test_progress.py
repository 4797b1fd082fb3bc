# SPDX-License-Identifier: Apache-2.0
"""Long stages show a bar on a terminal, and nothing where the log is silent."""

import logging
import os
import pty
import struct
import subprocess
import sys
import types
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import openvino as ov
import pytest

import tightrope
from tightrope import Dataset

WORK = """
import sys
import types
sys.path.insert(0, sys.argv[1])
import small_models
import tightrope

if sys.argv[2] == "silent":
    tightrope.disable_logging()
# The length of a stream is not known, and it ends before subset_size: the bar is still open when a message comes.
tightrope.quantize(small_models.fragile(), tightrope.Dataset(small_models.Stream(small_models.vectors(20))))
"""


def terminal_output(mode: str) -> str:
    """What the work writes to a terminal of 100 columns."""
    terminal, end = pty.openpty()
    ioctl(end, TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [sys.executable, "-c", WORK, str(Path(__file__).parent), mode]
    process = subprocess.Popen(command, stdout=end, stderr=end)
    os.close(end)
    output = b""
    try:
        while chunk := os.read(terminal, 4096):
            output += chunk
    except OSError:  # the process has ended
        pass
    os.close(terminal)
    assert process.wait(60) == 0, output.decode()
    return output.decode()


def test_a_terminal_shows_a_bar_and_messages_on_lines_of_their_own() -> None:
    output = terminal_output("loud")
    assert "calibration:   0%|" in output
    assert "INFO:tightrope:3 operations run in 8 bits" in output
    for line in output.split("\n"):
        before, found, _ = line.partition("INFO:")
        assert not found or before.split("\r")[-1].strip() == ""


def test_a_silent_log_silences_the_bar_too() -> None:
    assert terminal_output("silent") == ""


def test_elsewhere_there_is_no_bar(
    fragile: ov.Model, vectors: Dataset, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "tightrope"):
        tightrope.quantize(fragile, vectors)
    assert "calibration:" not in capfd.readouterr().err
    assert "3 operations run in 8 bits" in caplog.text


def test_a_notebook_shows_a_bar_though_it_is_no_terminal(
    fragile: ov.Model, vectors: Dataset, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class ZMQInteractiveShell:
        pass

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    level = tightrope.nncf_logger.level
    tightrope.set_log_level(logging.INFO)
    try:
        tightrope.quantize(fragile, vectors)
    finally:
        tightrope.set_log_level(level)
    output = capfd.readouterr().err
    assert "calibration:   0%|" in output
    assert output.rstrip(" ").endswith("\r"), "nothing of it is left"
