# SPDX-License-Identifier: Apache-2.0
"""Pooling, reduction, normalization."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import LARGEST, Growing, Recipe, constant, dims, per_channel, rank, register, size
from motifs import activate, mean, scale_shift

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


@recipe(5)
def pooling(g: Growing) -> None:
    x = g.image()
    kernel = 2 if min(dims(x)[2:]) >= 4 and g.maybe(0.4) else 1
    padding = [[kernel] * 2, [0, 0], [0, 0], [kernel] * 2]
    kind = g.rng.choice(["avg", "max", "max", "adaptive avg", "adaptive max"])
    if kind == "avg":
        g.keep(g.node(ops.avg_pool, x, *padding, True))
    elif kind == "max":
        strides, begin, end, window = padding
        pooled = g.node(ops.max_pool, x, strides, [1, 1], begin, end, window)
        g.keep(pooled.outputs()[: g.rng.choice([1, 1, 2])])
    elif kind == "adaptive avg":
        g.keep(g.node(ops.adaptive_avg_pool, x, np.array([2, 2])))
    else:
        g.keep(g.node(ops.adaptive_max_pool, x, np.array([2, 2])).outputs()[: g.rng.choice([1, 2])])


@recipe(6)
def reduction(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    functions = [ops.reduce_mean, ops.reduce_mean, ops.reduce_sum, ops.reduce_max, ops.reduce_l2]
    function = g.rng.choice([*functions, ops.reduce_l1, ops.reduce_min])
    axes = g.rng.sample(range(1, rank(x)), g.rng.randint(1, rank(x) - 1))
    g.keep(g.node(function, x, np.array(sorted(axes)), g.maybe(0.6)))


@recipe(5)
def normalization(g: Growing) -> None:
    kind = g.rng.choice(["mvn", "mvn", "l2", "batch", "batch", "group"])
    x = g.pick(lambda value: rank(value) >= 2)
    channels = dims(x)[1]
    if kind == "mvn":
        node = g.node(ops.mvn, x, np.array([rank(x) - 1]), True, 1e-5, "inside_sqrt")
        node = scale_shift(g, node) if g.maybe(0.6) else node
        node = activate(g, node) if g.maybe(0.4) else node
    elif kind == "l2":
        node = g.node(ops.normalize_l2, x, np.array([1]), 1e-5, "add")
        node = g.node(ops.multiply, node, per_channel(node)) if g.maybe(0.6) else node
    elif kind == "batch":
        start: ov.Output | ov.Node = activate(g, x) if g.maybe(0.3) else x
        node = g.node(ops.batch_norm_inference, start, *[constant(channels) for _ in range(4)], 1e-5)
        node = activate(g, node) if g.maybe(0.4) else node
    else:
        node = g.node(ops.group_normalization, x, constant(channels), constant(channels), 1, 1e-5)
    g.keep(node)


@recipe(3)
def layer_norm_written_out(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    axis = [rank(x) - 1]
    center = mean(g, x, axis)
    if g.maybe(0.5):
        variance = mean(g, g.node(ops.squared_difference, x, center), axis)
        centered = g.node(ops.subtract, x, center)
    else:
        centered = g.node(ops.subtract, x, center)
        variance = mean(g, g.node(ops.power, centered, np.float32(2)), axis)
    deviation = g.node(ops.sqrt, g.node(ops.add, variance, np.float32(1e-5)))
    node = g.node(ops.divide, centered, deviation)
    g.keep(g.node(ops.add, g.node(ops.multiply, node, constant(dims(x)[-1])), constant(dims(x)[-1])))


@recipe(2)
def interpolation(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) == 4 and size(value) <= LARGEST // 4)
    mode = g.rng.choice(["nearest", "linear_onnx"])
    g.keep(g.node(ops.interpolate, x, np.array([2.0, 2.0], np.float32), mode, "scales", axes=np.array([2, 3])))
