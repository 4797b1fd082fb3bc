# SPDX-License-Identifier: Apache-2.0
"""Quantized ONNX models are valid, and ONNX Runtime and OpenVINO compute the same with them, optimized or not."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

import tightrope
from tightrope.parameters import Placement

FLOAT = TensorProto.FLOAT
ITEMS = 6


class Net:
    """Collects the parts of a model, whose float tensors have one type."""

    def __init__(self, opset: int = 17, dtype: Any = np.float32) -> None:
        self.opsets = {"": opset}
        self.dtype = np.dtype(dtype)
        self.type = helper.np_dtype_to_tensor_dtype(self.dtype)
        self.inputs: dict[str, tuple[int, list[Any]]] = {}
        self.outputs: list[onnx.ValueInfoProto] = []
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.functions: list[onnx.FunctionProto] = []
        self.ir_version = 8 if opset < 20 else 10
        self.random = np.random.default_rng(opset)

    def input(self, name: str, *shape: Any, elements: int | None = None) -> str:
        self.inputs[name] = (elements or self.type, list(shape))
        return name

    def output(self, name: str, elements: int | None = None) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, elements or self.type, None))

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.constant(name, (self.random.normal(size=shape) / np.sqrt(fan_in)).astype(self.dtype))

    def op(self, kind: str, inputs: str, output: str, **attributes: Any) -> str:
        outputs = output.split()
        name = attributes.pop("name", f"/{outputs[0]}/{kind}")
        self.nodes.append(helper.make_node(kind, inputs.split(), outputs, name=name, **attributes))
        return outputs[0]

    def model(self) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info(n, t, shape) for n, (t, shape) in self.inputs.items()]
        graph = helper.make_graph(self.nodes, "test", inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        model = helper.make_model(graph, opset_imports=opsets, functions=self.functions, ir_version=self.ir_version)
        # Outputs must have a rank; no names stand in the way of any batch size.
        for info, value in zip(model.graph.output, run(model, [next(self.items())])[0], strict=True):
            shape = info.type.tensor_type.shape
            shape.SetInParent()
            for _ in range(value.ndim):
                shape.dim.add()
        return model

    def items(self) -> Iterator[dict[str, Any]]:
        random = np.random.default_rng(1)
        for _ in range(ITEMS):
            item = {}
            for name, (elements, shape) in self.inputs.items():
                extents = [extent if isinstance(extent, int) else 2 for extent in shape]
                dtype = helper.tensor_dtype_to_np_dtype(elements)
                if dtype == np.bool_:
                    item[name] = np.array(random.integers(2), dtype)
                elif np.issubdtype(dtype, np.integer):
                    item[name] = random.integers(0, 4, extents).astype(dtype)
                else:
                    item[name] = random.normal(size=extents).astype(dtype)
            yield item


def convolutions(net: Net) -> Net:
    net.input("x", "n", 3, 10, 10)
    net.op("Conv", f"x {net.weight('w1', 8, 3, 3, 3)} {net.weight('b1', 8)}", "c1", pads=[1, 1, 1, 1])
    net.op("Relu", "c1", "r1")
    net.op("Conv", f"r1 {net.weight('w2', 8, 1, 3, 3)}", "c2", group=8, pads=[1, 1, 1, 1])
    net.op("Relu", "c2", "r2")
    net.op("Conv", f"r2 {net.weight('w3', 8, 2, 3, 3)} {net.weight('b3', 8)}", "c3", group=4, pads=[1, 1, 1, 1])
    net.op("Add", "c3 r1", "sum")
    net.op("MaxPool", "sum", "pool", kernel_shape=[2, 2], strides=[2, 2])
    net.op("ConvTranspose", f"pool {net.weight('w4', 8, 4, 2, 2)}", "up", strides=[2, 2])
    net.op("Conv", f"up {net.weight('w5', 6, 4, 1, 1)}", "c5")
    net.op("GlobalAveragePool", "c5", "mean")
    net.op("Flatten", "mean", "flat")
    net.op("Gemm", f"flat {net.weight('w6', 5, 6)} {net.weight('b6', 5)}", "fc", transB=1)
    net.output("fc")
    return net


def gemm_and_matmul(net: Net) -> Net:
    net.input("x", 32, 16)  # with 4, 6 or 8 rows OpenVINO 2026.4 gives garbage, whoever quantized the model
    net.op("Gemm", f"x {net.weight('w1', 16, 24)} {net.weight('b1', 24)}", "g1", alpha=0.5)
    net.op("Relu", "g1", "r1")
    net.op("MatMul", f"r1 {net.weight('w2', 24, 12)}", "m2")
    net.op("Add", f"m2 {net.weight('b2', 12)}", "a2")
    net.op("Tanh", "a2", "t2")
    net.op("MatMul", f"{net.weight('w3', 6, 32)} t2", "m3")
    net.output("m3")
    return net


def batched_matmul(net: Net) -> Net:
    net.input("x", 3, 5, 16)
    net.op("MatMul", f"x {net.weight('w1', 3, 16, 12)}", "m1")
    net.op("Relu", "m1", "r1")
    net.op("MatMul", f"r1 {net.weight('w2', 12, 8)}", "m2")
    net.op("MatMul", f"m2 {net.weight('w3', 1, 8, 8)}", "m3")
    net.output("m3")
    return net


def attention(net: Net) -> Net:
    net.input("x", "n", 6, 16)
    for name in "qkv":
        net.op("MatMul", f"x {net.weight('w' + name, 16, 16)}", f"m{name}")
        net.op("Add", f"m{name} {net.weight('b' + name, 16)}", f"a{name}")
        net.constant(f"s{name}", np.array([0, 6, 4, 4], np.int64))
        net.op("Reshape", f"a{name} s{name}", f"r{name}")
        net.op("Transpose", f"r{name}", f"t{name}", perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])
    net.op("MatMul", "tq tk", "scores")
    net.op("Mul", f"scores {net.constant('half', np.array(0.5, net.dtype))}", "scaled")
    net.op("Softmax", "scaled", "weights", axis=3)
    net.op("MatMul", "weights tv", "context")
    net.op("Transpose", "context", "back", perm=[0, 2, 1, 3])
    net.op("Reshape", f"back {net.constant('so', np.array([0, 6, 16], np.int64))}", "joined")
    net.op("MatMul", f"joined {net.weight('wo', 16, 16)}", "out")
    net.op("Add", "out x", "residual")
    net.output("residual")
    return net


def lstm_beside(net: Net) -> Net:
    net.input("x", 5, 2, 8)
    net.op("MatMul", f"x {net.weight('w1', 8, 8)}", "m1")
    net.op("LSTM", f"m1 {net.weight('w', 1, 16, 8)} {net.weight('r', 1, 16, 4)}", "hidden last", hidden_size=4)
    net.op("Squeeze", f"hidden {net.constant('axes', np.array([1], np.int64))}", "squeezed")
    net.op("MatMul", f"squeezed {net.weight('w2', 4, 3)}", "y")
    net.output("y")
    return net


def branches(net: Net) -> Net:
    """Both branches read a tensor whose producer and other reader are quantized."""
    net.input("x", 1, 3, 8, 8)
    net.input("flag", elements=TensorProto.BOOL)
    net.op("Conv", f"x {net.weight('w1', 4, 3, 3, 3)}", "c1")
    net.op("Relu", "c1", "r1")
    bodies = [
        helper.make_graph(
            [helper.make_node(kind, ["r1"], [kind])],
            kind,
            [],
            [helper.make_tensor_value_info(kind, net.type, [1, 4, 6, 6])],
        )
        for kind in ("Exp", "Neg")
    ]
    net.op("If", "flag", "chosen", then_branch=bodies[0], else_branch=bodies[1])
    net.op("Conv", f"r1 {net.weight('w2', 4, 4, 1, 1)}", "c2")
    net.op("Add", "chosen c2", "y")
    net.output("y")
    net.output("r1")
    return net


def loop(net: Net) -> Net:
    net.input("x", 4, 8)
    net.op("MatMul", f"x {net.weight('w1', 8, 8)}", "m1")
    net.op("Relu", "m1", "r1")
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["going"]),
            helper.make_node("Add", ["state", "r1"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", net.type, [4, 8]),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", net.type, [4, 8]),
        ],
    )
    net.op(
        "Loop",
        f"{net.constant('three', np.array(3, np.int64))} {net.constant('yes', np.array(True))} r1",
        "last",
        body=body,
    )
    net.op("MatMul", f"last {net.weight('w2', 8, 4)}", "m2")
    net.op("MatMul", f"r1 {net.weight('w3', 8, 4)}", "m3")
    net.op("Add", "m2 m3", "y")
    net.output("y")
    return net


def local_function(net: Net) -> Net:
    net.opsets["mine"] = 1
    net.functions.append(
        helper.make_function(
            "mine",
            "Swish",
            ["a"],
            ["b"],
            [helper.make_node("Sigmoid", ["a"], ["s"]), helper.make_node("Mul", ["a", "s"], ["b"])],
            [helper.make_opsetid("", net.opsets[""])],
        )
    )
    net.input("x", 1, 3, 8, 8)
    net.op("Conv", f"x {net.weight('w1', 4, 3, 3, 3)} {net.weight('b1', 4)}", "c1")
    net.op("Swish", "c1", "s1", domain="mine")
    net.op("Conv", f"s1 {net.weight('w2', 4, 4, 3, 3)}", "c2")
    net.op("Relu", "c2", "r2")
    net.op("Conv", f"r2 {net.weight('w3', 4, 4, 1, 1)}", "c3")
    net.output("c3")
    return net


def custom_domain(net: Net) -> Net:
    net.opsets["com.microsoft"] = 1
    net.input("x", 4, 8)
    net.op("MatMul", f"x {net.weight('w1', 8, 8)}", "m1")
    net.op("BiasGelu", f"m1 {net.weight('b1', 8)}", "g1", domain="com.microsoft")
    net.op("MatMul", f"g1 {net.weight('w2', 8, 4)}", "m2")
    net.output("m2")
    return net


def nameless(net: Net) -> Net:
    convolutions(net)
    for node in net.nodes:
        node.name = ""
    return net


def constant_nodes(net: Net) -> Net:
    """Weights are Constant nodes, or folded from them."""
    convolutions(net)
    net.nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in net.constants] + net.nodes
    net.constants.clear()
    return net


def compressed_weights(net: Net) -> Net:
    """Weights in 16 bits behind a Cast, as exporters write them."""
    convolutions(net)
    for tensor in net.constants:
        value = numpy_helper.to_array(tensor)
        narrow = helper.make_tensor(f"{tensor.name}/16", TensorProto.BFLOAT16, value.shape, value.ravel())
        net.nodes.insert(0, helper.make_node("Cast", [narrow.name], [tensor.name], to=FLOAT))
        tensor.CopyFrom(narrow)
    return net


def output_of_every_kind(net: Net) -> Net:
    """Outputs that others read, too, that are inputs, that are constants."""
    net.input("x", 1, 3, 8, 8)
    net.op("Conv", f"x {net.weight('w1', 4, 3, 3, 3)}", "c1")
    net.op("Relu", "c1", "r1")
    net.op("Conv", f"r1 {net.weight('w2', 4, 4, 3, 3)}", "c2")
    net.op("Relu", "c2", "r2")
    net.op("Conv", f"r2 {net.weight('w3', 4, 4, 1, 1)}", "c3")
    net.op("Relu", "c3", "r3")
    net.op("Conv", f"r3 {net.weight('w4', 4, 4, 1, 1)}", "c4")
    net.op("Shape", "r1", "size")
    for name in ("r1", "c2", "c4", "x", "w2"):
        net.output(name)
    net.output("size", TensorProto.INT64)
    return net


def shared_weight(net: Net) -> Net:
    net.input("x", 2, 8)
    net.weight("w", 8, 8)
    net.op("MatMul", "x w", "m1")
    net.op("Relu", "m1", "r1")
    net.op("MatMul", "r1 w", "m2")
    net.output("m2")
    net.op("Add", "w w", "doubled")
    net.output("doubled")
    return net


def dead_channels(net: Net) -> Net:
    """Channels whose weights are nothing, or next to it, but whose biases are not."""
    convolutions(net)
    for index, tensor in enumerate(net.constants):
        value = numpy_helper.to_array(tensor).copy()
        if tensor.name in ("w1", "w3", "w6"):
            value[0] = 0
            value[1] *= 1e-9
        if tensor.name in ("b1", "b3", "b6"):
            value[:2] = 1.5
        net.constants[index].CopyFrom(numpy_helper.from_array(value, tensor.name))
    return net


NEWEST = onnx.defs.onnx_opset_version()
KINDS = [
    convolutions,
    gemm_and_matmul,
    batched_matmul,
    attention,
    lstm_beside,
    branches,
    loop,
    local_function,
    custom_domain,
    nameless,
    constant_nodes,
    compressed_weights,
    output_of_every_kind,
    shared_weight,
    dead_channels,
]
CASES: dict[str, tuple[Callable[[Net], Net], int, Any]] = {
    **{kind.__name__: (kind, 17, np.float32) for kind in KINDS},
    **{f"convolutions_{n}": (convolutions, n, np.float32) for n in (7, 9, 10, 11, 12, 13, 18, 21, 23)},
    **{f"gemm_and_matmul_{n}": (gemm_and_matmul, n, np.float32) for n in (7, 9, 10, 11, 12, 13, 18, 21, 23)},
    **{f"attention_{n}": (attention, n, np.float32) for n in (11, 13, 18, 21, 23)},
    **{f"batched_matmul_{n}": (batched_matmul, n, np.float32) for n in (9, 21)},
    **{f"{kind.__name__}_f16": (kind, 17, np.float16) for kind in (convolutions, gemm_and_matmul, attention, branches)},
    **{f"{kind.__name__}_f16_21": (kind, 21, np.float16) for kind in (convolutions, attention)},
    **{f"{kind.__name__}_f64": (kind, 17, np.float64) for kind in (gemm_and_matmul, attention)},
}


def run(model: onnx.ModelProto, items: list[dict[str, Any]], optimized: bool = True) -> list[list[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return [session.run(None, item) for item in items]


def run_in_openvino(model: onnx.ModelProto, items: list[dict[str, Any]]) -> list[list[Any]]:
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0},
    )
    return [[found[i] for i in range(len(compiled.outputs))] for found in (compiled(item) for item in items)]


def error(found: list[list[Any]], expected: list[list[Any]]) -> float:
    """The largest over the outputs: root of the mean of squares of the difference, as a part of that of the output."""
    largest = 0.0
    for a, b in zip(zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        left, right = (np.stack(part).astype(np.float64) for part in (a, b))
        assert left.shape == right.shape
        largest = max(largest, float(np.linalg.norm(left - right) / (np.linalg.norm(right) + 1e-9)))
    return largest


def givers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in model.graph.node for output in node.output}


def dequantized(model: onnx.ModelProto, value: str) -> str:
    """What gives a value: 'weight' or 'activation' for a dequantizer, else nothing."""
    by_output = givers(model)
    node = by_output.get(value)
    while node is not None and node.op_type in ("Cast", "Flatten", "Reshape", "Transpose", "Squeeze", "MaxPool"):
        node = by_output.get(node.input[0])
    if node is None or node.op_type != "DequantizeLinear":
        return ""
    for tensor in model.graph.initializer:
        if tensor.name == node.input[0]:
            return "weight" if tensor.data_type == TensorProto.INT8 else ""
    return "activation" if by_output[node.input[0]].op_type == "QuantizeLinear" else ""


@pytest.mark.parametrize("placement", [Placement.LEAN, Placement.REFERENCE])
@pytest.mark.parametrize("name", CASES)
def test_a_quantized_model_is_valid_and_runs_everywhere(name: str, placement: str) -> None:
    kind, opset, dtype = CASES[name]
    net = kind(Net(opset, dtype))
    model = net.model()
    before = model.SerializeToString()
    items = list(net.items())
    quantized = tightrope.quantize(model, tightrope.Dataset(items), placement=placement)
    assert model.SerializeToString() == before
    onnx.checker.check_model(quantized, full_check=True)
    opsets = {entry.domain: entry.version for entry in quantized.opset_import}
    assert opsets[""] == max(opset, 13)
    assert [entry.name for entry in quantized.graph.output] == [entry.name for entry in model.graph.output]

    for operation in tightrope.report(quantized).quantized:
        node = next(node for node in quantized.graph.node if node.name == operation)
        if node.op_type in ("Conv", "ConvTranspose", "Gemm"):
            assert [dequantized(quantized, value) for value in node.input[:2]] == ["activation", "weight"], operation
        elif node.op_type == "MatMul":
            assert all(dequantized(quantized, value) for value in node.input), operation

    plain = run(quantized, items, optimized=False)
    optimized = run(quantized, items)
    original = run(model, items)
    assert error(plain, original) < 0.15
    assert error(optimized, plain) < 0.02
    if dtype == np.float64:
        return  # OpenVINO computes nothing in double precision that stands next to a quantizer
    try:
        run_in_openvino(model, items[:1])
    except RuntimeError:
        return  # OpenVINO has no such operation
    assert error(run_in_openvino(quantized, items), plain) < 0.02
