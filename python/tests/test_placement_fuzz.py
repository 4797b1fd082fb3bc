# SPDX-License-Identifier: Apache-2.0
"""On random small models the reference placement is NNCF's, up to named defects of NNCF's. `make fuzz` does more."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")

FUZZ = Path(__file__).resolve().parents[2] / "tests" / "fuzz" / "placement_fuzz.py"


def test_no_difference_is_without_explanation() -> None:
    result = subprocess.run([sys.executable, FUZZ, "--count", "60"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
