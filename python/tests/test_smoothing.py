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


def openvino_model(rank: int, folds: bool = False) -> Any:
    """Tokens [n, 5, 8], or [n, 8] -> scaled -> two products -> their sum; the first channel is large.

    The scaled tokens are an output, too, unless the smoothing may be folded into the scaling.
    """
    x = ops.parameter([-1, *([5] if rank == 3 else []), 8], np.float32, name="tokens")
    x.output(0).set_names({"tokens"})
    scaled = ops.multiply(x, ops.constant(SCALES), name="scaled")
    products = [ops.matmul(scaled, ops.constant(w), False, False, name=name) for name, w in WEIGHTS.items()]
    results = [ops.result(ops.add(*products, name="sum"), name="result")]
    return ov.Model(results if folds else [*results, ops.result(scaled)], [x], "tokens")


def onnx_model(rank: int, folds: bool = False) -> Any:
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
    outputs = [("y", ["n", *middle, 6])] + ([] if folds else [("a", ["n", *middle, 8])])
    return small_onnx_models.model(nodes, constants, [("tokens", ["n", *middle, 8])], outputs)


def names(model: Any) -> list[str]:
    return (
        [op.get_friendly_name() for op in model.get_ops()]
        if isinstance(model, ov.Model)
        else [node.name for node in model.graph.node]
    )


def run(model: Any, data: Array) -> Array:
    if isinstance(model, ov.Model):
        return np.array(ov.compile_model(model, "CPU", F32)(data)[0])
    import small_onnx_models

    return small_onnx_models.run(model, data)


def error(make: Any, rank: int = 3, folds: bool = False, **options: Any) -> float:
    """Of the output without the part of the large channel, relative."""
    items = [normal(100 + i, (1, *([5] if rank == 3 else []), 8)) for i in range(8)]
    model = make(rank, folds)
    result = tightrope.quantize(model, Dataset(items), **options)
    assert any("smoothed" in name for name in names(result)) == (not folds and not options.get("advanced_parameters"))
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
def test_the_operation_in_front_divides_where_nothing_else_reads_what_it_gives(make: Any) -> None:
    assert error(make, folds=True) < 0.05


@MODELS
def test_tensors_of_two_axes_are_smoothed_in_transformers(make: Any) -> None:
    assert error(make, rank=2, **without()) > 0.9
    assert error(make, rank=2, model_type=ModelType.TRANSFORMER) < 0.05


@pytest.mark.parametrize("folds", [False, True])
@MODELS
def test_with_everything_reverted_smoothing_is_gone(make: Any, folds: bool) -> None:
    items = [normal(100 + i, (1, 5, 8)) for i in range(8)]
    model = make(3, folds)
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


def attention_model(rank: int) -> Any:
    """Tokens of 3 axes -> products with a softmax between them -> tokens of `rank` axes -> product."""
    tokens = ops.parameter([2, 5, 8], np.float32, name="tokens")
    tokens.output(0).set_names({"tokens"})
    scores = ops.softmax(ops.matmul(tokens, tokens, False, True), 2)
    values = ops.transpose(ops.add(tokens, ops.constant(normal(3, (8,)))), ops.constant(np.array([0, 1, 2])))
    mixed = ops.softplus(ops.matmul(scores, values, False, False))
    if rank == 2:
        mixed = ops.softplus(ops.reshape(mixed, ops.constant(np.array([10, 8])), False))
    return ov.Model(
        [ops.result(ops.matmul(mixed, ops.constant(WEIGHTS["first"]), False, False))], [tokens], "attention"
    )


@pytest.mark.parametrize("rank", [2, 3])
def test_one_line_says_where_the_model_type_would_help(rank: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="tightrope"):
        tightrope.quantize(attention_model(rank), Dataset([normal(1, (2, 5, 8))]))
    assert sum("1 of its products read data of two axes" in line for line in caplog.messages) == (rank == 2)
