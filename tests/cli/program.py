# SPDX-License-Identifier: Apache-2.0
"""Runs the tightrope program as a user would, and checks what it refuses."""

import importlib.util
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TIGHTROPE_BINARY", ROOT / "build" / "tightrope")).resolve()

DONE, CANNOT_QUANTIZE, BAD_ARGUMENTS, LIMIT_NOT_MET, CANNOT_READ, OUT_OF_TIME, CANNOT_WRITE = range(7)
INTERRUPTED = 130


def find_onnxruntime():
    """The library inside the installed onnxruntime package; None without the package."""
    package = importlib.util.find_spec("onnxruntime")
    folders = (package and package.submodule_search_locations) or ()
    return next((path for folder in folders for path in Path(folder).glob("capi/libonnxruntime.so*")), None)


ONNXRUNTIME = find_onnxruntime()
WITHOUT_ONNXRUNTIME = {name: value for name, value in os.environ.items() if name != "TIGHTROPE_ONNXRUNTIME"}
ENVIRONMENT = {**WITHOUT_ONNXRUNTIME, **({"TIGHTROPE_ONNXRUNTIME": str(ONNXRUNTIME)} if ONNXRUNTIME else {})}


def run(*arguments, program=(BINARY,), **options):
    command = [str(part) for part in (*program, *arguments)]
    options = {"env": ENVIRONMENT, **options}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def run_with_full_disk(limit, *arguments):
    """Files may not grow beyond `limit` bytes: writing then fails as it does on a full disk."""

    def shrink():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return run(*arguments, preexec_fn=shrink, restore_signals=False)


def interrupt(*arguments):
    """Presses Ctrl-C once calibration has begun. The exit code, both outputs, and the seconds that it took to stop."""
    with subprocess.Popen(
        [str(BINARY), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        for line in process.stderr:
            if line.startswith("calibration"):
                break
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors, time.monotonic() - started


def check_refused(result, code, *words, left=()):
    """One clear sentence on standard error, the right exit code, no result, nothing in the folders `left`."""
    assert result.returncode == code, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("tightrope: error: ")]
    assert len(errors) == 1, result.stderr
    assert result.stderr.endswith(errors[0] + "\n")
    for word in words:
        assert word in errors[0]
    assert result.stdout == ""
    for folder in left:
        assert list(folder.iterdir()) == []
