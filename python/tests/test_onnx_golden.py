# SPDX-License-Identifier: Apache-2.0
"""The reference placement is NNCF's on recorded ONNX models, where these are beside the checkout, in ../shared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tightrope._runtime import _core
from tightrope.errors import QuantizationError

SHARED = next((p / "shared" for p in Path(__file__).resolve().parents if (p / "shared" / "golden").is_dir()), Path())
GOLDEN = SHARED / "golden"
OPTIONS: dict[str, dict[str, Any]] = {
    "performance": {"preset": "performance"},
    "mixed": {"preset": "mixed"},
    "transformer": {"model_type": "transformer"},
}
KINDS = {"output": "post", "input": "pre", "weight": "weight"}
Site = tuple[str, str, int]

# What NNCF misses and Tightrope doesn't: by the type of the operation at the site, or of one that reads from there.
ACCEPTED: dict[str, Callable[[onnx.ModelProto], bool]] = {
    # NNCF has a class for the operator, but never looks it up.
    "ReduceL2": lambda model: any(node.op_type == "ReduceL2" for node in model.graph.node),
    # NNCF takes double precision for integers.
    "double": lambda model: any(v.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for v in model.graph.input),
}


def recorded() -> list[Any]:
    files = sorted([*GOLDEN.glob("synthetic/onnx_*.json"), *GOLDEN.glob("real/*.onnx.*.json")])
    absent = pytest.mark.skip(reason="the recorded decisions are not beside the checkout")
    return [pytest.param(file, id=file.stem) for file in files] or [pytest.param(None, marks=absent)]


def model_path(file: Path) -> Path:
    name = file.stem.rsplit(".", 1)[0]
    if name.startswith("onnx_"):
        return GOLDEN / "synthetic" / f"{name}.onnx"
    return SHARED / "zoo" / name.removesuffix(".onnx") / "model.onnx"


def our_decision(path: Path, options: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Sites with their configurations, shared scales, and weights with half of their levels."""
    text = json.dumps({"placement": "reference", **options})
    try:
        quantizers = json.loads(_core.place_onnx(path.read_bytes(), str(path.parent), text).to_json())["quantizers"]
    except QuantizationError:
        quantizers = []
    sites, half_range, groups = {}, set(), dict[int, set[Site]]()
    for quantizer in quantizers:
        site = (KINDS[quantizer["kind"]], names.get(quantizer["node"], quantizer["node"]), quantizer["port"])
        config = quantizer["config"]
        sites[site] = tuple(config[key] for key in ("bits", "mode", "per_channel", "narrow_range", "forced_sign"))
        if quantizer["half_range"]:
            half_range.add(site)
        groups.setdefault(quantizer["shared_scale"], set()).add(site)
    groups.pop(-1, None)
    return {"sites": sites, "half_range": half_range, "unified": {frozenset(group) for group in groups.values()}}


def recorded_decision(file: Path) -> dict[str, Any]:
    decision = json.loads(file.read_text())
    keys = ("bits", "mode", "per_channel", "narrow", "signed")
    return {
        "sites": {(p["kind"], p["op"], p["port"]): tuple(p[key] for key in keys) for p in decision["points"]},
        "half_range": {tuple(site) for site in decision["half_range"]},
        "unified": {frozenset(tuple(site) for site in group) for group in decision["unified"]},
    }


def around(model: onnx.ModelProto, types: set[str], names: dict[str, str]) -> set[str]:
    """Operations of these types, and the neighbours with which they share a tensor."""
    nodes = [node for node in model.graph.node if node.op_type in types]
    tensors = {name for node in nodes for name in (*node.input, *node.output)}
    near = [node.name for node in model.graph.node if tensors & {*node.input, *node.output}]
    return {*near, *(names.get(tensor, "") for tensor in tensors)}


@pytest.mark.parametrize("file", recorded())
def test_our_placement_is_the_recorded_one(file: Path) -> None:
    path = model_path(file)
    model = onnx.load(path)
    initializers = {initializer.name for initializer in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in initializers]
    names = {name: f"nncf_model_input_{i}" for i, name in enumerate(inputs)}
    ours = our_decision(path, OPTIONS[file.stem.rsplit(".", 1)[1]], names)
    theirs = recorded_decision(file)
    differing = {site for site, _ in ours["sites"].items() ^ theirs["sites"].items()}
    excused = set()
    if ACCEPTED["ReduceL2"](model):
        excused |= around(model, {"ReduceL2"}, names)
    if ACCEPTED["double"](model):
        excused |= around(model, {"Reciprocal"}, names)
    assert {site for site in differing if site[1] not in excused} == set()
    assert ours["half_range"] == theirs["half_range"]
    assert ours["unified"] == theirs["unified"]
