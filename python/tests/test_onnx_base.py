# SPDX-License-Identifier: Apache-2.0
"""The base of an ONNX model, rewritten and carried over to a newer operator set, computes what the model computes."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tightrope._runtime import _core

X = np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)


def network(
    opset: int, nodes: list[onnx.NodeProto], constants: dict[str, Any], shape: Any = X.shape
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def op(type_: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(type_, inputs.split(), outputs.split(), name=f"{type_}_{outputs}", **attributes)


SCALES = np.array([1, 1, 2, 2], np.float32)
CASES = {
    "squeeze": network(11, [op("ReduceMean", "x", "a", axes=[2]), op("Squeeze", "a", axes=[2])], {}),
    "unsqueeze": network(12, [op("Unsqueeze", "x", axes=[0, 3])], {}),
    "reduce_sum": network(11, [op("ReduceSum", "x", axes=[1, 3], keepdims=0)], {}),
    "split": network(11, [op("Split", "x", "a y", axis=1, split=[1, 3])], {}),
    "clip": network(9, [op("Clip", "x", min=-0.5, max=1.0)], {}),
    "clip_below": network(7, [op("Clip", "x", min=0.0)], {}),
    "pad": network(8, [op("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 2, 2], value=3.0)], {}),
    "slice": network(9, [op("Slice", "x", starts=[1, 0], ends=[4, 2], axes=[3, 1])], {}),
    "top_k": network(9, [op("TopK", "x", "y i", k=3, axis=3)], {}),
    "softmax": network(11, [op("Softmax", "x", axis=3)], {}),
    "log_softmax": network(11, [op("GlobalAveragePool", "x", "a"), op("LogSoftmax", "a", axis=1)], {}),
    "dropout": network(7, [op("Dropout", "x", ratio=0.3)], {}),
    "batch_norm": network(
        9,
        [op("BatchNormalization", "x s b m v", epsilon=1e-3)],
        {name: np.array(values, np.float32) for name, values in zip("sbmv", ([1, 2, 3, 4],) * 4, strict=True)},
    ),
    "folded": network(
        17,
        [
            op("Transpose", "w", "t", perm=[1, 0]),
            op("Cast", "t", "c", to=TensorProto.FLOAT),
            op("Unsqueeze", "c zero", "u"),
            op("MatMul", "x u"),
        ],
        {"w": np.arange(18, dtype=np.float64).reshape(3, 6), "zero": np.array([0])},
    ),
}


def declare_output(model: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))


def base_of(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.load_from_string(_core.onnx_base(model.SerializeToString(), ""))


@pytest.mark.parametrize("name", CASES)
def test_the_base_computes_the_same(name: str) -> None:
    model = CASES[name]
    expected = ReferenceEvaluator(model).run(["y"], {"x": X})[0]
    declare_output(model, expected.shape)
    base = base_of(model)
    onnx.checker.check_model(base, full_check=True)
    assert base.opset_import[0].version >= 13
    np.testing.assert_allclose(ReferenceEvaluator(base).run(["y"], {"x": X})[0], expected, rtol=1e-6)


@pytest.mark.parametrize("opset", [7, 9])
def test_an_enlargement_becomes_a_resize(opset: int) -> None:
    if opset == 7:
        model = network(7, [op("Upsample", "x", mode="nearest", scales=SCALES.tolist())], {})
    else:
        model = network(9, [op("Upsample", "x scales", mode="nearest")], {"scales": SCALES})
    expected = X.repeat(2, axis=2).repeat(2, axis=3)
    declare_output(model, expected.shape)
    base = base_of(model)
    onnx.checker.check_model(base, full_check=True)
    np.testing.assert_array_equal(ReferenceEvaluator(base).run(["y"], {"x": X})[0], expected)
