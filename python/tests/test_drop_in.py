# SPDX-License-Identifier: Apache-2.0
"""Code written for NNCF runs with the import changed: every name that it may use, and the way its examples go."""

import importlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from small_models import Array, normal, types
from stand_ins import Tensor

import tightrope
import tightrope as nncf

# What examples and the user's guide import for basic quantization and accuracy control.
NAMES = {
    "": [
        "AdvancedAccuracyRestorerParameters",
        "AdvancedQuantizationParameters",
        "AdvancedSmoothQuantParameters",
        "Dataset",
        "DropType",
        "IgnoredScope",
        "ModelType",
        "OverflowFix",
        "QuantizationMode",
        "QuantizationPreset",
        "Subgraph",
        "TargetDevice",
        "__version__",
        "quantize",
        "quantize_with_accuracy_control",
        "set_log_level",
    ],
    "common.logging": ["nncf_logger"],
    "common.logging.logger": ["disable_logging", "nncf_logger", "set_log_file", "set_log_level"],
    "common.logging.track_progress": ["track"],
    "common.quantization.structs": ["QuantizationPreset", "QuantizationScheme"],
    "data": ["Dataset"],
    "data.dataset": ["Dataset"],
    "errors": ["ParameterNotSupportedError", "UnsupportedModelError", "ValidationError"],
    "onnx.quantization.backend_parameters": ["BackendParameters"],
    "openvino.quantization.backend_parameters": ["BackendParameters"],
    "parameters": ["DropType", "ModelType", "QuantizationMode", "TargetDevice"],
    "quantization": ["QuantizationPreset", "quantize", "quantize_with_accuracy_control"],
    "quantization.advanced_parameters": [
        "AdvancedAccuracyRestorerParameters",
        "AdvancedBiasCorrectionParameters",
        "AdvancedQuantizationParameters",
        "AdvancedSmoothQuantParameters",
        "AggregatorType",
        "FP8QuantizationParameters",
        "OverflowFix",
        "QuantizationMode",
        "QuantizationParameters",
        "RangeEstimatorParameters",
        "RestoreMode",
        "StatisticsType",
    ],
    "quantization.quantize_model": ["quantize", "quantize_with_accuracy_control"],
    "quantization.range_estimator": [
        "AggregatorType",
        "RangeEstimatorParameters",
        "RangeEstimatorParametersSet",
        "StatisticsCollectorParameters",
        "StatisticsType",
    ],
    "scopes": ["IgnoredScope", "Subgraph"],
}


@pytest.mark.parametrize("module", NAMES)
def test_names_are_where_nncf_has_them(module: str) -> None:
    ours = importlib.import_module(f"tightrope.{module}" if module else "tightrope")
    assert [name for name in NAMES[module] if not hasattr(ours, name)] == []


def test_every_public_name_of_nncf_is_there_or_says_what_it_is_for() -> None:
    theirs = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")
    for name, value in vars(theirs).items():
        if name.startswith("_") or not getattr(value, "__module__", "").startswith("nncf"):
            continue
        try:
            getattr(tightrope, name)
        except tightrope.UnsupportedError as error:
            assert f"tightrope.{name} is for" in str(error)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tightrope", "compress_weights"),
        ("tightrope.quantization", "compress_weights"),
        ("tightrope.parameters", "CompressWeightsMode"),
        ("tightrope.quantization.advanced_parameters", "AdvancedCompressionParameters"),
        ("tightrope.data", "generate_text_data"),
        ("tightrope", "strip"),
    ],
)
def test_names_for_other_jobs_say_so(module: str, name: str) -> None:
    with pytest.raises(tightrope.UnsupportedError, match=rf"{module}\.{name} is for .*, which Tightrope does not do"):
        getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError):
        getattr(importlib.import_module(module), f"{name}_")


def test_track_gives_the_items(capfd: pytest.CaptureFixture[str]) -> None:
    from tightrope.common.logging.track_progress import track

    assert list(track([1, 2, 3], description="Validating", transient=True)) == [1, 2, 3]
    assert "Validating" in capfd.readouterr().err


# A detector as the examples have it: a backbone, three heads, and a tail that turns distances into boxes.


def _constant(values: Any) -> ov.Node:
    return ops.constant(np.asarray(values, np.float32))


def _convolution(data: ov.Node, inputs: int, outputs: int, name: str, seed: int, stride: int = 1) -> ov.Node:
    weights = normal(seed, (outputs, inputs, 3, 3), (2 / (9 * inputs)) ** 0.5)
    node = ops.convolution(data, ops.constant(weights), [stride] * 2, [1, 1], [1, 1], [1, 1], name=f"{name}/conv")
    return ops.add(node, _constant(normal(seed + 1, (1, outputs, 1, 1), 0.1)), name=f"{name}/bias")


def _silu(data: ov.Node, name: str) -> ov.Node:
    return ops.multiply(data, ops.sigmoid(data, name=f"{name}/sigmoid"), name=f"{name}/mul")


