# SPDX-License-Identifier: Apache-2.0
"""ONNX networks of a few operations."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from small_models import Array, normal


def model(nodes: list[Any], weights: dict[str, Array], inputs: Any, outputs: Any, opset: int = 17) -> onnx.ModelProto:
    """A checked model; inputs and outputs are (name, shape) of single precision."""
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    ports = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "graph", *ports, initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def fragile() -> onnx.ModelProto:
    """The network of `small_models.fragile`, operation by operation."""
    weights = normal(22, (8, 8))
    weights[0] = 0
    constants = {
        "first/weights": normal(21, (8, 8)),
        "shift": np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32),
        "scales": np.array([1000, 1, 1, 1, 1, 1, 1, 1], np.float32),
        "fragile/weights": weights,
        "last/weights": normal(23, (8, 4)),
    }
    nodes = [
        helper.make_node("MatMul", ["vector", "first/weights"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"], "first/relu"),
        helper.make_node("Add", ["b", "shift"], ["c"], "shifted"),
        helper.make_node("Mul", ["c", "scales"], ["d"], "scaled"),
        helper.make_node("MatMul", ["d", "fragile/weights"], ["e"], "fragile"),
        helper.make_node("Relu", ["e"], ["f"], "fragile/relu"),
        helper.make_node("MatMul", ["f", "last/weights"], ["scores"], "last"),
    ]
    return model(nodes, constants, [("vector", ["n", 8])], [("scores", ["n", 4])])


def classifier(opset: int = 17) -> onnx.ModelProto:
    """Image [n, 3, 8, 8] -> conv1 -> relu -> conv2 -> relu -> pool -> classes [n, 4]."""
    constants = {
        "conv1/weights": normal(1, (8, 3, 3, 3), 0.3),
        "conv1/bias": normal(101, (8,), 0.1),
        "conv2/weights": normal(2, (8, 8, 3, 3), 0.2),
        "classes/weights": normal(9, (8, 4)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "conv1/weights", "conv1/bias"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu1"),
        helper.make_node("Conv", ["b", "conv2/weights"], ["c"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"], "relu2"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "pool"),
        helper.make_node("Flatten", ["e"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "classes/weights"], ["scores"], "classes"),
    ]
    return model(nodes, constants, [("image", ["n", 3, 8, 8])], [("scores", ["n", 4])], opset)


def run(proto: onnx.ModelProto, data: Array) -> Array:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: data})[0])


def accuracy(proto: onnx.ModelProto, items: Any) -> float:
    """A validation function: the share of (vector, label) items that are classified as they are labeled."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(np.mean([np.argmax(session.run(None, {"vector": x})[0]) == label for x, label in items]))


def types(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


def constants(proto: onnx.ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
