# SPDX-License-Identifier: Apache-2.0
"""The library of ONNX Runtime: found in the installed package, opened when it is needed, in processes of their own."""

import importlib.metadata
import os
import subprocess
import sys

import pytest


def run(code: str, **variables: str) -> str:
    environment = {**os.environ, **variables}
    if "TIGHTROPE_ONNXRUNTIME" not in variables:
        environment.pop("TIGHTROPE_ONNXRUNTIME", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("before", ["", "import onnxruntime, onnx; "])
def test_is_the_one_of_the_installed_package(before: str) -> None:
    pytest.importorskip("onnxruntime")
    code = before + "import tightrope._runtime as runtime; print(runtime._core.onnxruntime_version())"
    assert run(code) == importlib.metadata.version("onnxruntime")


def test_is_not_opened_before_it_is_needed() -> None:
    code = (
        "import sys, tightrope; print('onnxruntime' in sys.modules, 'libonnxruntime' in open('/proc/self/maps').read())"
    )
    assert run(code) == "False False"


def test_where_it_is_missing_the_error_says_what_to_install() -> None:
    code = """
import tightrope
import tightrope._runtime as runtime
try:
    runtime._core.onnxruntime_version()
except tightrope.IoError as error:
    print(error)
"""
    message = run(code, TIGHTROPE_ONNXRUNTIME="/nowhere/libonnxruntime.so")
    assert "/nowhere/libonnxruntime.so" in message and "pip install onnxruntime" in message