def detector(classes: int = 3) -> ov.Model:
    """Image [?, 3, 32, 32] -> "output0" [?, 4 + classes, 80]: boxes in pixels, and scores."""
    image = ops.parameter([-1, 3, 32, 32], np.float32, name="images")
    image.output(0).set_names({"images"})
    data, heads, channels = image, [], 3
    for level in range(2):
        name = f"/model.{level}"
        data = _silu(_convolution(data, channels, 16, name, 10 + 4 * level, stride=2), name)
        channels = 16
        head = _convolution(data, 16, 4 + classes, f"/model.22/cv{level}", 30 + 4 * level)
        heads.append(ops.reshape(head, ops.constant([0, 4 + classes, -1]), True, name=f"/model.22/Reshape_{level}"))
    together = ops.concat(heads, 2, name="/model.22/Concat_3")
    split = ops.variadic_split(together, ops.constant(1), ops.constant([4, classes]), name="/model.22/Split")
    distances = ops.relu(split.output(0), name="/model.22/Relu")
    left_top, right_bottom = ops.split(distances, ops.constant(1), 2, name="/model.22/Split_1").outputs()
    anchors = _constant(np.linspace(0, 32, 320 * 2, dtype=np.float32).reshape(1, 2, 320))
    corners = [
        ops.subtract(anchors, left_top, name="/model.22/Sub"),
        ops.add(anchors, right_bottom, name="/model.22/Add"),
    ]
    boxes = ops.multiply(ops.concat(corners, 1, name="/model.22/Concat_4"), _constant([[[4.0]]]), name="/model.22/Mul")
    scores = ops.sigmoid(split.output(1), name="/model.22/Sigmoid")
    output = ops.concat([boxes, scores], 1, name="/model.22/Concat_5")
    output.output(0).set_names({"output0"})
    return ov.Model([ops.result(output, name="output0")], [image], "detector")


class Loader:
    """Dicts of a batch of one as the loaders of detectors give: bytes, labels, file names; knows its length."""

    batch_size = 1

    def __init__(self, images: Array) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for i, image in enumerate(self.images):
            yield {"img": Tensor(image[None]), "im_file": (f"{i}.jpg",), "batch_idx": Tensor(np.zeros(1))}


class Validator:
    """Keeps statistics between calls, as the examples' validators do, and compares with what it first saw."""

    def __init__(self, model: ov.Model) -> None:
        compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.expected = lambda image: compiled(image)[0]
        self.stats: list[float] = []
        self.seen = 0

    def preprocess(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "img": Tensor(batch["img"].numpy().astype(np.float32) / 255)}

    def update_metrics(self, predictions: Array, batch: dict[str, Any]) -> None:
        self.seen += 1
        truth = self.expected(batch["img"].numpy())
        close = np.abs(predictions[:, :4] - truth[:, :4]).max(axis=1) < 1.5  # pixels
        same = predictions[:, 4:].argmax(axis=1) == truth[:, 4:].argmax(axis=1)
        self.stats.append(float((close & same).mean()))

    def get_stats(self) -> dict[str, float]:
        return {"metrics/mAP50-95(B)": float(np.mean(self.stats))}


def images(count: int) -> Array:
    smooth = np.random.default_rng(5).uniform(0, 255, (count, 3, 8, 8))
    return smooth.repeat(4, axis=2).repeat(4, axis=3).astype(np.uint8)


def of_the_detector(model: Any, loader: Loader, validator: Validator, run: Any, types_left: list[str]) -> Any:
    """The steps of both detection examples; `run(model, batch)` is what differs."""

    def transform_fn(data_item: dict[str, Any]) -> Any:
        return validator.preprocess(data_item)["img"].numpy()

    def validation_ac(model: Any, loader: Iterable[Any], validator: Validator, num_samples: int | None = None) -> Any:
        validator.seen, validator.stats = 0, []
        infer = run(model)
        for i, batch in enumerate(loader):
            if num_samples is not None and i == num_samples:
                break
            batch = validator.preprocess(batch)
            validator.update_metrics(infer(batch["img"]), batch)
        return validator.get_stats()["metrics/mAP50-95(B)"]

    dataset = nncf.Dataset(loader, transform_fn)
    return nncf.quantize_with_accuracy_control(
        model,
        dataset,
        dataset,
        subset_size=len(loader),
        validation_fn=partial(validation_ac, validator=validator),
        max_drop=0.003,
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(
            types=types_left,
            subgraphs=[nncf.Subgraph(inputs=["/model.22/Concat_3"], outputs=[model_output(model)])],
        ),
    )


def model_output(model: Any) -> str:
    return "output0" if isinstance(model, ov.Model) else "/model.22/Concat_5"


