# SPDX-License-Identifier: Apache-2.0
"""Pieces that recipes share: operations with their constants, and what usually comes together."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import Growing, NoFit, constant, dims, output, per_channel, rank

ACTIVATIONS: dict[str, Callable[[Growing, ov.Node], ov.Node]] = {
    "Relu": lambda g, x: g.node(ops.relu, x),
    "Sigmoid": lambda g, x: g.node(ops.sigmoid, x),
    "Clamp": lambda g, x: g.node(ops.clamp, x, 0.0, 6.0),
    "HSigmoid": lambda g, x: g.node(ops.hsigmoid, x),
    "HSwish": lambda g, x: g.node(ops.hswish, x),
    "Swish": lambda g, x: g.node(ops.swish, x),
    "Elu": lambda g, x: g.node(ops.elu, x, 1.0),
    "PRelu": lambda g, x: g.node(ops.prelu, x, np.array([0.1], np.float32)),
    "HardSigmoid": lambda g, x: g.node(ops.hard_sigmoid, x, np.float32(0.2), np.float32(0.5)),
    "Selu": lambda g, x: g.node(ops.selu, x, np.float32(1.67), np.float32(1.05)),
}

FUNCTIONS: dict[str, Callable[[Growing, ov.Node], ov.Node]] = {
    "Gelu": lambda g, x: g.node(ops.gelu, x, "erf"),
    "Exp": lambda g, x: g.node(ops.exp, x),
    "Softmax": lambda g, x: g.node(ops.softmax, x, len(dims(x)) - 1),
    "Tanh": lambda g, x: g.node(ops.tanh, x),
    "Abs": lambda g, x: g.node(ops.abs, x),
    "Floor": lambda g, x: g.node(ops.floor, x),
    "Log": lambda g, x: g.node(ops.log, x),
    "Cos": lambda g, x: g.node(ops.cos, x),
    "Sin": lambda g, x: g.node(ops.sin, x),
    "Mish": lambda g, x: g.node(ops.mish, x),
    "SoftPlus": lambda g, x: g.node(ops.softplus, x),
    "Sqrt": lambda g, x: g.node(ops.sqrt, x),
}

ARITHMETIC = [ops.add, ops.subtract, ops.multiply, ops.divide]
ELEMENTWISE = [ops.maximum, ops.minimum, ops.floor_mod, ops.squared_difference, ops.power]
COMPARISONS = [ops.less, ops.less_equal, ops.greater, ops.greater_equal, ops.equal, ops.not_equal]
LOGICAL = [ops.logical_and, ops.logical_or, ops.logical_xor]


def activate(g: Growing, x: ov.Node) -> ov.Node:
    names = list(ACTIVATIONS)
    return ACTIVATIONS[g.rng.choice(["Relu"] * 4 + names)](g, x)


def convolve(g: Growing, x: ov.Output | ov.Node, channels: int | None = None, kernel: int | None = None) -> ov.Node:
    """A convolution along all axes after the second; the size stays the same unless the stride is 2."""
    shape = dims(x)
    spatial = len(shape) - 2
    kernel = g.rng.choice([1, 3]) if kernel is None else kernel
    channels = g.rng.choice([4, 8, shape[1]]) if channels is None else channels
    stride = 2 if max(shape[2:]) >= 4 and g.maybe(0.1) else 1
    weights = g.weights(channels, shape[1], *[kernel] * spatial)
    return g.node(ops.convolution, x, weights, [stride] * spatial, *conv_pads(kernel, spatial), [1] * spatial)


def conv_pads(kernel: int, spatial: int) -> tuple[list[int], list[int]]:
    return [kernel // 2] * spatial, [kernel // 2] * spatial


def group_convolve(g: Growing, x: ov.Output | ov.Node, groups: int) -> ov.Node:
    shape = dims(x)
    spatial = len(shape) - 2
    if shape[1] % groups:
        raise NoFit
    weights = g.weights(groups, shape[1] // groups, shape[1] // groups, *[3] * spatial)
    return g.node(ops.group_convolution, x, weights, [1] * spatial, *conv_pads(3, spatial), [1] * spatial)


def multiply_by_weights(g: Growing, x: ov.Output | ov.Node, width: int | None = None) -> ov.Node:
    """A matrix product with weights on the right, or seldom on the left."""
    shape = dims(x)
    width = g.rng.choice([4, 8]) if width is None else width
    if g.maybe(0.1):
        transposed = g.maybe(0.5)
        weights = g.weights(*([shape[-2], width] if transposed else [width, shape[-2]]))
        return g.node(ops.matmul, weights, x, transposed, False)
    transposed = g.maybe(0.5)
    weights = g.weights(*([width, shape[-1]] if transposed else [shape[-1], width]))
    return g.node(ops.matmul, x, weights, False, transposed)


def scale_shift(g: Growing, x: ov.Output | ov.Node) -> ov.Node:
    return g.node(ops.add, g.node(ops.multiply, x, per_channel(x)), per_channel(x))


def with_bias(g: Growing, x: ov.Node) -> ov.Node:
    shape = [1] * (len(dims(x)) - 1) + dims(x)[-1:]
    bias = constant(*shape) if x.get_type_name() == "MatMul" else per_channel(x)
    return g.node(ops.add, x, bias)


def linear(g: Growing, x: ov.Output | ov.Node) -> ov.Node:
    """A convolution or a matrix product that keeps the rank."""
    shape = dims(x)
    if len(shape) >= 4 or (len(shape) == 3 and g.maybe(0.3)):
        kind = g.rng.random()
        if kind < 0.6 or shape[1] < 2:
            return convolve(g, x)
        return group_convolve(g, x, shape[1] if kind < 0.85 else 2)
    if len(shape) < 2:
        raise NoFit
    return multiply_by_weights(g, x)


def finish_linear(g: Growing, x: ov.Node) -> ov.Node:
    """What usually follows a convolution or a matrix product, in many combinations."""
    if g.maybe(0.6):
        x = with_bias(g, x)
    if g.maybe(0.4):
        x = activate(g, x)
    if g.maybe(0.15):
        x = scale_shift(g, x)
    if g.maybe(0.1):
        x = g.node(g.rng.choice(ARITHMETIC + ELEMENTWISE), x, per_channel(x))
    if g.maybe(0.15):
        x = activate(g, x)
    return x


def mean(g: Growing, x: ov.Output | ov.Node, axes: list[int], keep: bool = True) -> ov.Node:
    return g.node(ops.reduce_mean, x, np.array(axes), keep)


def reshaped(g: Growing, x: ov.Output | ov.Node, shape: list[int]) -> ov.Node:
    return g.node(ops.reshape, x, np.array(shape), False)


def add_input(g: Growing) -> None:
    channels = g.rng.choice([3, 4, 8])
    kind = g.rng.choice(["image"] * 5 + ["sequence"] * 5 + ["matrix", "matrix", "tokens", "bytes", "channels last"])
    if kind == "image":
        g.keep([g.input([1, channels, 8, 8])])
    elif kind == "sequence":
        g.keep([g.input([1, 4, 8])])
    elif kind == "matrix":
        g.keep([g.input([1, 8])])
    elif kind == "tokens":
        g.keep([g.input([1, 4], np.int64)])
    else:
        data = g.input([1, 8, 8, channels], np.uint8 if kind == "bytes" else np.float32)
        node = g.node(ops.convert, data, "f32") if kind == "bytes" else data
        if g.maybe(0.8):
            node = g.node(ops.transpose, node, np.array([0, 3, 1, 2]))
        prepared(g, output(node) if isinstance(node, ov.Node) else node)


def prepared(g: Growing, x: ov.Output) -> None:
    """What models do to their inputs: shift and scale, reversed channels."""
    node = x
    if rank(x) == 4 and dims(x)[1] == 3 and g.maybe(0.6):
        parts = g.node(ops.split, x, np.int64(1), 3).outputs()
        node = g.node(ops.concat, parts[::-1] if g.maybe(0.6) else parts[:1], 1)
    form = g.rng.choice(["nothing", "one", "scale shift", "shift scale"])
    if form == "one":
        node = g.node(g.rng.choice(ARITHMETIC), node, per_channel(node))
    elif form == "scale shift":
        node = scale_shift(g, node)
    elif form == "shift scale":
        shifted = g.node(g.rng.choice([ops.add, ops.subtract]), node, per_channel(node))
        node = g.node(g.rng.choice([ops.multiply, ops.divide]), shifted, per_channel(node))
    g.keep([output(node) if isinstance(node, ov.Node) else node])
