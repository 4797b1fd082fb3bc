# SPDX-License-Identifier: Apache-2.0
"""Shapes, integers, tails."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import (
    LARGEST,
    Growing,
    NoFit,
    Recipe,
    broadcasts,
    constant,
    dims,
    output,
    per_channel,
    rank,
    register,
    size,
)
from motifs import ARITHMETIC, convolve, finish_linear, reshaped, scale_shift

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


@recipe(4)
def by_shape(g: Growing) -> None:
    """A shape that a model computes from another tensor."""
    x = g.pick(lambda value: rank(value) >= 2 and size(value) <= LARGEST // 4)
    shape = g.node(ops.shape_of, x)
    first = g.node(ops.gather, shape, np.array([0]), np.int64(0))
    kind = g.rng.choice(["flat", "same", "broadcast", "resize", "number", "pooled"])
    if kind == "flat":
        g.keep(g.node(ops.reshape, x, g.node(ops.concat, [first, np.array([-1])], 0), False))
    elif kind == "same":
        y = g.pick(lambda value: size(value) == size(x))
        g.keep(g.node(ops.reshape, y, shape, False))
    elif kind == "broadcast":
        y = g.pick(lambda value: broadcasts(dims(value), dims(x)) and rank(value) == rank(x))
        g.keep(g.node(ops.broadcast, y, shape, broadcast_spec="BIDIRECTIONAL"))
    elif kind == "resize" and rank(x) == 4:
        sizes = g.node(ops.slice, shape, np.array([2]), np.array([4]), np.array([1]))
        g.keep(g.node(ops.interpolate, g.image(), sizes, "nearest", "sizes", axes=np.array([2, 3])))
    elif kind == "number":
        number = g.node(ops.sqrt, g.node(ops.convert, first, "f32"))
        g.keep(g.node(g.rng.choice(ARITHMETIC), g.pick(), number))
    else:
        g.keep([output(shape)] if g.maybe(0.3) else [output(g.node(ops.convert, shape, "f32"))])


@recipe(1)
def convolution_of_shape(g: Growing) -> None:
    """A convolution whose data come from a shape."""
    x = g.pick(lambda value: rank(value) == 4)
    shape = g.node(ops.convert, g.node(ops.shape_of, x), "f32")
    g.keep(finish_linear(g, convolve(g, reshaped(g, shape, [1, 4, 1, 1]), 4, 1)))


@recipe(3)
def integers(g: Growing) -> None:
    """To integers and back."""
    node = g.node(ops.convert, g.pick(), g.rng.choice(["i32", "i64"]))
    if g.maybe(0.6):
        return g.keep(g.node(ops.convert, node, "f32"))
    g.keep(node)


@recipe(2)
def from_integers(g: Growing) -> None:
    kinds = [kind for kind in ("i64", "i32", "boolean") if g.tensors(kind)]
    if not kinds:
        raise NoFit
    g.keep(g.node(ops.convert, g.pick(kind=g.rng.choice(kinds)), "f32"))


@recipe(2)
def like(g: Growing) -> None:
    x = g.pick()
    g.keep(g.node(ops.convert_like, x, g.pick()))


@recipe(3)
def top_k(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2 and dims(value)[-1] >= 2)
    node: ov.Output | ov.Node = x
    if g.maybe(0.5):
        node = g.node(ops.sigmoid, node)
    if g.maybe(0.3):
        node = g.node(ops.multiply, node, constant())
    kept = g.node(ops.topk, node, np.int64(2), rank(x) - 1, "max", "value")
    g.keep(g.rng.sample(kept.outputs(), g.rng.choice([1, 2, 2])))


@recipe(2)
def detection(g: Growing) -> None:
    """Heads for boxes and scores, and the selection of the best."""
    x = g.sequence()
    boxes = g.node(ops.matmul, x, g.weights(dims(x)[-1], 4), False, False)
    boxes = scale_shift(g, boxes) if g.maybe(0.5) else boxes
    scores = g.node(ops.sigmoid, g.node(ops.matmul, x, g.weights(dims(x)[-1], 2), False, False))
    scores = g.node(ops.transpose, scores, np.array([0, 2, 1]))
    best = g.node(ops.non_max_suppression, boxes, scores, np.int64(2), np.float32(0.5), np.float32(0.1))
    for value in best.outputs()[: g.rng.choice([1, 3])]:
        g.keep([value])
    if g.maybe(0.3):
        g.keep(boxes)


@recipe(1)
def scaled_output(g: Growing) -> None:
    """Add, Multiply, Add at the very end."""
    x = g.pick()
    g.output(scale_shift(g, g.node(ops.add, x, per_channel(x))))
