# SPDX-License-Identifier: Apache-2.0
"""Calibration and validation data of the demo: photographs in half and in full resolution.

The photographs are those that come inside the packages scikit-image and scikit-learn; nothing is
downloaded. The demo network (see ``train_demo_network.py``) doubles the height and the width of an
RGB image. Its input is therefore a photograph reduced to half its size (bicubic, rounded to 8 bits per
channel), and its target is the photograph itself.

The photographs in ``VALIDATION_PHOTOGRAPHS`` are used for nothing but validation. The network is
trained, and the int8 ranges are calibrated, on those in ``TRAINING_PHOTOGRAPHS``.

Run ``python demo_data.py FOLDER`` to write ``calibration.npz`` and ``validation.npz`` into FOLDER.
The result is deterministic. Needs numpy, Pillow, scikit-image and scikit-learn.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
Item = tuple[FloatArray, FloatArray]

SCALE = 2
"""How many times larger the target is than the input, in height and in width."""

INPUT_SIZE = 48
"""Height and width of an item's input, in pixels; its target has SCALE times as many."""

TRAINING_PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "coins",
    "flower",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "motorcycle",
    "retina",
    "rocket",
)

VALIDATION_PHOTOGRAPHS = ("cat", "china", "coffee")

CALIBRATION_ITEMS_PER_PHOTOGRAPH = 4


def load_photograph(name: str) -> ByteArray:
    """Return one photograph as RGB, [H, W, 3], 0 to 255, with even H and W.

    Grey photographs get three equal channels. An odd last row or column is cut off.
    """
    if name in ("china", "flower"):
        pixels = sklearn.datasets.load_sample_image(f"{name}.jpg")
    elif name == "motorcycle":
        pixels = skimage.data.stereo_motorcycle()[0]
    else:
        pixels = getattr(skimage.data, name)()
    pixels = np.asarray(pixels, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, np.newaxis], 3, axis=2)
    height, width = (size - size % SCALE for size in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width, :3])


def reduce(pixels: ByteArray) -> ByteArray:
    """Reduce an image [H, W, 3] to [H / SCALE, W / SCALE, 3] (bicubic with anti-aliasing, 8 bits)."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC))


def enlarge_bicubic(image: FloatArray) -> FloatArray:
    """Enlarge [1, 3, H, W] in [0, 1] to [1, 3, SCALE * H, SCALE * W]: what can be had without a network."""
    height, width = image.shape[2:]
    size = (SCALE * width, SCALE * height)
    channels = [
        np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        for channel in image[0]
    ]
    return np.clip(np.stack(channels)[np.newaxis], 0.0, 1.0)


def to_batch(pixels: ByteArray) -> FloatArray:
    """Turn [H, W, 3], 0 to 255, into [1, 3, H, W], 0 to 1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis]).astype(np.float32) / np.float32(255)


def tiles(name: str) -> Iterator[Item]:
    """Yield a photograph's items, cut side by side without overlap and centred, row by row."""
    photograph = load_photograph(name)
    reduced = reduce(photograph)
    rows, columns = (size // INPUT_SIZE for size in reduced.shape[:2])
    top = (reduced.shape[0] - rows * INPUT_SIZE) // 2
    left = (reduced.shape[1] - columns * INPUT_SIZE) // 2
    for row in range(rows):
        for column in range(columns):
            y, x = top + row * INPUT_SIZE, left + column * INPUT_SIZE
            small = reduced[y : y + INPUT_SIZE, x : x + INPUT_SIZE]
            large = photograph[SCALE * y : SCALE * (y + INPUT_SIZE), SCALE * x : SCALE * (x + INPUT_SIZE)]
            yield to_batch(small), to_batch(large)


def calibration_items() -> list[Item]:
    """Return a few items of every training photograph, spread evenly over it.

    Each item is (input [1, 3, 48, 48], target [1, 3, 96, 96]), float32, RGB, 0 to 1.
    """
    items: list[Item] = []
    for name in TRAINING_PHOTOGRAPHS:
        candidates = list(tiles(name))
        chosen = np.linspace(0, len(candidates) - 1, CALIBRATION_ITEMS_PER_PHOTOGRAPH).round().astype(int)
        items.extend(candidates[index] for index in chosen)
    return items


def validation_items() -> list[Item]:
    """Return every item of the validation photographs, which the network was never trained on.

    Each item is (input [1, 3, 48, 48], target [1, 3, 96, 96]), float32, RGB, 0 to 1.
    """
    return [item for name in VALIDATION_PHOTOGRAPHS for item in tiles(name)]


def psnr(prediction: FloatArray, target: FloatArray) -> float:
    """Return the peak signal-to-noise ratio in dB (higher is better) of a prediction clipped to [0, 1].

    Both arrays have the same shape, values 0 to 1. The ratio is of all their values taken together: call
    it for each item and average the results to get the score of a data set.
    """
    difference = np.clip(prediction, 0.0, 1.0).astype(np.float64) - target
    mean_square = max(float(np.mean(difference**2)), 1e-10)
    return -10.0 * float(np.log10(mean_square))


def stack(items: list[Item]) -> tuple[FloatArray, FloatArray]:
    """Stack N items into inputs [N, 3, H, W] and targets [N, 3, SCALE * H, SCALE * W]."""
    return np.concatenate([item[0] for item in items]), np.concatenate([item[1] for item in items])


def main() -> None:
    """Write ``calibration.npz`` and ``validation.npz`` into the folder given on the command line."""
    parser = argparse.ArgumentParser(description="Write the demo's calibration.npz and validation.npz.")
    parser.add_argument("folder", type=Path, help="where to write the two files; made if it does not exist")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    images, _ = stack(calibration_items())
    np.savez(folder / "calibration.npz", image=images)
    print(f"calibration.npz: image {list(images.shape)}")

    items = validation_items()
    images, targets = stack(items)
    np.savez(folder / "validation.npz", image=images, target=targets)
    bicubic = float(np.mean([psnr(enlarge_bicubic(image), target) for image, target in items]))
    print(f"validation.npz: image {list(images.shape)}, target {list(targets.shape)}")
    print(f"PSNR of plain bicubic enlargement on the validation items: {bicubic:.2f} dB")


if __name__ == "__main__":
    main()
