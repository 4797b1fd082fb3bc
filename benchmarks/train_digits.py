# SPDX-License-Identifier: Apache-2.0
"""Train a small network with the parts of MobileNetV3, to measure on it what quantization costs such networks.

What it is: MobileNetV3-Small (Howard et al., 2019) of half the width for images of 32 x 32 pixels: inverted residual
blocks with depthwise 3x3 and 5x5 convolutions, squeeze-and-excitation with hard sigmoid, ReLU in the first blocks and
hard swish in the others, and a hard swish between the two last fully connected layers. 0.1 million weights. Written as
ONNX as exporters do it: batch normalization folded into the convolutions, HardSwish and HardSigmoid as operators.

What it trains on: digits on photographs, see ``digit_data.py``. Adam with a cosine decay.

What it needs: jax, numpy, onnx, scikit-image and scikit-learn; no GPU.

    python train_digits.py --output models/digits.onnx

What it gave (seed 0, 3000 steps, 12 minutes on one busy CPU core; 0.4 MB): 89.95 % of the 2388 test items, in float.
Rounding may make another machine's result differ a little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import digit_data
import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-3
LABEL_SMOOTHING = 0.1
WARM_UP_STEPS = 100
REPORT_STEPS = 500
AVERAGING = 0.98
"""Of means and variances, from step to step."""

EPSILON = 1e-3


@dataclass(frozen=True)
class Block:
    kernel: int
    expanded: int
    outputs: int
    squeeze: bool
    activation: str
    stride: int


STEM = 16
BLOCKS = (
    Block(3, 16, 8, True, "Relu", 2),
    Block(3, 40, 16, False, "Relu", 1),
    Block(3, 56, 16, False, "Relu", 1),
    Block(5, 64, 24, True, "HardSwish", 1),
    Block(5, 96, 24, True, "HardSwish", 1),
    Block(5, 96, 24, True, "HardSwish", 1),
    Block(5, 96, 32, True, "HardSwish", 2),
    Block(5, 128, 32, True, "HardSwish", 1),
)
HEAD = 192
HIDDEN = 128
CLASSES = 10

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "": lambda x: x,
    "Relu": jax.nn.relu,
    "HardSwish": jax.nn.hard_swish,
    "HardSigmoid": jax.nn.hard_sigmoid,
}

Weights = dict[str, Any]


def convolve_depthwise(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Convolves each channel of [N, H, W, C] with its kernel, [C, height, width].

    As products with matrices: there are few positions, and XLA's grouped convolutions are slow on CPUs.
    """
    count, height, width, channels = x.shape
    size = kernel.shape[1]
    rows, columns = -(-height // stride), -(-width // stride)
    taps = np.zeros((size, size, rows, columns, height, width), np.float32)  # which tap leads from where to where
    for i, j, row, column in np.ndindex(size, size, rows, columns):
        top, left = row * stride + i - size // 2, column * stride + j - size // 2
        if 0 <= top < height and 0 <= left < width:
            taps[i, j, row, column, top, left] = 1
    matrices = kernel.reshape(channels, -1) @ taps.reshape(size * size, -1)
    matrices = matrices.reshape(channels, rows * columns, height * width)
    y = jnp.einsum("cpq,nqc->npc", matrices, x.reshape(count, height * width, channels))
    return y.reshape(count, rows, columns, channels)


class JaxBackend:
    """Computes the network on images [N, H, W, C], the order that jax computes fastest on a CPU.

    `averages` receives the means and variances of the batch, unless they are given.
    """

    def __init__(self, weights: Weights, averages: Weights | None) -> None:
        self.weights, self.averages = weights, averages
        self.seen: Weights = {}

    def convolve(self, name: str, x: Any, stride: int, groups: int) -> Any:
        kernel = self.weights[name]  # [output, input, height, width]
        size = kernel.shape[2]
        if groups > 1:
            y = convolve_depthwise(x, kernel[:, 0], stride)
        else:
            padding = [(size // 2, size // 2)] * 2
            y = jax.lax.conv_general_dilated(
                x, kernel.transpose(2, 3, 1, 0), (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        if self.averages is None:
            mean, variance = jnp.mean(y, (0, 1, 2)), jnp.var(y, (0, 1, 2))
            self.seen[f"{name}/mean"], self.seen[f"{name}/variance"] = mean, variance
        else:
            mean, variance = self.averages[f"{name}/mean"], self.averages[f"{name}/variance"]
        factor = self.weights[f"{name}/factor"] / jnp.sqrt(variance + EPSILON)
        return (y - mean) * factor + self.weights[f"{name}/bias"]

    def connect(self, name: str, x: Any) -> Any:
        """Multiplies channels by a matrix [outputs, inputs], positions for themselves."""
        return x @ self.weights[name].T + self.weights[f"{name}/bias"]

    def activate(self, kind: str, x: Any) -> Any:
        return ACTIVATIONS[kind](x)

    def average(self, x: Any) -> Any:
        return jnp.mean(x, (1, 2), keepdims=True)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def multiply(self, a: Any, b: Any) -> Any:
        return a * b

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)


class OnnxBackend:
    """Writes the network as ONNX nodes, and gives their names."""

    def __init__(self, weights: dict[str, np.ndarray], averages: dict[str, np.ndarray]) -> None:
        self.weights, self.averages = weights, averages
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def convolution(self, name: str, x: str, kernel: np.ndarray, bias: np.ndarray, **attributes: Any) -> str:
        weight, bias = self.constant(f"{name}.weight", kernel), self.constant(f"{name}.bias", bias)
        pads = [kernel.shape[2] // 2] * 4
        return self.node("Conv", name, x, weight, bias, kernel_shape=list(kernel.shape[2:]), pads=pads, **attributes)

    def convolve(self, name: str, x: str, stride: int, groups: int) -> str:
        factor = self.weights[f"{name}/factor"] / np.sqrt(self.averages[f"{name}/variance"] + EPSILON)
        kernel = self.weights[name] * factor[:, np.newaxis, np.newaxis, np.newaxis]
        bias = self.weights[f"{name}/bias"] - self.averages[f"{name}/mean"] * factor
        return self.convolution(name, x, kernel, bias, strides=[stride, stride], group=groups)

    def connect(self, name: str, x: str) -> str:
        matrix, bias = self.weights[name], self.weights[f"{name}/bias"]
        if name.startswith("classifier"):
            return self.node(
                "Gemm", name, x, self.constant(f"{name}.weight", matrix), self.constant(f"{name}.bias", bias), transB=1
            )
        return self.convolution(name, x, matrix[:, :, np.newaxis, np.newaxis], bias)

    def activate(self, kind: str, x: str) -> str:
        attributes = {"alpha": 1 / 6, "beta": 0.5} if kind == "HardSigmoid" else {}
        return self.node(kind, f"{x}/{kind}", x, **attributes) if kind else x

    def average(self, x: str) -> str:
        return self.node("GlobalAveragePool", f"{x}/average", x)

    def add(self, a: str, b: str) -> str:
        return self.node("Add", f"{b}/sum", a, b)

    def multiply(self, a: str, b: str) -> str:
        return self.node("Mul", f"{b}/product", a, b)

    def flatten(self, x: str) -> str:
        return self.node("Flatten", f"{x}/flat", x)


def network(backend: Any, x: Any) -> Any:
    """The logits of images, [N, CLASSES]."""
    x = backend.activate("HardSwish", backend.convolve("stem", x, 2, 1))
    inputs = STEM
    for number, block in enumerate(BLOCKS):
        name = f"block{number}"
        y = backend.activate(block.activation, backend.convolve(f"{name}.expand", x, 1, 1))
        y = backend.activate(block.activation, backend.convolve(f"{name}.depthwise", y, block.stride, block.expanded))
        if block.squeeze:
            gate = backend.activate("Relu", backend.connect(f"{name}.squeeze", backend.average(y)))
            gate = backend.activate("HardSigmoid", backend.connect(f"{name}.excite", gate))
            y = backend.multiply(y, gate)
        y = backend.convolve(f"{name}.project", y, 1, 1)
        x = backend.add(x, y) if block.stride == 1 and inputs == block.outputs else y
        inputs = block.outputs
    x = backend.average(backend.activate("HardSwish", backend.convolve("head", x, 1, 1)))
    x = backend.activate("HardSwish", backend.connect("classifier.hidden", backend.flatten(x)))
    return backend.connect("classifier.output", x)


def initial_weights(random: np.random.Generator) -> tuple[Weights, Weights]:
    """Return weights, random (He et al., 2015), and averages of nothing seen."""
    weights: Weights = {}
    averages: Weights = {}

    def convolution(name: str, inputs: int, outputs: int, kernel: int) -> None:
        deviation = np.sqrt(2 / (inputs * kernel**2))
        weights[name] = random.normal(0, deviation, (outputs, inputs, kernel, kernel))
        weights[f"{name}/factor"], weights[f"{name}/bias"] = np.ones(outputs), np.zeros(outputs)
        averages[f"{name}/mean"], averages[f"{name}/variance"] = np.zeros(outputs), np.ones(outputs)

    def matrix(name: str, inputs: int, outputs: int) -> None:
        weights[name] = random.normal(0, np.sqrt(1 / inputs), (outputs, inputs))
        weights[f"{name}/bias"] = np.zeros(outputs)

    convolution("stem", 3, STEM, 3)
    inputs = STEM
    for number, block in enumerate(BLOCKS):
        name = f"block{number}"
        convolution(f"{name}.expand", inputs, block.expanded, 1)
        convolution(f"{name}.depthwise", 1, block.expanded, block.kernel)
        if block.squeeze:
            squeezed = max(8, block.expanded // 4 // 8 * 8)
            matrix(f"{name}.squeeze", block.expanded, squeezed)
            matrix(f"{name}.excite", squeezed, block.expanded)
        convolution(f"{name}.project", block.expanded, block.outputs, 1)
        inputs = block.outputs
    convolution("head", inputs, HEAD, 1)
    matrix("classifier.hidden", HEAD, HIDDEN)
    matrix("classifier.output", HIDDEN, CLASSES)
    as_float = jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), (weights, averages))
    return as_float


def make_step(steps: int) -> Callable[..., Any]:
    """Return the compiled training step: Adam with a warm-up, a cosine decay to zero and weight decay.

    It takes the weights, Adam's first and second moments, the averages, the step's number (from 1), images and labels,
    and returns the new weights, moments and averages, and the loss before the step.
    """

    def loss(weights: Weights, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, Weights]:
        backend = JaxBackend(weights, None)
        scores = jax.nn.log_softmax(network(backend, images))
        target = jax.nn.one_hot(labels, CLASSES) * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / CLASSES
        return -jnp.mean(jnp.sum(target * scores, 1)), backend.seen

    @jax.jit
    def step(
        weights: Weights, first: Weights, second: Weights, averages: Weights, number: Any, images: Any, labels: Any
    ) -> tuple[Weights, Weights, Weights, Weights, jax.Array]:
        (value, seen), gradient = jax.value_and_grad(loss, has_aux=True)(weights, images, labels)
        averages = jax.tree.map(lambda old, new: AVERAGING * old + (1 - AVERAGING) * new, averages, seen)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = LEARNING_RATE * jnp.minimum(1.0, number / WARM_UP_STEPS)
        rate = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * (number - 1.0) / steps))

        def update(weight: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            change = (m / (1 - 0.9**number)) / (jnp.sqrt(v / (1 - 0.999**number)) + 1e-8)
            return weight - rate * (change + (WEIGHT_DECAY * weight if weight.ndim > 1 else 0))

        return jax.tree.map(update, weights, first, second), first, second, averages, value

    return step


def accuracy_of(weights: Weights, averages: Weights, items: list[digit_data.Item]) -> float:
    images = np.concatenate([image for image, _ in items]).transpose(0, 2, 3, 1)
    labels = np.array([label for _, label in items])
    logits = jax.jit(lambda weights, averages, images: network(JaxBackend(weights, averages), images))
    return float(np.mean(np.argmax(logits(weights, averages, images), 1) == labels))


def train(seed: int, steps: int) -> tuple[Weights, Weights]:
    """Return weights and averages after a number of steps, printing the progress."""
    random = np.random.default_rng(seed)
    digits = digit_data.training_digits(seed)
    items = digit_data.test_items()
    weights, averages = initial_weights(random)
    first = second = jax.tree.map(jnp.zeros_like, weights)
    step = make_step(steps)
    started = time.perf_counter()
    losses: list[float] = []
    for number in range(1, steps + 1):
        images, labels = digits.draw(random.integers(digit_data.TRAINING_DIGITS, size=BATCH))
        batch = (jnp.float32(number), images.transpose(0, 2, 3, 1), labels)
        weights, first, second, averages, loss = step(weights, first, second, averages, *batch)
        losses.append(float(loss))
        if number % REPORT_STEPS == 0 or number == steps:
            score, seconds = accuracy_of(weights, averages, items), time.perf_counter() - started
            print(f"step {number}: loss {np.mean(losses):.4f}, test accuracy {score:.4f}, {seconds:.0f} s", flush=True)
            losses.clear()
    return weights, averages


def build_model(weights: Weights, averages: Weights) -> onnx.ModelProto:
    """Return the network as an ONNX model: ``image`` [1, 3, 32, 32] to ``logits`` [1, CLASSES]."""
    backend = OnnxBackend(*({name: np.asarray(value) for name, value in each.items()} for each in (weights, averages)))
    backend.node("Identity", "logits", network(backend, "image"))
    size = digit_data.SIZE
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])
    graph = helper.make_graph(backend.nodes, "digits", [image], [logits], backend.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train the network and write it as ONNX."""
    parser = argparse.ArgumentParser(description="Train the network and write it as ONNX.")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial weights and of the images")
    parser.add_argument("--steps", type=int, default=3000, help="training steps")
    parser.add_argument("--output", type=Path, required=True, help="the .onnx file to write")
    arguments = parser.parse_args()
    weights, averages = train(arguments.seed, arguments.steps)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build_model(weights, averages), arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
