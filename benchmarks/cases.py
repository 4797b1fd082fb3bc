# SPDX-License-Identifier: Apache-2.0
"""The models that are measured: networks that come with the project, and those of the zoo where it lies beside it."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino as ov

PROJECT = Path(__file__).resolve().parent.parent
ZOO = Path(os.environ.get("TIGHTROPE_ZOO", PROJECT.parent / "shared" / "zoo"))

Run = Callable[[Any], list[np.ndarray]]


@dataclass
class Case:
    """A model with data and a metric (higher is better)."""

    model: Path
    calibration: list[Any]  # model inputs
    items: list[Any]  # (model input, label)
    validate: Callable[[Run, list[Any]], float]
    max_drop: float
    subset_size: int  # items, of the calibration data


def read(path: Path, form: str) -> Any:
    """The model in a file, as "openvino" or "onnx"."""
    if form == "onnx":
        return onnx.load(path)
    return ov.convert_model(path) if path.suffix == ".onnx" else ov.Core().read_model(path)


def runner(model: Any) -> Run:
    """A function that runs one input and returns the outputs.

    model: an `onnx.ModelProto`, an `openvino.Model`, or a compiled one.
    """
    if isinstance(model, onnx.ModelProto):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = os.cpu_count() or 1
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
        names = [port.name for port in session.get_inputs()]

        def run_session(inputs: Any) -> list[np.ndarray]:
            if isinstance(inputs, np.ndarray):
                inputs = [inputs]
            return session.run(None, inputs if isinstance(inputs, dict) else dict(zip(names, inputs, strict=True)))

        return run_session
    if isinstance(model, ov.Model):
        model = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = model.create_infer_request()
    outputs = range(len(model.outputs))

    def run(inputs: Any) -> list[np.ndarray]:
        request.infer(inputs)
        return [np.array(request.get_output_tensor(i).data) for i in outputs]

    return run


def load(name: str) -> Case:
    """The case "demo" or "digits", or one of the zoo by the name of its folder."""
    if name == "digits":
        import digit_data

        def accuracy(run: Run, items: list[Any]) -> float:
            return float(np.mean([np.argmax(run(image)[0]) == label for image, label in items]))

        images = [{"image": image} for image, _ in digit_data.calibration_items()]
        items = [({"image": image}, label) for image, label in digit_data.test_items()]
        return Case(PROJECT / "benchmarks/models/digits.onnx", images, items, accuracy, 0.01, 300)
    if name == "demo":
        sys.path.insert(0, str(PROJECT / "examples"))
        import demo_data

        def validate(run: Run, items: list[Any]) -> float:
            return float(np.mean([demo_data.psnr(run(image)[0], target) for image, target in items]))

        images = [item[0] for item in demo_data.calibration_items()]
        return Case(PROJECT / "examples/models/photo_x2.xml", images, demo_data.validation_items(), validate, 0.1, 300)
    spec = importlib.util.spec_from_file_location(name, ZOO / name / "evaluate.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no case '{name}' in the zoo")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    items = module.load_dataset()
    calibration = [item[0] for item in (module.calibration_data() if hasattr(module, "calibration_data") else items)]
    batch = next(iter(calibration[0].values())).shape[0]
    max_drop = 0.1 if name == "supres_espcn" else 0.01
    return Case(ZOO / name / "model.onnx", calibration, items, module.validate, max_drop, max(1, 300 // batch))
