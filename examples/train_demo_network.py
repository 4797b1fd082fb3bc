# SPDX-License-Identifier: Apache-2.0
"""Train the demo network, which doubles the height and the width of an RGB photograph.

What it trains on: thirteen photographs that come inside the packages scikit-image and scikit-learn
(``TRAINING_PHOTOGRAPHS`` in ``demo_data.py``), each in three sizes. Three others are for validation;
their score is printed now and then, and decides nothing.

What it is: ten 3x3 convolutions (one for features, four residual blocks of two, one that predicts the
four sub-pixels of every pixel), and one 5x5 convolution that leads straight from the image to the
sub-pixels, as in WDSR (Yu et al., 2018), so that the others need to learn only what it lacks. Trained by
Adam with a cosine decay, on the mean absolute difference, with random crops, mirroring and turning.

What it needs: jax, numpy, openvino, Pillow, scikit-image and scikit-learn; no GPU.

    python train_demo_network.py --output models/photo_x2.xml

What it gave (seed 0, 6000 steps, about 15 minutes on two busy CPU cores; 79,000 weights, 0.3 MB): 32.51 dB
mean PSNR on the validation items, where bicubic enlargement reaches 30.95 dB. Both are in float; rounding
may make another machine's result differ a little.

What to expect of int8: no weight was changed by hand or for the sake of quantization, but this design was
picked out of three by short trials that also looked at int8. With a fixed interpolation in the place of
``skip/conv``, int8 convolutions lost less than 0.03 dB, too little for a demo of an accuracy limit.
``skip/conv`` carries the picture itself, and its kernel, which starts as the identity and stays close to
it, has one large value among many small ones: rounding it to 8 bits shifts the colours of even areas. The
other convolutions carry only a correction, and hardly suffer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import openvino as ov
from openvino import opset13 as ops
from PIL import Image

from demo_data import (
    SCALE,
    TRAINING_PHOTOGRAPHS,
    FloatArray,
    enlarge_bicubic,
    load_photograph,
    psnr,
    reduce,
    stack,
    validation_items,
)

FEATURES = 32
"""Channels between the convolutions."""

BLOCKS = 4
"""Residual blocks, of two convolutions each."""

PATCH = 32
"""Height and width of the training patches before enlargement, in pixels."""

BATCH = 16
LEARNING_RATE = 1e-3
WARM_UP_STEPS = 200
REPORT_STEPS = 500

Weights = dict[str, jax.Array]
Pair = tuple[FloatArray, FloatArray]


def initial_weights(generator: np.random.Generator) -> Weights:
    """Return the convolutions' kernels, [output, input, height, width], and biases, [output], by name.

    Kernels are random (He et al., 2015), smaller where a convolution's result is added to a sum. That of
    ``skip/conv`` repeats each pixel, so that training starts from nearest-neighbour enlargement.
    """
    weights: Weights = {}

    def add(name: str, inputs: int, outputs: int, gain: float) -> None:
        kernel = generator.normal(0.0, gain * np.sqrt(2.0 / (9 * inputs)), (outputs, inputs, 3, 3))
        weights[name] = jnp.asarray(kernel, jnp.float32)
        weights[f"{name}/bias"] = jnp.zeros(outputs, jnp.float32)

    add("features/conv", 3, FEATURES, 1.0)
    for block in range(1, BLOCKS + 1):
        add(f"block{block}/conv1", FEATURES, FEATURES, 1.0)
        add(f"block{block}/conv2", FEATURES, FEATURES, 0.1)
    add("upscale/conv", FEATURES, 3 * SCALE**2, 0.1)

    kernel = np.zeros((3 * SCALE**2, 3, 5, 5), np.float32)
    for output in range(3 * SCALE**2):
        kernel[output, output // SCALE**2, 2, 2] = 1.0
    weights["skip/conv"] = jnp.asarray(kernel)
    weights["skip/conv/bias"] = jnp.zeros(3 * SCALE**2, jnp.float32)
    return weights


def restore(weights: Weights, image: jax.Array) -> jax.Array:
    """Enlarge images: [N, H, W, 3] to [N, SCALE * H, SCALE * W, 3], 0 to 1.

    Channels are last here, because that is what jax computes fastest on a CPU.
    """

    def convolve(name: str, value: jax.Array) -> jax.Array:
        kernel = weights[name].transpose(2, 3, 1, 0)
        layout = ("NHWC", "HWIO", "NHWC")
        value = jax.lax.conv_general_dilated(value, kernel, (1, 1), "SAME", dimension_numbers=layout)
        return value + weights[f"{name}/bias"]

    count, height, width, channels = image.shape
    value = jax.nn.relu(convolve("features/conv", image))
    for block in range(1, BLOCKS + 1):
        inner = jax.nn.relu(convolve(f"block{block}/conv1", value))
        value = value + convolve(f"block{block}/conv2", inner)
    value = convolve("upscale/conv", value) + convolve("skip/conv", image)
    value = value.reshape(count, height, width, channels, SCALE, SCALE).transpose(0, 1, 4, 2, 5, 3)
    return value.reshape(count, SCALE * height, SCALE * width, channels)


def build_model(weights: Mapping[str, FloatArray]) -> ov.Model:
    """Return the network as an OpenVINO model: ``image`` [N, 3, H, W] to ``restored`` [N, 3, 2 H, 2 W]."""

    def constant(value: FloatArray, name: str) -> ov.Node:
        node = ops.constant(np.ascontiguousarray(value, np.float32))
        node.set_friendly_name(name)
        return node

    def convolve(name: str, value: ov.Node) -> ov.Node:
        kernel, bias = weights[name], weights[f"{name}/bias"]
        padding = [kernel.shape[2] // 2, kernel.shape[3] // 2]
        kernel_node = constant(kernel, f"{name}/weights")
        product = ops.convolution(value, kernel_node, [1, 1], padding, padding, [1, 1], name=name)
        return ops.add(product, constant(bias.reshape(1, -1, 1, 1), f"{name}/bias/values"), name=f"{name}/bias")

    image = ops.parameter(ov.PartialShape([-1, 3, -1, -1]), ov.Type.f32, name="image")
    image.output(0).set_names({"image"})
    image.set_layout(ov.Layout("NCHW"))
    value = ops.relu(convolve("features/conv", image), name="features/relu")
    for block in range(1, BLOCKS + 1):
        inner = ops.relu(convolve(f"block{block}/conv1", value), name=f"block{block}/relu")
        value = ops.add(value, convolve(f"block{block}/conv2", inner), name=f"block{block}/sum")
    value = ops.add(convolve("upscale/conv", value), convolve("skip/conv", image), name="skip/sum")
    value = ops.depth_to_space(value, "depth_first", SCALE, name="upscale/shuffle")
    value.output(0).set_names({"restored"})
    return ov.Model([ops.result(value, name="output")], [image], "photo_x2")


def training_pairs() -> list[Pair]:
    """Return every training photograph in three sizes.

    Each pair is (reduced [H, W, 3], target [SCALE * H, SCALE * W, 3]), float32, 0 to 1.
    """
    pairs: list[Pair] = []
    for name in TRAINING_PHOTOGRAPHS:
        photograph = load_photograph(name)
        for factor in (1.0, 0.75, 0.5):
            height, width = (int(size * factor) // SCALE * SCALE for size in photograph.shape[:2])
            target = np.asarray(Image.fromarray(photograph).resize((width, height), Image.Resampling.BICUBIC))
            pairs.append((reduce(target).astype(np.float32) / 255, target.astype(np.float32) / 255))
    return pairs


def sample_batch(pairs: list[Pair], generator: np.random.Generator) -> Pair:
    """Return BATCH random patches of random photographs, randomly mirrored and turned.

    The patches are [BATCH, PATCH, PATCH, 3], their targets SCALE times as high and wide.
    """
    images, targets = [], []
    for index in generator.integers(len(pairs), size=BATCH):
        image, target = pairs[index]
        y = int(generator.integers(image.shape[0] - PATCH + 1))
        x = int(generator.integers(image.shape[1] - PATCH + 1))
        image = image[y : y + PATCH, x : x + PATCH]
        target = target[SCALE * y : SCALE * (y + PATCH), SCALE * x : SCALE * (x + PATCH)]
        turns, direction = int(generator.integers(4)), int(generator.choice([-1, 1]))
        images.append(np.rot90(image, turns)[:, ::direction])
        targets.append(np.rot90(target, turns)[:, ::direction])
    return np.stack(images), np.stack(targets)


def make_step(steps: int) -> Callable[..., tuple[Weights, Weights, Weights, jax.Array]]:
    """Return the compiled training step: Adam with a short warm-up and a cosine decay to zero.

    It takes the weights, Adam's first and second moments, the step's number (from 1), the patches and
    their targets, and returns the new weights and moments, and the loss before the step.
    """

    def loss(weights: Weights, image: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.mean(jnp.abs(restore(weights, image) - target))

    @jax.jit
    def step(
        weights: Weights, first: Weights, second: Weights, number: jax.Array, image: jax.Array, target: jax.Array
    ) -> tuple[Weights, Weights, Weights, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(weights, image, target)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = LEARNING_RATE * jnp.minimum(1.0, number / WARM_UP_STEPS)
        rate = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * (number - 1.0) / steps))

        def update(weight: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            return weight - rate * (m / (1 - 0.9**number)) / (jnp.sqrt(v / (1 - 0.999**number)) + 1e-8)

        return jax.tree.map(update, weights, first, second), first, second, value

    return step


def train(seed: int, steps: int) -> Weights:
    """Return weights trained for a number of steps, printing the progress."""
    generator = np.random.default_rng(seed)
    pairs = training_pairs()
    items = validation_items()
    images = jnp.asarray(stack(items)[0].transpose(0, 2, 3, 1))
    enlarge = jax.jit(restore)
    bicubic = np.mean([psnr(enlarge_bicubic(image), target) for image, target in items])
    print(f"validation PSNR of bicubic enlargement: {bicubic:.2f} dB", flush=True)

    weights = initial_weights(generator)
    first = second = jax.tree.map(jnp.zeros_like, weights)
    step = make_step(steps)
    started = time.perf_counter()
    losses: list[float] = []
    for number in range(1, steps + 1):
        image, target = sample_batch(pairs, generator)
        weights, first, second, loss = step(weights, first, second, jnp.float32(number), image, target)
        losses.append(float(loss))
        if number % REPORT_STEPS == 0 or number == steps:
            restored = np.asarray(enlarge(weights, images)).transpose(0, 3, 1, 2)[:, np.newaxis]
            score = np.mean([psnr(output, target) for output, (_, target) in zip(restored, items, strict=True)])
            elapsed = time.perf_counter() - started
            print(
                f"step {number}: loss {np.mean(losses):.5f}, validation PSNR {score:.2f} dB, {elapsed:.0f} s",
                flush=True,
            )
            losses.clear()
    return weights


def main() -> None:
    """Train the network and write it as OpenVINO IR."""
    parser = argparse.ArgumentParser(description="Train the demo network and write it as OpenVINO IR.")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial weights and of the patches")
    parser.add_argument("--steps", type=int, default=6000, help="training steps")
    parser.add_argument("--output", type=Path, required=True, help="the .xml file to write, with its .bin beside it")
    arguments = parser.parse_args()

    weights = train(arguments.seed, arguments.steps)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    model = build_model({name: np.asarray(value) for name, value in weights.items()})
    ov.save_model(model, arguments.output, compress_to_fp16=False)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
