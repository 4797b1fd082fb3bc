# SPDX-License-Identifier: Apache-2.0
"""Networks of a few operations, data for them, and what tests ask of models again and again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops

Array = np.ndarray
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def normal(seed: int, shape: tuple[int, ...], deviation: float = 1.0) -> Array:
    return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)


def _parameter(shape: list[int], name: str) -> ov.Node:
    node = ops.parameter(shape, np.float32, name=name)
    node.output(0).set_names({name})
    return node


def _convolution(data: ov.Node, inputs: int, outputs: int, name: str, seed: int) -> ov.Node:
    weights = ops.constant(normal(seed, (outputs, inputs, 3, 3), (2 / (9 * inputs)) ** 0.5), name=f"{name}/weights")
    node = ops.convolution(data, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=name)
    bias = ops.constant(normal(seed + 100, (1, outputs, 1, 1), 0.1), name=f"{name}/bias")
    return ops.relu(ops.add(node, bias, name=f"{name}/add"), name=f"{name}/relu")


def _product(data: ov.Node, weights: Array, name: str) -> ov.Node:
    return ops.matmul(data, ops.constant(weights, name=f"{name}/weights"), False, False, name=name)


def classifier(batch: int = -1, size: int = 8, width: int = 8, layers: int = 2) -> ov.Model:
    """Image [batch, 3, size, size] -> conv1, conv2 ... -> classes [batch, 4]."""
    image = _parameter([batch, 3, size, size], "image")
    data, channels = image, 3
    for layer in range(1, layers + 1):
        data, channels = _convolution(data, channels, width, f"conv{layer}", layer), width
    data = ops.reduce_mean(data, ops.constant(np.array([2, 3])), False, name="pool")
    data = _product(data, normal(9, (width, 4)), "classes")
    data.output(0).set_names({"classes"})
    return ov.Model([ops.result(data, name="result")], [image], "classifier")


def forked() -> ov.Model:
    """Image [1, 3, 8, 8] -> left and right, their sum -> last -> classes [1, 4]."""
    image = _parameter([1, 3, 8, 8], "image")
    sides = [_convolution(image, 3, 8, name, seed) for seed, name in enumerate(("left", "right"), 51)]
    data = _convolution(ops.add(*sides, name="sum"), 8, 8, "last", 53)
    data = ops.reduce_mean(data, ops.constant(np.array([2, 3])), False, name="pool")
    return ov.Model([ops.result(_product(data, normal(54, (8, 4)), "classes"), name="result")], [image], "forked")


def _branch(name: str, seed: int) -> ov.Model:
    image = _parameter([-1, 3, 8, 8], "image")
    data = ops.reduce_mean(_convolution(image, 3, 8, "conv", seed), ops.constant(np.array([2, 3])), False, name="pool")
    return ov.Model([ops.result(_product(data, normal(seed + 1, (8, 4)), "classes"))], [image], name)


def branching() -> ov.Model:
    """Image [?, 3, 8, 8] -> one of two branches, by a second input -> classes [?, 4]. Names occur in both branches."""
    image = _parameter([-1, 3, 8, 8], "image")
    take = ops.parameter([], np.bool_, name="take")
    take.output(0).set_names({"take"})
    then, other = _branch("then", 41), _branch("else", 43)
    gate = ops.if_op(take.output(0))
    gate.set_friendly_name("gate")
    gate.set_then_body(then)
    gate.set_else_body(other)
    gate.set_input(image.output(0), then.get_parameters()[0], other.get_parameters()[0])
    classes = gate.set_output(then.get_results()[0], other.get_results()[0])
    return ov.Model([ops.result(classes, name="result")], [image, take], "branching")


def branching_items(count: int) -> list[dict[str, Any]]:
    """Into both branches in turn."""
    return [{"image": image, "take": np.array(i % 2 == 0)} for i, image in enumerate(images(count))]


def chosen_precision() -> str:
    """In which the CPU runs floating point if nothing else is asked for."""
    return str(ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name())


def images(count: int, batch: int = 1, size: int = 8) -> list[Array]:
    return [normal(1000 + i, (batch, 3, size, size)) for i in range(count)]


def fragile() -> ov.Model:
    """Vector [batch, 8] -> first -> fragile -> last [batch, 4].

    One channel at the input of "fragile" is large and has no weight; in 8 bits with one scale nothing is left of the
    others.
    """
    vector = _parameter([-1, 8], "vector")
    data = ops.relu(_product(vector, normal(21, (8, 8)), "first"), name="first/relu")
    scales = np.array([1000, 1, 1, 1, 1, 1, 1, 1], np.float32)
    data = ops.add(data, ops.constant(np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32)), name="shifted")
    data = ops.multiply(data, ops.constant(scales), name="scaled")
    weights = normal(22, (8, 8))
    weights[0] = 0
    data = ops.relu(_product(data, weights, "fragile"), name="fragile/relu")
    data = _product(data, normal(23, (8, 4)), "last")
    data.output(0).set_names({"scores"})
    return ov.Model([ops.result(data, name="result")], [vector], "fragile")


FRAGILE_OPERATIONS = ["first", "fragile", "last"]


def vectors(count: int) -> list[Array]:
    return [normal(2000 + i, (1, 8)) for i in range(count)]


def labeled_vectors(count: int) -> list[tuple[Array, int]]:
    """The labels are the classes that the fragile network itself finds."""
    compiled = ov.compile_model(fragile(), "CPU", F32)
    return [(vector, int(compiled(vector)[0].argmax())) for vector in vectors(count)]


def accuracy(model: ov.CompiledModel, items: Any) -> float:
    return float(np.mean([model(vector)[0].argmax() == label for vector, label in items]))


def two_inputs() -> ov.Model:
    """left [1, 4] @ weights + right [1, 4] @ weights."""
    left, right = _parameter([1, 4], "left"), _parameter([1, 4], "right")
    total = ops.add(
        _product(left, normal(31, (4, 4)), "left product"), _product(right, normal(32, (4, 4)), "right product")
    )
    return ov.Model([ops.result(total)], [left, right], "two inputs")


def picture(model: ov.Model) -> list[Any]:
    """Everything that makes up a model, to compare before and after."""

    def facts(node: ov.Node) -> tuple[Any, ...]:
        return (
            node.get_type_name(),
            node.get_friendly_name(),
            [(value.get_node().get_friendly_name(), value.get_index()) for value in node.input_values()],
            [
                (sorted(out.get_names()), str(out.get_partial_shape()), str(out.get_element_type()))
                for out in node.outputs()
            ],
            str(node.get_attributes()),
            {key: str(value) for key, value in node.get_rt_info().items()},
            node.get_data().tobytes() if node.get_type_name() == "Constant" else b"",
        )

    return [model.get_friendly_name(), str(model.rt_info), *(facts(node) for node in model.get_ordered_ops())]


def types(model: ov.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def limits(model: ov.Model) -> dict[str, tuple[Array, Array]]:
    """The lowest and highest value of each FakeQuantize, by its name."""
    return {
        node.get_friendly_name(): tuple(node.input_value(port).get_node().get_data().copy() for port in (1, 2))  # type: ignore[misc]
        for node in model.get_ordered_ops()
        if node.get_type_name() == "FakeQuantize"
    }


class Stream:
    """Can be read again and again, and counts the items read; knows no length."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.read = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            self.read += 1
            yield item


class OnePass:
    """No iterator, but yields nothing on its second pass."""

    def __init__(self, items: list[Any]) -> None:
        self._iterator = iter(items)

    def __iter__(self) -> Iterator[Any]:
        yield from self._iterator


class Loader:
    """Yields batches of pairs of inputs and labels, as the loaders of training frameworks do."""

    def __init__(self, inputs: Array, labels: Array, batch_size: int) -> None:
        self.inputs, self.labels, self.batch_size = inputs, labels, batch_size

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(self.inputs), self.batch_size):
            yield self.inputs[start : start + self.batch_size], self.labels[start : start + self.batch_size]
