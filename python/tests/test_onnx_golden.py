# SPDX-License-Identifier: Apache-2.0
"""The reference placement is NNCF's on recorded ONNX models, where these are beside the checkout, in ../shared."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from recorded_decisions import GOLDEN, SHARED, name_and_options, recorded
from reference_placement import configurations_of, decide, site_sets

from tightrope._runtime import _core

# What NNCF misses and Tightrope doesn't: by the type of the operation at the site, or of one that reads from there.
ACCEPTED: dict[str, Callable[[onnx.ModelProto], bool]] = {
    # NNCF has a class for the operator, but never looks it up.
    "ReduceL2": lambda model: any(node.op_type == "ReduceL2" for node in model.graph.node),
    # NNCF takes double precision for integers.
    "double": lambda model: any(v.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for v in model.graph.input),
}


def model_path(name: str) -> Path:
    if name.startswith("onnx_"):
        return GOLDEN / "synthetic" / f"{name}.onnx"
    return SHARED / "zoo" / name.removesuffix(".onnx") / "model.onnx"


def around(model: onnx.ModelProto, types: set[str], names: dict[str, str]) -> set[str]:
    """Operations of these types, and the neighbours with which they share a tensor."""
    nodes = [node for node in model.graph.node if node.op_type in types]
    tensors = {name for node in nodes for name in (*node.input, *node.output)}
    near = [node.name for node in model.graph.node if tensors & {*node.input, *node.output}]
    return {*near, *(names.get(tensor, "") for tensor in tensors)}


@pytest.mark.parametrize("file", recorded("synthetic/onnx_*.json", "real/*.onnx.*.json"))
def test_our_placement_is_the_recorded_one(file: Path) -> None:
    name, options = name_and_options(file)
    path = model_path(name)
    model = onnx.load(path)
    initializers = {initializer.name for initializer in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in initializers]
    names = {name: f"nncf_model_input_{i}" for i, name in enumerate(inputs)}
    place = functools.partial(_core.place, _core.read_onnx(path.read_bytes(), str(path.parent)))
    ours = decide(place, options, lambda op: names.get(op, op))
    theirs = json.loads(file.read_text())
    differing = {site for site, _ in configurations_of(ours).items() ^ configurations_of(theirs).items()}
    excused = set()
    if ACCEPTED["ReduceL2"](model):
        excused |= around(model, {"ReduceL2"}, names)
    if ACCEPTED["double"](model):
        excused |= around(model, {"Reciprocal"}, names)
    assert {site for site in differing if site[1] not in excused} == set()
    assert site_sets(ours["half_range"]) == site_sets(theirs["half_range"])
    assert site_sets(ours["unified"]) == site_sets(theirs["unified"])
