# SPDX-License-Identifier: Apache-2.0
"""Digits on photographs: labelled images for the network that train_digits.py trains.

The digits are those that come with scikit-learn, 8 x 8 pixels; the photographs are the demo's. A digit is turned,
sheared, scaled and moved, and inverts the patch of a photograph behind it, as in MNIST-M (Ganin et al., 2016). Digits
and photographs of the test items are used for nothing else. Everything follows from a seed.
"""

import sys
from pathlib import Path

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
import demo_data  # noqa: E402

SIZE = 32
"""Height and width of an image, in pixels."""

TRAINING_DIGITS = 1200
"""The first ones; the other 597 are for the test."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Item = tuple[FloatArray, int]


class Digits:
    """Draws images of some of the digits, in front of some of the photographs."""

    def __init__(self, digits: slice, photographs: tuple[str, ...], seed: int) -> None:
        data = sklearn.datasets.load_digits()
        self.shapes: FloatArray = np.pad(data.images[digits] / 16, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
        self.labels: IntArray = data.target[digits].astype(np.int64)
        self.photographs = [demo_data.load_photograph(name) for name in photographs]
        self.random = np.random.default_rng(seed)

    def draw(self, indices: IntArray) -> tuple[FloatArray, IntArray]:
        """Return images of these digits, [N, 3, SIZE, SIZE], of about zero mean and unit variance, and their labels."""
        images = np.abs(self._patches(len(indices)) - self._shapes(indices)[:, np.newaxis])
        return (images - np.float32(0.45)) / np.float32(0.25), self.labels[indices]

    def _shapes(self, indices: IntArray) -> FloatArray:
        """Return how much of each pixel the digits cover, [N, SIZE, SIZE], 0 to 1."""
        count = len(indices)
        angle = self.random.uniform(-0.35, 0.35, count)
        shear = self.random.uniform(-0.2, 0.2, count)
        zoom = 8 / self.random.uniform(18, 32, count)  # pixels of the digit per pixel of the image
        shift = self.random.uniform(-4, 4, (2, count, 1, 1))
        y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
        y, x = y - shift[0], x - shift[1]
        cos, sin = ((zoom * turn)[:, np.newaxis, np.newaxis] for turn in (np.cos(angle), np.sin(angle)))
        x, y = cos * x - sin * y + shear[:, np.newaxis, np.newaxis] * y * 0.25, sin * x + cos * y
        y, x = np.clip(y + 4.5, 0, 8.999), np.clip(x + 4.5, 0, 8.999)
        top, left = y.astype(int), x.astype(int)
        y, x = y - top, x - left
        shape = self.shapes[indices]
        n = np.arange(count)[:, np.newaxis, np.newaxis]
        upper = (1 - x) * shape[n, top, left] + x * shape[n, top, left + 1]
        lower = (1 - x) * shape[n, top + 1, left] + x * shape[n, top + 1, left + 1]
        covered = (1 - y) * upper + y * lower
        return np.clip(3 * covered - 1, 0, 1).astype(np.float32)

    def _patches(self, count: int) -> FloatArray:
        """Return patches of photographs in their own or half their resolution, [N, 3, SIZE, SIZE], 0 to 1."""
        patches = np.empty((count, SIZE, SIZE, 3), np.float32)
        for patch in patches:
            photograph = self.photographs[self.random.integers(len(self.photographs))]
            step = int(self.random.integers(1, 3))
            y, x = (int(self.random.integers(size - step * SIZE + 1)) for size in photograph.shape[:2])
            patch[:] = photograph[y : y + step * SIZE : step, x : x + step * SIZE : step]
        return np.ascontiguousarray(patches.transpose(0, 3, 1, 2)) / np.float32(255)


def training_digits(seed: int) -> Digits:
    return Digits(slice(TRAINING_DIGITS), demo_data.TRAINING_PHOTOGRAPHS, seed)


def _items(digits: Digits, count: int) -> list[Item]:
    images, labels = digits.draw(np.arange(count) % len(digits.labels))
    return [(image[np.newaxis], int(label)) for image, label in zip(images, labels, strict=True)]


def calibration_items() -> list[Item]:
    """Return 300 items of the training digits: an image [1, 3, SIZE, SIZE] and its label."""
    return _items(training_digits(1), 300)


def test_items() -> list[Item]:
    """Return each test digit on four patches: an image [1, 3, SIZE, SIZE] and its label."""
    digits = Digits(slice(TRAINING_DIGITS, None), demo_data.VALIDATION_PHOTOGRAPHS, 2)
    return _items(digits, 4 * len(digits.labels))
