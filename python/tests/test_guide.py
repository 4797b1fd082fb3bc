# SPDX-License-Identifier: Apache-2.0
"""Code of NNCF's user guide runs with the import changed, on OpenVINO and ONNX models, or is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models

import tightrope as nncf


def accuracy_score(predicted: np.ndarray, expected: np.ndarray) -> float:
    return np.mean(np.asarray(predicted) == np.asarray(expected))  # a numpy number, as scikit-learn returns


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guide") / "model.xml"
    ov.save_model(small_models.fragile(), path, compress_to_fp16=False)
    return path


@pytest.fixture(scope="module")
def calibration_loader() -> small_models.Loader:
    items = small_models.labeled_vectors(96)
    return small_models.Loader(np.concatenate([x for x, _ in items]), np.array([y for _, y in items]), batch_size=32)


def transform_fn(data_item: Any) -> Any:
    vectors, _ = data_item
    return vectors


def validate(model: ov.CompiledModel, validation_loader: Any) -> float:
    predictions = []
    references = []
    output = model.outputs[0]
    for vectors, target in validation_loader:
        scores = model(vectors)[output]
        predictions.append(np.argmax(scores, axis=1))
        references.append(target)
    return accuracy_score(np.concatenate(predictions, axis=0), np.concatenate(references, axis=0))


def test_the_guide_to_quantizing_with_accuracy_control(
    model_path: Path, calibration_loader: small_models.Loader, tmp_path: Path
) -> None:
    calibration_dataset = nncf.Dataset(calibration_loader, transform_fn)
    validation_dataset = nncf.Dataset(calibration_loader, transform_fn)

    model = ov.Core().read_model(model_path)

    quantized_model = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=calibration_dataset,
        validation_dataset=validation_dataset,
        validation_fn=validate,
        max_drop=0.01,
        drop_type=nncf.DropType.ABSOLUTE,
    )

    # compile the model to run the quantized operations in int8
    model_int8 = ov.compile_model(quantized_model)
    input_fp32 = small_models.vectors(1)[0]
    res = model_int8(input_fp32)
    assert res[model_int8.outputs[0]].shape == (1, 4)

    ov.save_model(quantized_model, tmp_path / "quantized_model.xml", compress_to_fp16=False)
    ov.serialize(quantized_model, tmp_path / "serialized_model.xml")

    report = nncf.report(quantized_model)
    saved = ov.compile_model(tmp_path / "quantized_model.xml", "CPU", small_models.F32)
    assert report.original_metric - validate(saved, calibration_loader) <= 0.01
    assert report.quantized_metric < 0.9
    assert report.quantized


def test_the_guide_to_the_basic_flow(model_path: Path, calibration_loader: small_models.Loader, tmp_path: Path) -> None:
    calibration_dataset = nncf.Dataset(calibration_loader, transform_fn)

    model = ov.Core().read_model(str(model_path))
    quantized_model = nncf.quantize(model, calibration_dataset)

    model_int8 = ov.compile_model(quantized_model)
    model_int8(small_models.vectors(1)[0])
    ov.save_model(quantized_model, str(tmp_path / "quantized_model.xml"))
    assert (tmp_path / "quantized_model.bin").exists()


def test_the_guide_to_accuracy_control_for_onnx(calibration_loader: small_models.Loader, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    onnx.save(small_onnx_models.fragile(), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    input_name = model.graph.input[0].name

    def transform_fn(data_item: Any) -> Any:
        vectors, _ = data_item
        return {input_name: vectors}

    def validate(model: Any, validation_loader: Any) -> float:
        predictions = []
        references = []
        input_name = model.graph.input[0].name
        serialized_model = model.SerializeToString()
        session = onnxruntime.InferenceSession(serialized_model, providers=["CPUExecutionProvider"])
        output_names = [output.name for output in session.get_outputs()]
        for vectors, target in validation_loader:
            pred = session.run(output_names, input_feed={input_name: vectors})[0]
            predictions.append(np.argmax(pred, axis=1))
            references.append(target)
        return accuracy_score(np.concatenate(predictions, axis=0), np.concatenate(references, axis=0))

    quantized_model = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=nncf.Dataset(calibration_loader, transform_fn),
        validation_dataset=nncf.Dataset(calibration_loader, transform_fn),
        validation_fn=validate,
        max_drop=0.01,
        drop_type=nncf.DropType.ABSOLUTE,
    )
    ov_quantized_model = nncf.to_openvino(quantized_model)  # the guide's ov.convert_model takes no ModelProto
    ov.compile_model(ov_quantized_model)(small_models.vectors(1)[0])
    report = nncf.report(quantized_model)
    assert report.drop == report.original_metric - validate(quantized_model, calibration_loader) <= 0.01


def test_the_guide_with_a_loader_and_tensors_of_torch(model_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    items = small_models.labeled_vectors(96)
    vectors, labels = (torch.tensor(np.array(part)) for part in zip(*items, strict=True))
    data = torch.utils.data.TensorDataset(vectors[:, 0], labels)
    calibration_loader = torch.utils.data.DataLoader(data, batch_size=32)
    dataset = nncf.Dataset(calibration_loader, transform_fn)
    quantized_model = nncf.quantize_with_accuracy_control(
        ov.Core().read_model(model_path), dataset, dataset, validate, max_drop=0.01
    )
    assert nncf.report(quantized_model).drop <= 0.01


NAMES = small_models.FRAGILE_OPERATIONS
TUNING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "preset": ({"preset": nncf.QuantizationPreset.MIXED}, NAMES),
    "subset_size": ({"subset_size": 1000}, NAMES),
    "names": ({"ignored_scope": nncf.IgnoredScope(names=["first", "last"])}, ["fragile"]),
    "patterns": ({"ignored_scope": nncf.IgnoredScope(patterns=[".*agile.*"])}, ["first", "last"]),
    "types": ({"ignored_scope": nncf.IgnoredScope(types=["Convolution"], validate=False)}, NAMES),
    "subgraphs": (
        {"ignored_scope": nncf.IgnoredScope(subgraphs=[nncf.Subgraph(inputs=["first"], outputs=["fragile"])])},
        ["last"],
    ),
    "target_device": ({"target_device": nncf.TargetDevice.CPU}, NAMES),
    "mode": ({"mode": nncf.QuantizationMode.FP8_E4M3}, NAMES),
    "model_type": ({"model_type": nncf.ModelType.TRANSFORMER}, NAMES),
    "advanced_parameters": (
        {
            "advanced_parameters": nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE, disable_bias_correction=True
            )
        },
        NAMES,
    ),
}


@pytest.mark.parametrize("parameter", TUNING)
def test_the_guide_to_tuning_parameters_of_the_basic_flow(
    parameter: str, model_path: Path, calibration_loader: small_models.Loader
) -> None:
    options, quantized = TUNING[parameter]
    model = ov.Core().read_model(model_path)
    dataset = nncf.Dataset(calibration_loader, transform_fn)
    assert nncf.report(nncf.quantize(model, dataset, **options)).quantized == quantized


REFUSED = {
    # The guide gives a string where a list is needed; NNCF reads it letter by letter, and fails too.
    "patterns": ({"ignored_scope": nncf.IgnoredScope(patterns=".*agile.*")}, nncf.InvalidArgumentError),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("parameter", REFUSED)
def test_what_the_guide_shows_and_does_not_work_yet_is_refused_by_name(
    parameter: str, model_path: Path, calibration_loader: small_models.Loader
) -> None:
    options, error = REFUSED[parameter]
    model = ov.Core().read_model(model_path)
    with pytest.raises(error, match=parameter):
        nncf.quantize(model, nncf.Dataset(calibration_loader, transform_fn), **options)
