# SPDX-License-Identifier: Apache-2.0
"""Tightrope runs on other patch releases of OpenVINO than that of the build, and refuses other versions."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_models

from tightrope import _runtime

MAJOR, MINOR = _runtime._core.openvino_versions()
PATCH_RELEASE = f"{MAJOR}.{MINOR}.0"
OTHER_VERSION = f"{MAJOR}.{MINOR - 1}.0" if MINOR else f"{MAJOR - 1}.4.0"
COMMAND = f"{sys.prefix}/bin/tightrope"

QUANTIZE = """
import openvino, small_models, tightrope
data = tightrope.Dataset(small_models.vectors(8))
print(openvino.get_version().split("-")[0])
print(tightrope.report(tightrope.quantize(small_models.fragile(), data)).quantized)
"""


def run(release: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(release), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def patch_release(openvino_release: Callable[[str], Path]) -> Path:
    return openvino_release(PATCH_RELEASE)


@pytest.fixture
def other_version(openvino_release: Callable[[str], Path]) -> Path:
    return openvino_release(OTHER_VERSION)


def test_another_patch_release_quantizes(patch_release: Path) -> None:
    result = run(patch_release, sys.executable, "-c", QUANTIZE)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [PATCH_RELEASE, str(small_models.FRAGILE_OPERATIONS)]


def test_the_command_runs_on_another_patch_release(patch_release: Path) -> None:
    result = run(patch_release, COMMAND, "--version")
    assert result.returncode == 0, result.stderr


def test_another_version_is_refused_with_what_to_do(other_version: Path) -> None:
    result = run(other_version, sys.executable, "-c", "import tightrope")
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert "InstallationError" in message
    for words in (f"openvino {OTHER_VERSION} is installed", f"install openvino=={MAJOR}.{MINOR}.*", "TIGHTROPE_ANY_"):
        assert words in message


def test_the_command_refuses_another_version_in_one_sentence(other_version: Path) -> None:
    result = run(other_version, COMMAND, "--version")
    assert result.returncode == 1
    assert result.stderr.startswith(f"tightrope: error: openvino {OTHER_VERSION} is installed")
    assert result.stderr.count("\n") == 1


def test_another_version_is_tried_where_that_is_asked_for(other_version: Path) -> None:
    result = run(other_version, sys.executable, "-c", QUANTIZE, TIGHTROPE_ANY_OPENVINO="1")
    assert result.stdout.splitlines()[:1] == [OTHER_VERSION], result.stderr
