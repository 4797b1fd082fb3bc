# SPDX-License-Identifier: Apache-2.0
"""A job of accuracy control with enough groups to share, for this process, for workers and for mpirun."""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import small_models
from small_models import F32

import tightrope
from tightrope import AdvancedAccuracyRestorerParameters, Dataset


def closeness(model: Any, items: Any) -> tuple[float, list[float]]:
    """How near the outputs are to those that come with the items; 0 is best."""
    values = [-float(np.abs(model(image)[0] - expected).max()) for image, expected in items]
    return float(np.mean(values)), values


def closeness_alone(model: Any, items: Any) -> float:
    """The same without values: candidates are validated on all items."""
    return closeness(model, items)[0]


def network() -> ov.Model:
    model = small_models.classifier(layers=6, width=16, size=16)
    for position, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"operation {position}")  # those without a name are numbered through in each process
    return model


def validation_data(items: int = 48) -> Dataset[Any, Any]:
    compiled = ov.compile_model(network(), "CPU", F32)
    return Dataset([(image, compiled(image)[0].copy()) for image in small_models.images(items, size=16)])


def run(executor: Any = None, function: Callable[..., Any] = closeness, **changes: Any) -> ov.Model:
    arguments = {"max_drop": 0.004, "calibration_dataset": Dataset(small_models.images(8, size=16)), **changes}
    arguments.setdefault("validation_dataset", validation_data())
    return tightrope.quantize_with_accuracy_control(
        network(),
        validation_fn=function,
        repair=False,
        advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(max_num_iterations=20),
        executor=executor,
        **arguments,
    )


def result_of(model: ov.Model) -> str:
    """The bytes of the model. The report is inside of it, without times."""
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(model, Path(folder, "model.xml"), compress_to_fp16=False)
        files = [Path(folder, f"model{ending}").read_bytes() for ending in (".xml", ".bin")]
    return hashlib.sha256(b"".join(files)).hexdigest()


if __name__ == "__main__":  # under mpirun
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        sys.stdout.write(result_of(run(pool)) + "\n")
