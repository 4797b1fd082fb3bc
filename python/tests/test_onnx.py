# SPDX-License-Identifier: Apache-2.0
"""Both jobs on `onnx.ModelProto` objects, with the contract that they have on OpenVINO models."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import small_onnx_models  # noqa: E402
from small_onnx_models import accuracy, constants, run, types  # noqa: E402

import tightrope  # noqa: E402
from tightrope import AdvancedQuantizationParameters, Dataset, InvalidArgumentError  # noqa: E402
from tightrope.onnx.quantization.backend_parameters import BackendParameters  # noqa: E402


@pytest.fixture(scope="module")
def fragile() -> Any:
    return small_onnx_models.fragile()


@pytest.fixture(scope="module")
def classifier() -> Any:
    return small_onnx_models.classifier()


def control(model: Any, vectors: Dataset, labeled: Dataset, validate: Any = accuracy, **changes: Any) -> Any:
    arguments = {"max_drop": 0.05, "repair": False, **changes}
    return tightrope.quantize_with_accuracy_control(model, vectors, labeled, validate, **arguments)


# Quantization.


def test_weights_become_int8_and_convolutions_lie_between_quantizers(classifier: Any, images: Dataset) -> None:
    result = tightrope.quantize(classifier, images)
    onnx.checker.check_model(result, full_check=True)
    found = types(result)
    # The image, both convolutions' results and the average are quantized; three weights are stored in 8 bits.
    assert (found.count("QuantizeLinear"), found.count("DequantizeLinear")) == (4, 7)
    weights = [array for array in constants(result).values() if array.dtype == np.int8 and array.ndim > 1]
    assert sorted(array.shape for array in weights) == [(8, 3, 3, 3), (8, 4), (8, 8, 3, 3)]
    assert not any(array.dtype == np.float32 and array.ndim > 1 for array in constants(result).values())
    image = small_models.images(1)[0]
    expected = run(classifier, image)
    assert np.abs(run(result, image) - expected).max() < 0.05 * np.abs(expected).max()


def test_the_model_of_the_user_is_not_changed(classifier: Any, images: Dataset) -> None:
    before = classifier.SerializeToString()
    assert tightrope.quantize(classifier, images) is not classifier
    assert classifier.SerializeToString() == before


def test_the_same_input_gives_the_same_bytes(classifier: Any, images: Dataset) -> None:
    first, second = (tightrope.quantize(classifier, images).SerializeToString() for _ in range(2))
    assert first == second


def test_what_stays_in_floating_point_is_byte_for_byte_as_it_was(classifier: Any, images: Dataset) -> None:
    result = tightrope.quantize(classifier, images, ignored_scope=tightrope.IgnoredScope(names=["conv1"]))
    original = next(node for node in classifier.graph.node if node.name == "conv1")
    kept = next(node for node in result.graph.node if node.name == "conv1")
    assert kept.SerializeToString() == original.SerializeToString()
    for name in ("conv1/weights", "conv1/bias"):
        assert (constants(result)[name] == constants(classifier)[name]).all()


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 21])
def test_older_operator_sets_are_carried_over_to_13_and_newer_ones_stay(opset: int, images: Dataset) -> None:
    result = tightrope.quantize(small_onnx_models.classifier(opset), images)
    assert [entry.version for entry in result.opset_import] == [max(opset, 13)]
    assert any(array.shape == (8,) for name, array in constants(result).items() if name.startswith("scale_"))


def test_an_operator_set_without_quantizers_that_must_stay_is_refused_by_the_operator(images: Dataset) -> None:
    weights = {"conv/weights": small_models.normal(1, (4, 3, 1, 1)), "factors": np.array([1, 1, 0.5, 0.5], np.float32)}
    nodes = [
        onnx.helper.make_node("Conv", ["image", "conv/weights"], ["a"], "conv"),
        onnx.helper.make_node("Upsample", ["a", "factors"], ["y"], "smaller"),
    ]
    model = small_onnx_models.model(nodes, weights, [("image", [1, 3, 8, 8])], [("y", [1, 4, 4, 4])], 9)
    with pytest.raises(tightrope.UnsupportedError, match=r"operator set 9.*node 'smaller' \(Upsample\)"):
        tightrope.quantize(model, images)


def test_an_onnx_and_an_openvino_model_get_the_same_int8_operations(fragile: Any, vectors: Dataset) -> None:
    of_openvino = tightrope.quantize(small_models.fragile(), vectors)
    of_onnx = tightrope.quantize(fragile, vectors)
    assert tightrope.report(of_onnx).quantized == tightrope.report(of_openvino).quantized


@pytest.mark.parametrize(
    "options",
    [
        {"mode": tightrope.QuantizationMode.FP8_E4M3},
        {"target_device": tightrope.TargetDevice.CPU_SPR},
        {
            "advanced_parameters": AdvancedQuantizationParameters(
                activations_quantization_params=tightrope.quantization.advanced_parameters.QuantizationParameters(
                    num_bits=4
                )
            )
        },
    ],
)
def test_what_does_not_work_for_onnx_is_refused_before_the_work(
    options: dict[str, Any], classifier: Any, images: Dataset
) -> None:
    with pytest.raises(tightrope.UnsupportedError):
        tightrope.quantize(classifier, images, **options)


def test_an_empty_model_is_refused_in_a_sentence(images: Dataset) -> None:
    with pytest.raises(InvalidArgumentError, match="no graph with outputs; an ONNX model is needed"):
        tightrope.quantize(onnx.ModelProto(), images)


def test_data_that_do_not_fit_are_refused_with_item_and_input(classifier: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"calibration item 0, input '0': shape \[1,4,8,8\] came"):
        tightrope.quantize(classifier, Dataset([np.zeros((1, 4, 8, 8), np.float32)]))


# Tensors in files.


@pytest.fixture
def in_files(classifier: Any, tmp_path: Path) -> Any:
    """The classifier with its weights in a file, not loaded."""
    onnx.save_model(
        copy.deepcopy(classifier),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return onnx.load(tmp_path / "model.onnx", load_external_data=False)


def test_tensors_in_files_are_read_from_their_folder(
    in_files: Any, classifier: Any, images: Dataset, tmp_path: Path
) -> None:
    before = in_files.SerializeToString()
    advanced = AdvancedQuantizationParameters(backend_params={BackendParameters.EXTERNAL_DATA_DIR: str(tmp_path)})
    result = tightrope.quantize(in_files, images, advanced_parameters=advanced)
    assert in_files.SerializeToString() == before
    image = small_models.images(1)[0]
    assert (run(result, image) == run(tightrope.quantize(classifier, images), image)).all()


def test_tensors_in_files_need_their_folder(in_files: Any, images: Dataset) -> None:
    with pytest.raises(InvalidArgumentError, match="external_data_dir"):
        tightrope.quantize(in_files, images)


def test_a_folder_without_the_files_is_refused(in_files: Any, images: Dataset, tmp_path: Path) -> None:
    advanced = AdvancedQuantizationParameters(backend_params={"external_data_dir": str(tmp_path / "elsewhere")})
    with pytest.raises(InvalidArgumentError, match=r"weights\.bin"):
        tightrope.quantize(in_files, images, advanced_parameters=advanced)


# Accuracy control.


def test_only_what_must_be_is_returned_to_floating_point(fragile: Any, vectors: Dataset, labeled: Dataset) -> None:
    result = control(fragile, vectors, labeled)
    report = tightrope.report(result)
    assert (report.status, report.reverted, report.framework) == ("met", ["fragile"], "onnx")
    assert accuracy(fragile, labeled.get_data()) - accuracy(result, labeled.get_data()) == report.drop <= 0.05


def test_the_function_gets_models_and_all_of_the_items(fragile: Any, vectors: Dataset, labeled: Dataset) -> None:
    calls = []

    def validate(model: Any, items: Any) -> float:
        assert isinstance(model, onnx.ModelProto)
        items = list(items)
        calls.append(len(items))
        return accuracy(model, items)

    report = tightrope.report(control(fragile, vectors, labeled, validate))
    assert calls == [64] * len(calls) == [each["items"] for each in report.evaluations]
    assert len(calls) <= 4


def test_a_function_that_changes_its_model_does_no_harm(fragile: Any, vectors: Dataset, labeled: Dataset) -> None:
    before = fragile.SerializeToString()

    def validate(model: Any, items: Any) -> float:
        value = accuracy(model, items)
        model.Clear()
        return value

    result = control(fragile, vectors, labeled, validate)
    assert fragile.SerializeToString() == before
    assert result.SerializeToString() == control(fragile, vectors, labeled).SerializeToString()


def test_with_everything_reverted_the_result_is_the_original(fragile: Any, vectors: Dataset, labeled: Dataset) -> None:
    def identical(model: Any, items: Any) -> float:
        return float(all((run(model, x) == run(fragile, x)).all() for x, _ in items))

    result = control(fragile, vectors, labeled, identical)
    assert tightrope.report(result).quantized == []
    del result.metadata_props[:]
    assert result.SerializeToString() == fragile.SerializeToString()


def test_a_limit_that_cannot_be_met_raises_with_the_best_model(
    fragile: Any, vectors: Dataset, labeled: Dataset
) -> None:
    calls = []

    def sinking(model: Any, items: Any) -> float:
        calls.append(len(list(items)))
        return 10.0 - len(calls)

    with pytest.raises(tightrope.AccuracyNotReachedError) as caught:
        control(fragile, vectors, labeled, sinking)
    assert isinstance(caught.value.model, onnx.ModelProto)
    assert caught.value.drop > 0.05


def test_the_quantized_model_is_kept_in_the_folder_that_was_asked_for(
    fragile: Any, vectors: Dataset, labeled: Dataset, tmp_path: Path
) -> None:
    restorer = tightrope.AdvancedAccuracyRestorerParameters(intermediate_model_dir=str(tmp_path))
    control(fragile, vectors, labeled, advanced_accuracy_restorer_parameters=restorer)
    kept = onnx.load(tmp_path / "intermediate_model.onnx")
    assert types(kept).count("DequantizeLinear") == 6


# Reports, and OpenVINO.


def test_the_report_is_kept_by_saving(fragile: Any, vectors: Dataset, labeled: Dataset, tmp_path: Path) -> None:
    onnx.save(control(fragile, vectors, labeled), tmp_path / "model.onnx")
    assert tightrope.report(onnx.load(tmp_path / "model.onnx")).reverted == ["fragile"]


def test_a_model_of_the_user_has_no_report(fragile: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="no report"):
        tightrope.report(fragile)


def test_a_result_is_not_quantized_again(classifier: Any, images: Dataset) -> None:
    with pytest.raises(tightrope.QuantizationError, match="quantize"):
        tightrope.quantize(tightrope.quantize(classifier, images), images)


def test_a_result_becomes_an_openvino_model_with_its_report(classifier: Any, images: Dataset) -> None:
    result = tightrope.quantize(classifier, images)
    converted = tightrope.to_openvino(result)
    assert isinstance(converted, ov.Model)
    assert tightrope.report(converted).quantized == tightrope.report(result).quantized
    assert small_models.types(converted).count("FakeQuantize") == 4
    image = small_models.images(1)[0]
    found = ov.compile_model(converted, "CPU", small_models.F32)(image)[0]
    assert np.abs(found - run(result, image)).max() < 0.02 * np.abs(found).max()


@pytest.mark.parametrize("what", [3, None, small_models.fragile()])
def test_only_onnx_models_become_openvino_models(what: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="needs an onnx.ModelProto"):
        tightrope.to_openvino(what)


# Without ONNX Runtime.

WITHOUT = """
import openvino, small_models, small_onnx_models, tightrope
try:
    tightrope.quantize(small_onnx_models.classifier(), tightrope.Dataset(small_models.images(2)))
except tightrope.IoError as error:
    print(error)
tightrope.quantize(small_models.classifier(), tightrope.Dataset(small_models.images(2)))
print("done")
"""


def test_without_the_library_only_onnx_models_are_refused(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TIGHTROPE_ONNXRUNTIME": str(tmp_path / "libonnxruntime.so"),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    assert "pip install onnxruntime" in ran.stdout
    assert ran.stdout.endswith("done\n")
