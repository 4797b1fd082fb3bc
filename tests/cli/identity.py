# SPDX-License-Identifier: Apache-2.0
"""Models that give what they get, so that tests choose the outputs, and what `validate` says of them."""

import json

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from program import DONE, run


def save_identity(folder, **outputs):
    """A model with an input and an equal output for each array."""
    inputs = []
    for name, array in outputs.items():
        inputs.append(ops.parameter([-1] * array.ndim, array.dtype, name=name))
        inputs[-1].output(0).set_names({name})
    results = [ops.result(ops.clamp(data, -1e9, 1e9)) for data in inputs]
    ov.save_model(ov.Model(results, inputs, "identity"), folder / "identity.xml", compress_to_fp16=False)
    return folder / "identity.xml"


def measure(folder, metric, labels, *more, batch=1, **outputs):
    """The numbers that `validate` prints for these outputs and labels."""
    model = save_identity(folder, **outputs)
    np.savez(folder / "data.npz", **outputs, **({} if labels is None else {"label": labels}))
    named = [] if labels is None else ["--labels", "label"]
    result = run(
        *("validate", model, "--validation", folder / "data.npz", *named, "--json", "--batch", batch),
        *("--metric", metric, *more),
    )
    assert result.returncode == DONE, result.stderr
    return json.loads(result.stdout)["metrics"]