def test_the_openvino_detector_example() -> None:
    model = detector()
    validator = Validator(model)

    def run(compiled: ov.CompiledModel) -> Any:
        return lambda image: compiled(np.asarray(image))[compiled.output(0)]

    result = of_the_detector(model, Loader(images(24)), validator, run, ["Multiply", "Subtract", "Sigmoid"])
    report = nncf.report(result)
    assert report.status == "met"
    assert report.drop <= 0.003
    assert validator.seen == 24
    assert set(report.quantized) <= {
        f"{name}/conv" for name in ("/model.0", "/model.1", "/model.22/cv0", "/model.22/cv1")
    }
    assert len(report.quantized) >= 2
    assert isinstance(result, ov.Model)


def test_the_onnx_detector_example() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    small_onnx_models = pytest.importorskip("small_onnx_models")
    model = small_onnx_models.classifier()
    output = model.graph.node[-1].name
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = normal(6, (16, 3, 8, 8))
    truth = [session.run(None, {"image": image[None]})[0].argmax() for image in inputs]

    def validation_ac(val_model: Any, loader: Iterable[Any]) -> tuple[float, None]:
        session = onnxruntime.InferenceSession(val_model.SerializeToString(), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        hits = [
            session.run(names, input_feed={"image": batch["img"].numpy()})[0].argmax() == truth[i]
            for i, batch in enumerate(loader)
        ]
        return float(np.mean(hits)), None

    dataset = nncf.Dataset(Loader(inputs), lambda item: {model.graph.input[0].name: item["img"].numpy()})
    result = nncf.quantize_with_accuracy_control(
        model,
        dataset,
        dataset,
        subset_size=16,
        validation_fn=validation_ac,
        max_drop=0.003,
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(
            types=["Mul", "Sub", "Sigmoid"],
            subgraphs=[nncf.Subgraph(inputs=["pool"], outputs=[output])],
            validate=False,
        ),
    )
    report = nncf.report(result)
    assert report.status == "met"
    assert report.quantized == ["conv1", "conv2"]


# An anomaly detector: the distance between the features of a teacher and of a student; F1 over its maximum.


def anomaly_detector() -> ov.Model:
    image = ops.parameter([1, 3, 32, 32], np.float32, name="image")
    image.output(0).set_names({"image"})
    sides = []
    for name, seed in (("teacher", 60), ("student", 60)):
        data = ops.relu(_convolution(image, 3, 16, name, seed), name=f"{name}/relu")
        data = _convolution(data, 16, 16, f"{name}/deep", seed + 2 + (name == "student"))
        sides.append(ops.normalize_l2(data, ops.constant([1]), 1e-12, "max", name=f"{name}/normal"))
    distance = ops.squared_difference(*sides, name="distance")
    anomalies = ops.reduce_mean(distance, ops.constant([1]), True, name="map")
    anomalies.output(0).set_names({"map"})
    return ov.Model([ops.result(anomalies)], [image], "anomaly")


def test_the_anomaly_example() -> None:
    model = anomaly_detector()
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = normal(8, (40, 1, 3, 32, 32))
    scores = np.array([compiled(image)[0].max() for image in inputs])
    labels = (scores > np.median(scores)).astype(np.int32)
    params = {"image_threshold": float(np.median(scores)), "min": float(scores.min()), "max": float(scores.max())}
    test_loader = [
        {"image": Tensor(image), "label": Tensor(np.array([label]))}
        for image, label in zip(inputs, labels, strict=True)
    ]

    def validate(
        model: ov.CompiledModel, loader: Iterable[Any], val_params: dict[str, float]
    ) -> tuple[Array, list[float]]:
        output = model.outputs[0]
        found, per_sample = [], []
        for batch in loader:
            score = np.max(model(np.asarray(batch["image"]))[output], axis=(1, 2, 3))
            score = (score - val_params["image_threshold"]) / (val_params["max"] - val_params["min"]) + 0.5
            found.append(int(score[0] > 0.5))
            per_sample.append(float(found[-1] == batch["label"].numpy()[0]))
        truth = np.array([batch["label"].numpy()[0] for batch in test_loader][: len(found)])
        hits = int((np.array(found) & truth).sum())
        return np.asarray(2 * hits / max(sum(found) + truth.sum(), 1), np.float32), per_sample  # a tensor of no axes

    def transform_fn(data_item: dict[str, Any]) -> Any:
        return data_item["image"]

    anomalous = [{"image": item["image"]} for item in test_loader if item["label"].numpy()[0] == 1]
    result = nncf.quantize_with_accuracy_control(
        model=model,
        calibration_dataset=nncf.Dataset(anomalous, transform_fn),
        validation_dataset=nncf.Dataset(test_loader, transform_fn),
        validation_fn=partial(validate, val_params=params),
        max_drop=0.005,
    )
    report = nncf.report(result)
    assert report.status == "met"
    assert report.drop <= 0.005
    final, _ = validate(ov.compile_model(result, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), test_loader, params)
    assert report.final_metric == pytest.approx(float(final), abs=1e-6)
    assert "Convolution" in types(result)
