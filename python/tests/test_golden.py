# SPDX-License-Identifier: Apache-2.0
"""The reference placement is NNCF's on recorded models, where these are at hand: beside the checkout, in ../shared."""

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import openvino as ov
import pytest
from reference_placement import differences, nncf_decision, our_decision

SHARED = next((p / "shared" for p in Path(__file__).resolve().parents if (p / "shared" / "golden").is_dir()), Path())
GOLDEN = SHARED / "golden"
OPTIONS: dict[str, dict[str, Any]] = {
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


@functools.cache
def model_of(name: str) -> ov.Model:
    if not name.endswith(".openvino"):
        return ov.Core().read_model(GOLDEN / "synthetic" / f"{name}.xml")
    source = SHARED / "zoo" / name.removesuffix(".openvino") / "model.onnx"
    with tempfile.TemporaryDirectory() as folder:  # names that the conversion makes up depend on what ran before
        path = Path(folder) / "model.xml"
        code = f"import openvino as ov; ov.save_model(ov.convert_model({str(source)!r}), {str(path)!r}, False)"
        subprocess.run([sys.executable, "-c", code], check=True)
        return ov.Core().read_model(path)


def case(file: Path) -> tuple[ov.Model, dict[str, Any], dict[str, Any]]:
    """Model, options and NNCF's decision; {"error": ...} if NNCF failed."""
    name, options = file.stem.rsplit(".", 1)
    return model_of(name), OPTIONS[options], json.loads(file.read_text())


@pytest.mark.parametrize("file", recorded("synthetic/ov_*.json", "real/*.openvino.*.json"))
def test_our_placement_is_the_recorded_one(file: Path) -> None:
    model, options, decision = case(file)
    ours = our_decision(model, **options)
    assert "error" in decision or differences(ours, decision, model) == []


@pytest.mark.parametrize("file", recorded("synthetic/ov_*.json"))
def test_the_installed_nncf_decides_as_recorded(file: Path) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    model, options, decision = case(file)
    if "error" in decision:
        with pytest.raises(IndexError):
            nncf_decision(model, **options)
    else:
        assert nncf_decision(model, **options) == decision
