# SPDX-License-Identifier: Apache-2.0
"""Small random OpenVINO models that are valid and hit the rules of placement: `random_model(seed)`.

A model grows by recipes. Each picks tensors that it can use, adds an operation or a motif that networks are made of,
and leaves its results to later recipes. What nothing has used in the end becomes an output. The seed decides
everything, names included.
"""

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
_recipes: list[tuple[int, Recipe]] = []


def recipe(weight: int) -> Callable[[Recipe], Recipe]:
    """Registers a recipe; the weight says how often it is tried."""

    def register(function: Recipe) -> Recipe:
        _recipes.append((weight, function))
        return function

    return register


def random_model(seed: int) -> ov.Model:
    rng = random.Random(seed)
    growing = Growing(rng)
    target = rng.choice([3, 5, 8, 12, 16, 20, 25])
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        add_input(growing)
    weights, recipes = zip(*_recipes, strict=True)
    for _ in range(4 * target):
        if growing.operations >= target:
            break
        try:
            rng.choices(recipes, weights)[0](growing)
        except (NoFit, RuntimeError):  # OpenVINO refuses what the recipe made of the shapes at hand
            continue
    model = growing.finish(f"random {seed}")
    return with_dynamic_batch(model) if rng.random() < 0.25 else model


def with_dynamic_batch(model: ov.Model) -> ov.Model:
    """The same model for any batch, or the model itself where that does not work."""
    result = model.clone()
    for parameter in result.get_parameters():
        parameter.set_partial_shape(ov.PartialShape([-1, *list(parameter.get_output_shape(0))[1:]]))
    try:
        result.validate_nodes_and_infer_types()
    except RuntimeError:
        return model
    known = all(value.get_partial_shape().rank.is_static for node in result.get_ops() for value in node.outputs())
    return result if known else model


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


# Pieces that recipes share.

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


# Recipes: convolutions, matrix products, and what follows them.


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


# Recipes: elementwise operations and functions.


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


# Recipes: pooling, reduction, normalization.


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


# Recipes: operations that move data.


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


# Recipes: shapes, integers, tails.


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


# Recipes: embeddings, recurrence, attention, states.


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
