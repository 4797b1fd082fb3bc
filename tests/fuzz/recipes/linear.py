# SPDX-License-Identifier: Apache-2.0
"""Convolutions, matrix products, and what follows them."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import LARGEST, Growing, NoFit, Recipe, broadcasts, dims, per_channel, rank, register, size
from motifs import (
    ACTIVATIONS,
    ARITHMETIC,
    activate,
    conv_pads,
    convolve,
    finish_linear,
    group_convolve,
    linear,
    mean,
    multiply_by_weights,
    prepared,
    scale_shift,
    with_bias,
)

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


@recipe(5)
def prepare(g: Growing) -> None:
    prepared(g, g.pick(lambda value: value.get_node().get_type_name() == "Parameter" and rank(value) > 2))


@recipe(14)
def convolution_block(g: Growing) -> None:
    g.keep(finish_linear(g, convolve(g, g.pick(lambda value: rank(value) in (3, 4)))))


@recipe(8)
def linear_block(g: Growing) -> None:
    g.keep(finish_linear(g, linear(g, g.pick(lambda value: rank(value) >= 2))))


@recipe(5)
def grouped_convolution(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) in (3, 4))
    groups = g.rng.choice([1, 2, dims(x)[1], dims(x)[1]])
    g.keep(finish_linear(g, group_convolve(g, x, groups)))


@recipe(3)
def transposed_convolution(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) in (3, 4) and size(value) <= LARGEST // 8)
    spatial = rank(x) - 2
    stride = 2 if max(dims(x)[2:]) <= 4 else 1
    strides, zero, ones = [stride] * spatial, [0] * spatial, [1] * spatial
    if g.maybe(0.5):
        weights = g.weights(dims(x)[1], 4, *[stride] * spatial)
        node = g.node(ops.convolution_backprop_data, x, weights, strides, None, zero, zero, ones)
    else:
        weights = g.weights(1, dims(x)[1], 4, *[stride] * spatial)
        node = g.node(ops.group_convolution_backprop_data, x, weights, strides, None, zero, zero, ones)
    g.keep(finish_linear(g, node))


@recipe(1)
def convolution_with_computed_weights(g: Growing) -> None:
    x = g.image()
    weights = g.pick(lambda value: rank(value) == 4 and dims(value)[1] == dims(x)[1] and value != x)
    if any(a < b for a, b in zip(dims(x)[2:], dims(weights)[2:], strict=True)):
        raise NoFit
    g.keep(g.node(ops.convolution, x, weights, [1, 1], [0, 0], [0, 0], [1, 1]))


@recipe(7)
def product(g: Growing) -> None:
    g.keep(finish_linear(g, multiply_by_weights(g, g.pick(lambda value: rank(value) >= 2))))


@recipe(1)
def product_with_odd_weights(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    width = dims(x)[-1]
    if g.maybe(0.5):
        g.keep(g.node(ops.matmul, x, g.weights(width), False, False))
    else:
        g.keep(g.node(ops.matmul, x, g.weights(*[1] * (rank(x) - 2), width, 4), False, False))


@recipe(6)
def product_of_activations(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    if g.maybe(0.2):
        g.keep(g.node(ops.matmul, x, x, False, True))
        return

    def transposes(value: ov.Output) -> list[bool]:
        if rank(value) < 2 or not broadcasts(dims(value)[:-2], dims(x)[:-2]):
            return []
        return [t for t in (False, True) if dims(value)[-1 if t else -2] == dims(x)[-1]]

    other = g.pick(lambda value: bool(transposes(value)))
    node = g.node(ops.matmul, x, other, False, g.rng.choice(transposes(other)))
    if np.prod(dims(node)) > LARGEST:
        raise NoFit
    g.keep(finish_linear(g, node) if g.maybe(0.2) else node)


@recipe(8)
def residual_block(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 3)
    branch: ov.Output | ov.Node = x
    for last in range(g.rng.choice([1, 2])):
        branch = convolve(g, branch, dims(x)[1] if last else None)
        branch = with_bias(g, branch) if g.maybe(0.6) else branch
        branch = activate(g, branch) if g.maybe(0.5) else branch
    skip: ov.Output | ov.Node = x
    if dims(branch) != dims(x) or g.maybe(0.2):
        stride = dims(x)[-1] // max(dims(branch)[-1], 1)
        weights = g.weights(dims(branch)[1], dims(x)[1], *[1] * (rank(x) - 2))
        spatial = rank(x) - 2
        skip = g.node(ops.convolution, x, weights, [stride] * spatial, *conv_pads(1, spatial), [1] * spatial)
        if dims(skip) != dims(branch):
            raise NoFit
    node = g.node(ops.add, *([skip, branch] if g.maybe(0.5) else [branch, skip]))
    g.keep(activate(g, node) if g.maybe(0.6) else node)


@recipe(4)
def squeeze_and_excitation(g: Growing) -> None:
    x = g.image()
    channels = dims(x)[1]
    node = mean(g, x, [2, 3]) if g.maybe(0.8) else g.node(ops.adaptive_avg_pool, x, np.array([1, 1]))
    node = with_bias(g, convolve(g, node, 4, 1))
    node = ACTIVATIONS[g.rng.choice(["Relu", "PRelu", "Swish", "Relu", "Clamp"])](g, node)
    node = convolve(g, node, channels, 1)
    node = with_bias(g, node) if g.maybe(0.85) else node
    node = ACTIVATIONS[g.rng.choice(["Sigmoid", "HSigmoid", "Sigmoid", "Clamp"])](g, node)
    g.keep(g.node(ops.multiply, *([x, node] if g.maybe(0.5) else [node, x])))


@recipe(4)
def hard_swish(g: Growing) -> None:
    """x * clamp(x + 3, 0, 6) / 6, or with the division first, and its relatives."""
    x = g.pick(lambda value: rank(value) >= 2)
    form = g.rng.choice(["bias", "other", "hard sigmoid"])
    base: ov.Output | ov.Node = x
    if form == "other":
        kind = g.rng.choice(["Add", "Multiply", "ReduceMean", "Squeeze"])
        if kind == "Add":
            base = g.node(ops.add, x, per_channel(x))
        elif kind == "Multiply":
            base = g.node(ops.multiply, x, per_channel(x))
        elif kind == "ReduceMean":
            base = mean(g, x, [rank(x) - 1])
        elif 1 in dims(x)[1:]:
            base = g.node(ops.squeeze, x, np.array([dims(x).index(1, 1)]))
    else:
        base = with_bias(g, linear(g, x))
    if form == "hard sigmoid":
        gate = ACTIVATIONS["HardSigmoid"](g, base)
    else:
        gate = g.node(ops.clamp, g.node(ops.add, base, np.float32(3)), 0.0, 6.0)
    order = g.rng.choice(["first", "last", "last", "never"])
    if order == "first":
        gate = g.node(ops.multiply, gate, np.float32(1 / 6))
    node = g.node(ops.multiply, *([base, gate] if g.maybe(0.5) else [gate, base]))
    if order == "last":
        node = g.node(ops.multiply, node, np.float32(1 / 6))
    g.keep(node)


@recipe(3)
def linear_with_squeeze(g: Growing) -> None:
    """Squeeze or BatchToSpace between a convolution and what is fused with it."""
    x = g.sequence()
    if g.maybe(0.6):
        node = convolve(g, g.node(ops.unsqueeze, x, np.array([2])), None, 1)
        node = with_bias(g, node) if g.maybe(0.2) else node
        node = g.node(ops.squeeze, node, np.array([2]))
        node = g.node(g.rng.choice(ARITHMETIC), node, per_channel(node)) if g.maybe(0.5) else node
        g.keep(activate(g, node) if g.maybe(0.8) else node)
    else:
        node = activate(g, with_bias(g, linear(g, x)))
        node = scale_shift(g, g.node(ops.unsqueeze, node, np.array([2])))
        g.keep(g.node(ops.squeeze, node, np.array([2])))


@recipe(1)
def unsqueeze_scale_shift_squeeze(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) in (2, 3))
    node = scale_shift(g, g.node(ops.unsqueeze, x, np.array([rank(x)])))
    g.keep(g.node(ops.squeeze, node, np.array([rank(x)])))


@recipe(2)
def dilated_convolution(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) == 4 and dims(value)[2] % 2 == 0 and dims(value)[3] % 2 == 0)
    block, zeros = np.array([1, 1, 2, 2]), np.array([0, 0, 0, 0])
    node = g.node(ops.space_to_batch, x, block, zeros, zeros)
    node = convolve(g, node, None, 1)
    if dims(node)[0] % 4:
        raise NoFit
    node = g.node(ops.batch_to_space, node, block, zeros, zeros)
    form = g.rng.choice(["scale shift", "arithmetic", "nothing"])
    if form == "scale shift":
        node = scale_shift(g, node)
    elif form == "arithmetic":
        node = g.node(g.rng.choice(ARITHMETIC), node, per_channel(node))
    g.keep(activate(g, node) if g.maybe(0.8) else node)
