# SPDX-License-Identifier: Apache-2.0
"""NNCF's recorded decisions, where they are beside the checkout, in ../shared."""

from pathlib import Path
from typing import Any

import pytest

SHARED = next((p / "shared" for p in Path(__file__).resolve().parents if (p / "shared" / "golden").is_dir()), Path())
GOLDEN = SHARED / "golden"
_OPTIONS: dict[str, dict[str, Any]] = {
    "performance": {"preset": "performance"},
    "mixed": {"preset": "mixed"},
    "transformer": {"model_type": "transformer"},
    "spr": {"target_device": "CPU_SPR"},
}


def recorded(*patterns: str) -> list[Any]:
    """Files with a decision each; where there are none, one parameter that is skipped."""
    files = sorted(file for pattern in patterns for file in GOLDEN.glob(pattern))
    absent = pytest.mark.skip(reason="the recorded decisions are not beside the checkout")
    return [pytest.param(file, id=file.stem) for file in files] or [pytest.param(None, marks=absent)]


def name_and_options(file: Path) -> tuple[str, dict[str, Any]]:
    """The model's name, and the options under which NNCF decided."""
    name, options = file.stem.rsplit(".", 1)
    return name, _OPTIONS[options]
