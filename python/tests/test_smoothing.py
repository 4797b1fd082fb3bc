# SPDX-License-Identifier: Apache-2.0
"""Smooth-quant: outliers in a few channels of a product's data do not cost the others their levels."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
from small_models import F32, Array, normal

import tightrope
from tightrope import AdvancedQuantizationParameters, Dataset, ModelType

SCALES = np.array([1000, 1, 1, 1, 1, 1, 1, 1], np.float32)
# As in transformers, what is large has small weights.
WEIGHTS = {name: normal(seed, (8, 6)) / SCALES[:, None] for name, seed in (("first", 1), ("second", 2))}


def openvino_model(rank: int) -> Any:
    """Tokens [n, 5, 8], or [n, 8] -> scaled -> two products -> their sum; the first channel is large."""
    x = ops.parameter([-1, *([5] if rank == 3 else []), 8], np.float32, name="tokens")
    x.output(0).set_names({"tokens"})
    scaled = ops.multiply(x, ops.constant(SCALES), name="scaled")
    products = [ops.matmul(scaled, ops.constant(w), False, False, name=name) for name, w in WEIGHTS.items()]
    return ov.Model([ops.result(ops.add(*products, name="sum"), name="result")], [x], "tokens")


def onnx_model(rank: int) -> Any:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    nodes = [
        onnx.helper.make_node("Mul", ["tokens", "scales"], ["a"], "scaled"),
        onnx.helper.make_node("MatMul", ["a", "first/w"], ["b"], "first"),
        onnx.helper.make_node("MatMul", ["a", "second/w"], ["c"], "second"),
        onnx.helper.make_node("Add", ["b", "c"], ["y"], "sum"),
    ]
    constants = {"scales": SCALES, **{f"{name}/w": w for name, w in WEIGHTS.items()}}
    middle = [5] if rank == 3 else []
    return small_onnx_models.model(nodes, constants, [("tokens", ["n", *middle, 8])], [("y", ["n", *middle, 6])])


def run(model: Any, data: Array) -> Array:
    if isinstance(model, ov.Model):
        return np.array(ov.compile_model(model, "CPU", F32)(data)[0])
    import small_onnx_models

    return small_onnx_models.run(model, data)


def error(make: Any, rank: int = 3, **options: Any) -> float:
    """Of the output without the part of the large channel, relative."""
    items = [normal(100 + i, (1, *([5] if rank == 3 else []), 8)) for i in range(8)]
    model = make(rank)
    result = tightrope.quantize(model, Dataset(items), **options)
    small = items[0].copy()
    small[..., 0] = 0
    return float(np.abs(run(result, small) - run(model, small)).max() / np.abs(run(model, small)).max())


def without() -> dict[str, Any]:
    return {"advanced_parameters": AdvancedQuantizationParameters(smooth_quant_alpha=-1)}


MODELS = pytest.mark.parametrize("make", [openvino_model, onnx_model])


@MODELS
def test_channels_beside_a_large_one_keep_their_levels(make: Any) -> None:
    assert error(make, **without()) > 0.9
    assert error(make) < 0.05


@MODELS
def test_tensors_of_two_axes_are_smoothed_in_transformers(make: Any) -> None:
    assert error(make, rank=2) > 0.9
    assert error(make, rank=2, model_type=ModelType.TRANSFORMER) < 0.05


@MODELS
def test_with_everything_reverted_smoothing_is_gone(make: Any) -> None:
    items = [normal(100 + i, (1, 5, 8)) for i in range(8)]
    model = make(3)
    expected = [run(model, item) for item in items]

    def identical(given: Any, data: Any) -> float:
        runner = given if isinstance(given, ov.CompiledModel) else lambda item: [run(given, item)]
        return float(all((runner(item)[0] == y).all() for item, y in zip(data, expected, strict=True)))

    result = tightrope.quantize_with_accuracy_control(model, Dataset(items), Dataset(items), identical)
    assert tightrope.report(result).quantized == []


def test_the_same_smoothing_serves_products_of_one_tensor() -> None:
    items = [normal(100 + i, (1, 5, 8)) for i in range(8)]
    result = tightrope.quantize(openvino_model(3), Dataset(items))
    assert small_models.types(result).count("FakeQuantize") == 1
    smoothing = next(op for op in result.get_ops() if op.get_friendly_name().endswith("/smoothing"))
    assert smoothing.get_output_shape(0) == [8]
