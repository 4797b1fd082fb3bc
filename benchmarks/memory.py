# SPDX-License-Identifier: Apache-2.0
"""Peak memory of calibration on large images, beyond that of running the model, by range estimator.

Each case runs in a process of its own. Prints megabytes; decides nothing.
"""

import subprocess
import sys

import numpy as np
import openvino as ov
import openvino.opset13 as ops

import tightrope
from tightrope import AdvancedQuantizationParameters, Dataset
from tightrope.quantization.range_estimator import RangeEstimatorParametersSet

SIZE, WIDTH, ITEMS = 1760, 8, 4
ESTIMATORS = ["MINMAX", "MEAN_MINMAX", "MEAN_QUANTILE", "HISTOGRAM"]


def network() -> ov.Model:
    """Image [1, 3, 1760, 1760] -> four convolutions of 8 channels and full size -> one channel."""
    rng = np.random.default_rng(1)
    data = image = ops.parameter([1, 3, SIZE, SIZE], np.float32, name="image")
    for layer in range(5):
        outputs, inputs = (WIDTH if layer < 4 else 1), data.get_output_shape(0)[1]
        weights = rng.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3)).astype(np.float32)
        data = ops.relu(ops.convolution(data, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1], name=f"c{layer}"))
    return ov.Model([ops.result(data)], [image], "large images")


class Images:
    """Made when they are read: 37 MB each."""

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, index: int) -> np.ndarray:
        if index >= ITEMS:
            raise IndexError
        return np.random.default_rng(index).normal(0, 1, (1, 3, SIZE, SIZE)).astype(np.float32)


def peak_mb() -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def measure(case: str) -> float:
    model = network()
    if case == "inference":
        compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for image in Images():
            compiled(image)
    else:
        advanced = AdvancedQuantizationParameters(
            activations_range_estimator_params=getattr(RangeEstimatorParametersSet, case)
        )
        tightrope.quantize(model, Dataset(Images()), advanced_parameters=advanced)
    return peak_mb()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(f"{measure(sys.argv[1]):.0f}")
    else:
        for case in ["inference", *ESTIMATORS]:
            run = subprocess.run([sys.executable, __file__, case], capture_output=True, text=True, check=True)
            print(f"{case}: {run.stdout.strip()} MB")
