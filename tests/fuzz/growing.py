# SPDX-License-Identifier: Apache-2.0
"""A random model in the making, and what recipes need to know of its tensors."""

import random
from collections.abc import Callable, Iterable

import numpy as np
import openvino as ov
import openvino.opset13 as ops

LARGEST = 4096  # elements of a tensor
ELEMENT_TYPES = {"f32": ov.Type.f32, "i32": ov.Type.i32, "i64": ov.Type.i64, "boolean": ov.Type.boolean}


class NoFit(Exception):
    """No tensor fits the recipe."""


Recipe = Callable[["Growing"], None]


def register(recipes: list[tuple[int, Recipe]], weight: int) -> Callable[[Recipe], Recipe]:
    """Adds a recipe; the weight says how often it is tried."""

    def add(function: Recipe) -> Recipe:
        recipes.append((weight, function))
        return function

    return add


class Growing:
    """A model in the making. Tensors are in order of age."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.operations = 0
        self._names = 0
        self._tensors: list[ov.Output] = []
        self._weights: list[ov.Output] = []
        self._outputs: list[ov.Output] = []
        self._parameters: list[ov.Node] = []
        self._sinks: list[ov.Node] = []

    def node(self, function: Callable[..., ov.Node], *arguments: object, **attributes: object) -> ov.Node:
        """An operation with a name; the letter makes the order of names another one than that of operations."""
        result = function(*arguments, **attributes)
        self._names += 1
        self.operations += result.get_type_name() not in ("Parameter", "Constant")
        result.set_friendly_name(f"{self.rng.choice('abcdefgh')}{self._names} {result.get_type_name()}")
        return result

    def input(self, shape: list[int], element_type: type = np.float32) -> ov.Output:
        parameter = self.node(ops.parameter, shape, element_type)
        self._parameters.append(parameter)
        return parameter.output(0)

    def weights(self, *shape: int) -> ov.Output:
        """A constant in one of the forms that weights have in real models; sometimes one that is already in use."""
        shared = [value for value in self._weights if tuple(value.get_shape()) == shape]
        form = self.rng.random()
        if shared and form < 0.5:
            return self.rng.choice(shared)
        if form < 0.8:
            result = ops.constant(np.full(shape, 0.5, np.float32))
        elif form < 0.88:
            result = self.node(ops.convert, ops.constant(np.full(shape, 0.5, np.float16)), "f32")
        elif form < 0.985:
            result = self.node(ops.reshape, constant(*shape[::-1]), np.array(shape), False)
        else:
            result = self.node(ops.multiply, constant(*shape), constant(1))
        self._weights.append(result.output(0))
        return result.output(0)

    def pick(self, fits: Callable[[ov.Output], bool] = lambda value: True, kind: str = "f32") -> ov.Output:
        """A tensor of the element type that fits; one that is unused or new is more likely."""
        fitting = [value for value in self.tensors(kind) if fits(value)]
        if not fitting:
            raise NoFit
        chances = [
            (1 if value.get_target_inputs() else 4) * (2 if age >= len(fitting) - 2 else 1)
            for age, value in enumerate(fitting)
        ]
        return self.rng.choices(fitting, chances)[0]

    def tensors(self, kind: str = "f32") -> list[ov.Output]:
        return [value for value in self._tensors if value.get_element_type() == ELEMENT_TYPES[kind]]

    def image(self) -> ov.Output:
        return self.pick(lambda value: rank(value) == 4)

    def sequence(self) -> ov.Output:
        """A tensor of rank 3; a new input if there is none."""
        if not any(rank(value) == 3 for value in self.tensors()) and len(self._parameters) < 4:
            self.keep([self.input([1, 4, 8])])
        return self.pick(lambda value: rank(value) == 3)

    def partner(self, value: ov.Output) -> ov.Output:
        """Another tensor that broadcasts with this one."""
        return self.pick(lambda other: other != value and broadcasts(dims(value), dims(other)))

    def keep(self, results: ov.Node | Iterable[ov.Output]) -> None:
        """Leaves results to later recipes; a tensor whose shape isn't known becomes an output."""
        for value in results.outputs() if isinstance(results, ov.Node) else results:
            shape = value.get_partial_shape()
            (self._outputs if shape.is_dynamic else self._tensors).append(value)

    def output(self, value: ov.Node) -> None:
        self._outputs.append(value.output(0))

    def state(self, value: ov.Node, variable: str) -> None:
        self._sinks.append(self.node(ops.assign, value, variable))

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def finish(self, name: str) -> ov.Model:
        inputs = [parameter.output(0) for parameter in self._parameters]
        unused = [value for value in self._tensors if not value.get_target_inputs() and value not in inputs]
        also = [value for value in self._tensors if value.get_target_inputs() and self.maybe(0.06)]
        outputs = unused + also + self._outputs or inputs[:1]
        self.rng.shuffle(outputs)
        results = [self.node(ops.result, value) for value in outputs]
        kept = [parameter for parameter in self._parameters if parameter.output(0).get_target_inputs()]
        model = ov.Model(results, self._sinks, kept, name)
        for node in model.get_ops():
            for port, value in enumerate(node.input_values()):
                source = value.get_node()
                if source.get_type_name() == "Constant" and source.get_friendly_name().startswith("Constant"):
                    source.set_friendly_name(f"{node.get_friendly_name()} input {port}")
        return model


def dims(value: ov.Output | ov.Node) -> list[int]:
    return list((value.output(0) if isinstance(value, ov.Node) else value).get_shape())


def rank(value: ov.Output) -> int:
    return len(dims(value))


def size(value: ov.Output) -> int:
    return int(np.prod(dims(value)))


def broadcasts(left: list[int], right: list[int]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(tuple(left), tuple(right)))) <= LARGEST
    except ValueError:
        return False


def constant(*shape: int) -> ov.Node:
    return ops.constant(np.full(shape, 0.5, np.float32))


def per_channel(value: ov.Output | ov.Node) -> ov.Node:
    """A constant with a number per channel of a tensor: axis 1 of images and the like, else the last one."""
    shape = dims(value)
    if len(shape) < 3:
        return constant(*shape[-1:])
    return constant(1, shape[1], *[1] * (len(shape) - 2))


def output(node: ov.Node) -> ov.Output:
    return node.output(0)
