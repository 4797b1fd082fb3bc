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
from recorded_decisions import GOLDEN, SHARED, name_and_options, recorded
from reference_placement import differences, nncf_decision, our_decision


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
    name, options = name_and_options(file)
    return model_of(name), options, json.loads(file.read_text())


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
