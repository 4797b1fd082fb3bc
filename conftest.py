# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python package and those of the program share."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def openvino_release(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """A folder with another release of the package `openvino`, kept between runs, to be put first on the path."""

    def install(version: str) -> Path:
        assert request.config.cache is not None
        folder = request.config.cache.mkdir(f"openvino-{version}")
        if not (folder / "complete").exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
            result = subprocess.run(
                [*pip, "--target", folder, f"openvino=={version}"], capture_output=True, text=True, check=False
            )
            if result.returncode != 0:
                pytest.skip(f"openvino {version} can't be installed: {result.stderr.strip().splitlines()[-1]}")
            (folder / "complete").touch()
        return folder

    return install
