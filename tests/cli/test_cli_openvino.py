# SPDX-License-Identifier: Apache-2.0
"""The program finds an OpenVINO of its version, or says which one it found and what to do."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from identity import save_identity
from program import BINARY, CANNOT_QUANTIZE, DONE, ENVIRONMENT, check_refused, run

MAJOR, MINOR = map(int, ov.get_version().split(".")[:2])
PACKAGE = Path(importlib.util.find_spec("openvino").origin).parent


def start(openvino, *arguments, program=(BINARY,), **environment):
    return run(
        *(arguments or ["--version"]),
        program=program,
        env={**ENVIRONMENT, "TIGHTROPE_OPENVINO": str(openvino), **environment},
    )


@pytest.mark.parametrize(
    "named",
    [sys.prefix, PACKAGE, PACKAGE / "libs", next(PACKAGE.glob("libs/libopenvino.so*"))],
    ids=["environment", "package", "folder", "library"],
)
def test_openvino_is_where_the_variable_says(named):
    result = start(named)
    assert result.returncode == DONE, result.stderr


@pytest.mark.parametrize("named", ["/nowhere", os.fspath(Path(__file__).parent)], ids=["nothing", "other"])
def test_without_openvino_the_program_says_what_to_do(named):
    result = start(named)
    check_refused(result, CANNOT_QUANTIZE, named, f"OpenVINO {MAJOR}.{MINOR} is needed", "pip install openvino==")


def test_what_is_no_openvino_is_refused(tmp_path):
    (tmp_path / "libopenvino.so.1").write_text("no library")
    check_refused(start(tmp_path), CANNOT_QUANTIZE, "libopenvino.so.1", "TIGHTROPE_OPENVINO")


def test_the_program_runs_on_another_patch_release(openvino_release, tmp_path):
    image = np.ones((1, 3), np.float32)
    model = save_identity(tmp_path, image=image)
    np.savez(tmp_path / "data.npz", image=image)
    release = openvino_release(f"{MAJOR}.{MINOR}.0")
    result = start(release / "openvino", "bench", model, "--data", tmp_path / "data.npz", "--seconds", "0.1")
    assert result.returncode == DONE, result.stderr


def test_another_version_is_refused_unless_asked_for(openvino_release):
    version = f"{MAJOR}.{MINOR - 1}.0" if MINOR else f"{MAJOR - 1}.4.0"
    release = openvino_release(version)
    check_refused(
        start(release / "openvino"), CANNOT_QUANTIZE, f"OpenVINO {version} was found in {release}", "TIGHTROPE_ANY_"
    )
    tried = start(release / "openvino", TIGHTROPE_ANY_OPENVINO="1")
    assert f"OpenVINO {version} was found" not in tried.stderr


def test_the_installed_program_finds_the_active_environment(tmp_path):
    install = ["cmake", "--install", BINARY.parent, "--component", "cli", "--prefix", tmp_path]
    subprocess.run(install, capture_output=True, check=True)
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "LD_LIBRARY_PATH"}
    environment = {**environment, "HOME": str(tmp_path), "VIRTUAL_ENV": sys.prefix}
    result = run("--version", program=[tmp_path / "bin" / "tightrope"], env=environment)
    assert result.returncode == DONE, result.stderr
    assert result.stdout == run("--version").stdout
