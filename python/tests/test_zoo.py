# SPDX-License-Identifier: Apache-2.0
"""Real networks with real labels, where they are at hand: beside the checkout, in ../shared/zoo."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
from small_models import F32, types

import tightrope
from tightrope import Dataset

ZOO = Path(__file__).resolve().parents[3] / "shared" / "zoo"
pytestmark = pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo is not beside the checkout")


def load(name: str) -> tuple[ModuleType, ov.Model, list[Any]]:
    """The case's functions, its model and its labeled items."""
    pytest.importorskip("PIL", reason="the zoo's data are read with Pillow")
    spec = importlib.util.spec_from_file_location(name, ZOO / name / "evaluate.py")
    assert spec is not None and spec.loader is not None
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    return case, ov.convert_model(ZOO / name / "model.onnx"), case.load_dataset()


def metric_of(case: ModuleType, model: ov.Model | ov.CompiledModel, items: list[Any]) -> float:
    compiled = model if isinstance(model, ov.CompiledModel) else ov.compile_model(model, "CPU", F32)
    return case.validate(lambda inputs: [np.array(value) for value in compiled(inputs).values()], items)


def test_super_resolution_meets_its_limit_and_keeps_at_least_as_much_in_8_bits_as_nncf() -> None:
    case, model, items = load("supres_espcn")
    calls = []

    def validate(compiled: ov.CompiledModel, data: Any) -> float:
        data = list(data)
        calls.append(len(data))
        return metric_of(case, compiled, data)

    dataset = Dataset(items, lambda item: item[0])
    result = tightrope.quantize_with_accuracy_control(
        model, dataset, dataset, validate, max_drop=0.1, weight_rounding=False, repair=False
    )
    report = tightrope.report(result)
    original, quantized, final = report.original_metric, report.quantized_metric, report.final_metric
    assert original - quantized > 0.1  # there was something to do
    assert original == pytest.approx(metric_of(case, model, items), abs=1e-6)
    assert final == pytest.approx(metric_of(case, result, items), abs=1e-6)
    assert report.drop == pytest.approx(original - final, abs=1e-6)
    assert report.drop <= 0.1
    assert set(calls) == {3, len(items)}  # the function is tried out on a few first
    convolutions = types(model).count("Convolution")
    assert len(report.quantized) + len(report.reverted) == convolutions == 4
    assert len(report.quantized) >= 1  # of 4, which is what NNCF keeps


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_super_resolution_keeps_its_quality_with_everything_in_8_bits(form: str) -> None:
    case, model, items = load("supres_espcn")
    dataset = Dataset(items, lambda item: item[0])
    loaded = model if form == "openvino" else onnx.load(ZOO / "supres_espcn" / "model.onnx")
    result = tightrope.quantize(loaded, dataset)
    assert len(tightrope.report(result).quantized) == 4
    result = result if form == "openvino" else tightrope.to_openvino(result)
    assert metric_of(case, result, items) >= 25.5  # dB; nearest levels 25.38, FP32 25.68


@pytest.mark.parametrize("name", ["kws_dscnn", "vww_mobilenetv1"])
def test_plain_quantization_costs_at_most_a_point(name: str) -> None:
    case, model, items = load(name)
    result = tightrope.quantize(model, Dataset(items, lambda item: item[0]))
    assert metric_of(case, result, items) >= metric_of(case, model, items) - 0.01
    faster = [kind for kind in types(model) if kind in ("Convolution", "GroupConvolution", "MatMul", "AvgPool")]
    assert len(tightrope.report(result).quantized) == len(faster)
