# SPDX-License-Identifier: Apache-2.0
"""Operations that move data."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import LARGEST, Growing, NoFit, Recipe, constant, dims, output, rank, register, size
from motifs import activate, convolve, finish_linear, linear, reshaped

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


@recipe(5)
def reshape(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    shape = dims(x)
    forms = [[shape[0], -1], [*shape[:2], -1], [*shape, 1], [*shape[:-1], 1, shape[-1]]]
    if shape[-1] % 2 == 0:
        forms.append([*shape[:-1], shape[-1] // 2, 2])
    g.keep(reshaped(g, x, g.rng.choice([form for form in forms if len(form) <= 5])))


@recipe(5)
def transpose(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    order = list(range(1, rank(x)))
    g.rng.shuffle(order)
    g.keep(g.node(ops.transpose, x, np.array([0, *order])))


@recipe(3)
def squeeze(g: Growing) -> None:
    x = g.pick(lambda value: 1 in dims(value)[1:])
    g.keep(g.node(ops.squeeze, x, np.array([dims(x).index(1, 1)])))


@recipe(3)
def unsqueeze(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) <= 3)
    g.keep(g.node(ops.unsqueeze, x, np.array([rank(x)])))


@recipe(5)
def split(g: Growing) -> None:
    x = g.pick(lambda value: any(dim % 2 == 0 for dim in dims(value)[1:]))
    axis = g.rng.choice([i for i, dim in enumerate(dims(x)) if i > 0 and dim % 2 == 0])
    if g.maybe(0.5):
        parts = g.node(ops.split, x, np.int64(axis), 2).outputs()
    else:
        parts = g.node(ops.variadic_split, x, np.int64(axis), np.array([1, dims(x)[axis] - 1])).outputs()
    g.keep(g.rng.sample(parts, g.rng.choice([1, 2, 2, 2])))


@recipe(4)
def split_branches(g: Growing) -> None:
    """Parts of a tensor that get a treatment of their own and come together again."""
    x = g.pick(lambda value: rank(value) >= 3 and dims(value)[1] % 2 == 0)
    first, second = g.node(ops.split, x, np.int64(1), 2).outputs()
    left = output(convolve(g, first, 4, 1)) if g.maybe(0.7) else first
    right = output(convolve(g, second, 4, 1)) if g.maybe(0.5) else second
    if dims(left)[2:] != dims(right)[2:]:
        raise NoFit
    g.keep(g.node(ops.concat, [left, right], 1))


@recipe(4)
def slicing(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2 and dims(value)[-1] >= 2)
    last = rank(x) - 1
    if g.maybe(0.5):
        begin, end = [0] * rank(x), [*dims(x)[:-1], dims(x)[-1] // 2]
        g.keep(g.node(ops.strided_slice, x, np.array(begin), np.array(end), np.array([1] * rank(x)), [0], [0]))
    else:
        start, stop = np.array([0]), np.array([dims(x)[-1] // 2])
        g.keep(g.node(ops.slice, x, start, stop, np.array([1]), np.array([last])))


@recipe(6)
def moving(g: Growing) -> None:
    """Tile, Pad, Broadcast, ShuffleChannels, DepthToSpace, SpaceToDepth, Roll."""
    x = g.pick(lambda value: rank(value) >= 2 and size(value) <= LARGEST // 4)
    shape = dims(x)
    kind = g.rng.choice(["tile", "pad", "pad", "broadcast", "shuffle", "d2s", "s2d", "roll"])
    if kind == "tile":
        g.keep(g.node(ops.tile, x, np.array([1] * (rank(x) - 1) + [2])))
    elif kind == "pad":
        ends = [0] * rank(x)
        ends[-1] = 1
        g.keep(g.node(ops.pad, x, np.array([0] * rank(x)), np.array(ends), "constant", np.float32(0)))
    elif kind == "broadcast":
        target = [2 if dim == 1 and i > 0 else dim for i, dim in enumerate(shape)]
        g.keep(g.node(ops.broadcast, x, np.array(target)))
    elif kind == "shuffle" and shape[1] % 2 == 0:
        g.keep(g.node(ops.shuffle_channels, x, 1, 2))
    elif kind == "d2s" and rank(x) == 4 and shape[1] % 4 == 0:
        g.keep(g.node(ops.depth_to_space, x, "blocks_first", 2))
    elif kind == "s2d" and rank(x) == 4 and shape[2] % 2 == 0 and shape[3] % 2 == 0:
        g.keep(g.node(ops.space_to_depth, x, "blocks_first", 2))
    elif kind == "roll":
        g.keep(g.node(ops.roll, x, np.array([1]), np.array([1])))


@recipe(4)
def gathering(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    kind = g.rng.choice(["gather", "gather", "elements", "nd"])
    if kind == "gather":
        index = g.rng.choice([np.array([0]), np.int64(0), np.zeros((1, 2), np.int64)])
        g.keep(g.node(ops.gather, x, index, np.int64(g.rng.randrange(rank(x)))))
    elif kind == "elements":
        g.keep(g.node(ops.gather_elements, x, np.zeros(dims(x), np.int64), 1))
    else:
        g.keep(g.node(ops.gather_nd, x, np.zeros((2, 1), np.int64)))


@recipe(3)
def scattering(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    kind = g.rng.choice(["update", "elements", "nd"])
    others = [value for value in g.tensors() if value != x and dims(value) == dims(x)]
    updates = g.rng.choice(others) if others and g.maybe(0.7) else constant(*dims(x))
    if kind == "update":
        indices = np.arange(dims(x)[1])
        g.keep(g.node(ops.scatter_update, x, indices, updates, np.int64(1)))
    elif kind == "elements":
        g.keep(g.node(ops.scatter_elements_update, x, np.zeros(dims(x), np.int64), updates, np.int64(1)))
    else:
        g.keep(g.node(ops.scatter_nd_update, x, np.arange(dims(x)[0]).reshape(-1, 1), updates))


@recipe(8)
def concatenation(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2 and size(value) <= LARGEST // 4)
    axis = g.rng.choice([1, 1, 1, rank(x) - 1])
    parts: list[ov.Output | ov.Node] = [x]

    def rest(value: ov.Output) -> list[int]:
        return [dim for i, dim in enumerate(dims(value)) if i != axis] if rank(value) > axis else []

    for _ in range(g.rng.choice([1, 1, 2])):
        try:
            other: ov.Output | ov.Node = g.pick(lambda value: value != x and rest(value) == rest(x))
        except NoFit:
            other = g.rng.choice([x, constant(*dims(x)), activate(g, x)])
        parts.append(x if g.maybe(0.1) else constant(*dims(x)) if g.maybe(0.1) else other)
    g.rng.shuffle(parts)
    node = g.node(ops.concat, parts, axis)
    if g.maybe(0.4):
        node = finish_linear(g, linear(g, node))
    g.keep(node)


@recipe(2)
def nested_concatenation(g: Growing) -> None:
    """Several convolutions' results, joined and joined again, as in Inception and feature pyramids."""
    x = g.image()
    parts = [activate(g, convolve(g, x, 4, kernel)) for kernel in (1, 3)]
    if len({tuple(dims(part)) for part in parts}) > 1:
        raise NoFit
    inner = g.node(ops.concat, parts, 1)
    pooled = g.node(ops.max_pool, inner, [1, 1], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    joined = g.node(ops.concat, [inner, pooled] if g.maybe(0.5) else [parts[0], pooled], 1)
    node = linear(g, joined) if g.maybe(0.7) else joined
    g.keep(node)
    if g.maybe(0.3):
        g.keep(parts[1])


@recipe(1)
def batch_index(g: Growing) -> None:
    """The coordinates that some detectors compute before a convolution."""
    x = g.sequence()
    node = g.node(ops.multiply, g.node(ops.subtract, x, constant()), constant())
    node = g.node(ops.add, g.node(ops.multiply, node, constant()), constant())
    node = g.node(ops.unsqueeze, node, np.array([1]))
    node = g.node(ops.concat, [node, constant(*dims(node))], 1)
    node = g.node(ops.concat, [node, constant(*dims(node))], 1)
    node = reshaped(g, node, [1, 4, -1, 4])
    g.keep(convolve(g, node, 4, 1))
