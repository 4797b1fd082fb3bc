# SPDX-License-Identifier: Apache-2.0
"""Embeddings, recurrence, attention, states."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import Growing, NoFit, Recipe, constant, dims, output, rank, register, size
from motifs import linear, multiply_by_weights, reshaped, with_bias

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


def embedding(g: Growing, tokens: ov.Output) -> ov.Node:
    table = g.weights(10, 8)
    node = g.node(ops.gather, table, tokens, np.int64(0))
    if g.maybe(0.05):
        node.set_friendly_name(node.get_friendly_name() + " nncf_codebook")
    return node


@recipe(4)
def embeddings(g: Growing) -> None:
    try:
        tokens = g.pick(lambda value: rank(value) in (1, 2) and size(value) <= 16, "i64")
    except NoFit:
        tokens = g.input([1, 4], np.int64)
    node = embedding(g, tokens)
    form = g.rng.choice(["one"] * 6 + ["sum", "joined"] * 4 + ["position"])
    if form == "sum":
        node = g.node(ops.add, node, embedding(g, tokens))
    elif form == "joined":
        node = g.node(ops.concat, [node, embedding(g, tokens)], len(dims(node)) - 1)
        node = multiply_by_weights(g, node)
    elif form == "position":
        node = g.node(ops.add, node, g.node(ops.gather, g.weights(10, 8), np.arange(dims(node)[-2]), np.int64(0)))
    g.keep(node)


@recipe(4)
def recurrence(g: Growing) -> None:
    x = g.sequence()
    batch, _, width = dims(x)
    hidden = 4
    lstm = g.maybe(0.5)
    states: list[ov.Output | ov.Node] = []
    for _ in range(2 if lstm else 1):
        form = g.rng.random()
        if form < 0.4:
            states.append(constant(batch, 1, hidden))
        elif form < 0.5:
            first = g.node(ops.gather, g.node(ops.shape_of, x), np.array([0]), np.int64(0))
            shape = g.node(ops.concat, [first, np.array([1, hidden])], 0)
            states.append(g.node(ops.broadcast, np.float32(0), shape))
        elif form < 0.8:
            states.append(g.input([batch, 1, hidden]))
        else:
            states.append(g.pick(lambda value: dims(value) == [batch, 1, hidden]))
    lengths = np.full(batch, dims(x)[1])
    if lstm:
        weights = [g.weights(1, 16, width), g.weights(1, 16, hidden), g.weights(1, 16)]
        node = g.node(ops.lstm_sequence, x, *states, lengths, *weights, hidden, "forward")
    else:
        before = g.maybe(0.4)
        weights = [g.weights(1, 12, width), g.weights(1, 12, hidden), g.weights(1, 16 if before else 12)]
        node = g.node(ops.gru_sequence, x, *states, lengths, *weights, hidden, "forward", linear_before_reset=before)
    sequence = node.output(0)
    if g.maybe(0.7):
        sequence = output(g.node(ops.squeeze, sequence, np.array([1])))
    g.keep([sequence, *g.rng.sample(node.outputs()[1:], g.rng.choice([0, 0, 1]))])


@recipe(3)
def fused_attention(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) in (3, 4))
    values = [x, x, x] if g.maybe(0.2) else [output(multiply_by_weights(g, x, 8)) for _ in range(3)]
    if len({tuple(dims(value)) for value in values}) > 1:
        raise NoFit
    mask = [constant(dims(values[0])[-2], dims(values[0])[-2])] if g.maybe(0.3) else []
    g.keep(g.node(ops.scaled_dot_product_attention, *values, *mask))


@recipe(6)
def attention(g: Growing) -> None:
    """Softmax of a product, times values; with and without heads, scale, mask, and biases."""
    x = g.sequence()
    heads = g.maybe(0.6)

    def projected() -> ov.Node:
        node = g.node(ops.matmul, x, g.weights(dims(x)[-1], 8), False, False)
        node = with_bias(g, node) if g.maybe(0.5) else node
        if heads:
            node = g.node(ops.transpose, reshaped(g, node, [*dims(node)[:2], 2, 4]), np.array([0, 2, 1, 3]))
        return node

    query, key, value = projected(), projected(), projected()
    if g.maybe(0.3):
        query = g.node(ops.multiply, query, np.float32(0.5))
    scores = g.node(ops.matmul, query, key, False, True)
    if g.maybe(0.4):
        scores = g.node(g.rng.choice([ops.divide, ops.multiply]), scores, np.float32(2))
    if g.maybe(0.3):
        scores = g.node(ops.add, scores, constant(*dims(scores)[-2:]))
    weights = g.node(ops.softmax, scores, len(dims(scores)) - 1)
    if g.maybe(0.15):
        weights = reshaped(g, weights, dims(weights))
    node = g.node(ops.matmul, weights, value, False, False)
    if heads:
        node = g.node(ops.transpose, node, np.array([0, 2, 1, 3]))
        node = reshaped(g, node, [*dims(node)[:2], 8])
    node = with_bias(g, multiply_by_weights(g, node, 8)) if g.maybe(0.6) else node
    g.keep(g.node(ops.add, node, x) if dims(node) == dims(x) and g.maybe(0.6) else node)


@recipe(2)
def rotary_embedding(g: Growing) -> None:
    x = g.sequence()
    node = g.node(ops.matmul, constant(1, 4, dims(x)[1]), x, False, False)
    node = g.node(ops.transpose, node, np.array([0, 2, 1])) if g.maybe(0.6) else node
    node = g.node(ops.concat, [node, node], 2) if g.maybe(0.7) else node
    g.keep(g.node(ops.cos, node))
    g.keep(g.node(ops.sin, node))


@recipe(1)
def point_embedding(g: Growing) -> None:
    x = g.sequence()
    node = g.node(ops.multiply, g.node(ops.matmul, x, g.weights(dims(x)[-1], 4), False, False), constant())
    g.keep(g.node(ops.concat, [g.node(ops.sin, node), g.node(ops.cos, node)], 2))


@recipe(1)
def state(g: Growing) -> None:
    x = g.pick(lambda value: rank(value) >= 2)
    variable = f"state {g.operations}"
    shape = dims(x)
    start: ov.Output | ov.Node = constant(*shape) if g.maybe(0.6) else x
    before = g.node(ops.read_value, start, variable, ov.Type.f32, ov.PartialShape(shape))
    node = g.node(ops.add, x, before)
    if g.maybe(0.4):
        g.keep(linear(g, output(before)))
    g.state(node, variable)
    g.keep(node)
