# SPDX-License-Identifier: Apache-2.0
"""Statistics that are kept in a file and reused."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import limits

import tightrope
from tightrope import AdvancedQuantizationParameters, Dataset, InvalidArgumentError, IoError
from tightrope.quantization.range_estimator import RangeEstimatorParametersSet

VECTORS = small_models.vectors(16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "statistics.json"


def quantize(path: Path, data: Any = VECTORS, model: Any = None, **options: Any) -> Any:
    return tightrope.quantize(model or small_models.fragile(), Dataset(data), statistics_path=path, **options)


def test_the_second_run_gives_the_same_model_without_running_the_first(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = tightrope.quantize(small_models.fragile(), Dataset(VECTORS))
    first = quantize(file)
    written = file.read_bytes()
    stream = small_models.Stream(VECTORS)
    with caplog.at_level(logging.INFO, "tightrope"):
        second = quantize(file, stream)
    count = len(json.loads(written)["statistics"])
    assert f"{count} of {count} statistics were taken from '{file}'" in caplog.text
    assert limits(plain) == limits(first) == limits(second) != {}
    assert file.read_bytes() == written
    assert stream.read == len(VECTORS)  # to compare them with those that the statistics are of
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_reused_statistics_are_those_of_the_file(file: Path) -> None:
    quantize(file)
    document = json.loads(file.read_text())
    for observed in document["statistics"].values():
        observed["magnitude"] = [2 * value for value in observed["magnitude"]]
    file.write_text(json.dumps(document))
    doubled = limits(quantize(file))
    for name, (_, high) in limits(tightrope.quantize(small_models.fragile(), Dataset(VECTORS))).items():
        assert doubled[name][1] == pytest.approx(2 * high)


def test_what_other_options_need_is_added(file: Path) -> None:
    quantize(file)
    before = json.loads(file.read_text())["statistics"]
    advanced = AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MEAN_QUANTILE
    )
    added = quantize(file, advanced_parameters=advanced)
    after = json.loads(file.read_text())["statistics"]
    assert len(after) > len(before)
    assert all(after[key] == observed for key, observed in before.items())
    again = tightrope.quantize(small_models.fragile(), Dataset(VECTORS), advanced_parameters=advanced)
    assert limits(added) == limits(again) == limits(quantize(file, advanced_parameters=advanced))


def test_accuracy_control_reuses_them_and_has_its_samples(file: Path) -> None:
    labeled = Dataset(small_models.labeled_vectors(32), lambda item: item[0])

    def run() -> ov.Model:
        return tightrope.quantize_with_accuracy_control(
            small_models.fragile(),
            labeled,
            labeled,
            small_models.accuracy,
            statistics_path=file,
            max_drop=0.02,
            repair=False,
        )

    first, second = run(), run()
    assert limits(first) == limits(second)
    reports = [tightrope.report(model) for model in (first, second)]
    assert reports[0].final_metric == reports[1].final_metric
    assert reports[0].reverted == reports[1].reverted != []


@pytest.mark.parametrize("changed", [[1.0], "shorter", "longer"])
def test_other_data_are_noticed_and_the_file_stays(changed: Any, file: Path) -> None:
    quantize(file)
    written = file.read_bytes()
    data = [vector.copy() for vector in VECTORS]
    if changed == "shorter":
        data.pop()
    elif changed == "longer":
        data.append(data[0])
    else:
        data[7][0, 3] += 1e-3
    with pytest.raises(InvalidArgumentError, match=r"statistics\.json' were collected on other data; remove the file"):
        quantize(file, data)
    assert file.read_bytes() == written


def test_another_model_is_noticed(file: Path) -> None:
    quantize(file, small_models.images(4), small_models.classifier())
    other = small_models.classifier()
    for op in other.get_ops():
        if op.get_friendly_name() == "conv2":
            other_strides = op
    import openvino.opset13 as ops

    conv = ops.convolution(
        other_strides.input_value(0), other_strides.input_value(1), [1, 1], [2, 2], [2, 2], [2, 2], name="conv2"
    )
    assert conv.get_output_partial_shape(0) == other_strides.get_output_partial_shape(0)
    other_strides.output(0).replace(conv.output(0))
    for model in (other, small_models.classifier(width=9)):
        with pytest.raises(InvalidArgumentError, match="were collected for another model"):
            quantize(file, small_models.images(4), model)


def test_another_subset_is_noticed(file: Path) -> None:
    quantize(file, subset_size=8)
    with pytest.raises(InvalidArgumentError, match="with subset_size=8"):
        quantize(file, subset_size=9)


def test_a_damaged_file_is_one_clear_error(file: Path) -> None:
    quantize(file)
    whole = file.read_text()
    changed = json.loads(whole)
    del changed["data"]
    newer = {**json.loads(whole), "version": 99}
    for text in ("", whole[: len(whole) // 2], "[]", "\0" * 100, json.dumps(changed), json.dumps(newer)):
        file.write_text(text)
        with pytest.raises(IoError, match=r"^cannot read the statistics '.*'.*; remove the file to collect"):
            quantize(file)
        assert file.read_text() == text


def test_a_path_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    stream = small_models.Stream(VECTORS)
    for path in (tmp_path, tmp_path / "missing" / "statistics.json"):
        with pytest.raises(IoError, match="statistics"):
            quantize(path, stream)
    assert stream.read == 0


def test_onnx_models_have_them_too(file: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    data = [{"vector": vector} for vector in VECTORS]
    first = quantize(file, data, small_onnx_models.fragile())
    assert quantize(file, data, small_onnx_models.fragile()).SerializeToString() == first.SerializeToString()
    with pytest.raises(InvalidArgumentError, match="for another model"):
        quantize(file, np.array(VECTORS), small_models.fragile())
