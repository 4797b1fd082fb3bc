# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations and functions."""

import functools

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from growing import Growing, NoFit, Recipe, constant, dims, per_channel, rank, register
from motifs import ACTIVATIONS, ARITHMETIC, COMPARISONS, ELEMENTWISE, FUNCTIONS, LOGICAL, activate

RECIPES: list[tuple[int, Recipe]] = []
recipe = functools.partial(register, RECIPES)


@recipe(9)
def arithmetic_with_constant(g: Growing) -> None:
    x = g.pick()
    operand = g.rng.choice([constant(), per_channel(x), constant(*dims(x))])
    function = g.rng.choice(ARITHMETIC * 3 + ELEMENTWISE)
    node = g.node(function, *([x, operand] if g.maybe(0.8) else [operand, x]))
    g.keep(activate(g, node) if g.maybe(0.3) else node)


@recipe(10)
def arithmetic_of_activations(g: Growing) -> None:
    x = g.pick()
    function = g.rng.choice([ops.add] * 6 + ARITHMETIC * 2 + ELEMENTWISE)
    node = g.node(function, x, g.partner(x))
    g.keep(activate(g, node) if g.maybe(0.3) else node)


@recipe(2)
def square(g: Growing) -> None:
    x = g.pick()
    g.keep(g.node(g.rng.choice([ops.multiply] * 3 + ARITHMETIC + ELEMENTWISE), x, x))


@recipe(6)
def activation(g: Growing) -> None:
    g.keep(activate(g, g.pick()))


@recipe(3)
def activation_between_arithmetic(g: Growing) -> None:
    x = g.pick()
    node: ov.Output | ov.Node = g.node(g.rng.choice(ARITHMETIC), x, per_channel(x)) if g.maybe(0.6) else x
    node = activate(g, node) if g.maybe(0.6) else ACTIVATIONS["Clamp"](g, node)
    g.keep(g.node(g.rng.choice([ops.multiply, *ARITHMETIC]), node, per_channel(x)))


@recipe(4)
def function_of_one(g: Growing) -> None:
    g.keep(FUNCTIONS[g.rng.choice(list(FUNCTIONS))](g, g.pick(lambda value: rank(value) >= 1)))


@recipe(3)
def comparison(g: Growing) -> None:
    x = g.pick()
    try:
        operand: ov.Output | ov.Node = constant() if g.maybe(0.4) else g.partner(x)
    except NoFit:
        operand = constant()
    node = g.node(g.rng.choice(COMPARISONS), x, operand)
    if g.maybe(0.3):
        node = g.node(ops.logical_not, node)
    if g.maybe(0.5):
        node = g.node(ops.convert, node, "f32")
    elif g.maybe(0.7):
        node = g.node(ops.select, node, x, operand)
    g.keep(node)


@recipe(2)
def equal_not(g: Growing) -> None:
    node = g.node(ops.logical_not, g.node(ops.equal, g.pick(), constant()))
    g.keep(g.node(ops.convert, node, "f32") if g.maybe(0.6) else node)


@recipe(2)
def logic(g: Growing) -> None:
    x = g.pick()
    parts = [g.node(g.rng.choice(COMPARISONS), x, constant()) for _ in range(2)]
    node = g.node(g.rng.choice(LOGICAL), *parts)
    g.keep(g.node(ops.logical_not, node) if g.maybe(0.3) else node)


@recipe(3)
def selection(g: Growing) -> None:
    condition = g.pick(kind="boolean")
    x = g.pick(lambda value: dims(value) == dims(condition))
    g.keep(g.node(ops.select, condition, x, g.partner(x) if g.maybe(0.5) else constant()))


@recipe(2)
def normalized_exponentials(g: Growing) -> None:
    """Softmax written out."""
    powers = g.node(ops.exp, g.pick(lambda value: rank(value) >= 1))
    total = g.node(ops.reduce_sum, powers, np.array([len(dims(powers)) - 1]), True)
    if g.maybe(0.5):
        g.keep(g.node(ops.divide, powers, total))
    else:
        g.keep(g.node(ops.multiply, powers, g.node(ops.power, total, np.float32(-1))))
