# SPDX-License-Identifier: Apache-2.0
"""Ranges, scales and zero points of models quantized on known data, against NNCF's functions on the same numbers."""
# ruff: noqa: E402

from typing import Any

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_onnx_models
from onnx import helper, numpy_helper
from small_models import normal

pytest.importorskip("nncf.parameters", reason="nncf is not installed")  # what follows can't be imported first
from nncf.common.quantization.structs import QuantizationScheme, QuantizerConfig, QuantizerGroup
from nncf.common.tensor_statistics.statistics import MinMaxTensorStatistic
from nncf.onnx.quantization.quantizer_parameters import convert_fq_params_to_onnx_params
from nncf.quantization.fake_quantize import FakeQuantizeParameters, calculate_quantizer_parameters
from nncf.tensor import Tensor

import tightrope
from tightrope.quantization.advanced_parameters import QuantizationMode, QuantizationParameters

MODES = {"symmetric": QuantizationScheme.SYMMETRIC, "asymmetric": QuantizationScheme.ASYMMETRIC}
DEGENERATE = [(0, 0), (3, 3), (-3, -3), (-1e-5, 1e-5), (0, 1e-6), (-1, 0), (0, 1), (-1e-4, 1), (-1, 1e-4), (-1e9, 1e9)]


def extremes(seed: int, count: int = 60) -> list[tuple[float, float]]:
    """Smallest and largest values, of either sign and very different size."""
    random = np.random.default_rng(seed)
    ends = random.normal(0, 1, (count, 2)) * 10 ** random.uniform(-2, 2, (count, 2))
    return [*DEGENERATE, *((float(min(pair)), float(max(pair))) for pair in ends)]


def expected(low: Any, high: Any, mode: str, group: Any = QuantizerGroup.ACTIVATIONS, **config: Any) -> Any:
    """NNCF's range of these extremes."""
    half_range = config.pop("half_range", False)
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    upper = np.maximum(np.abs(low), np.abs(high)) if mode == "symmetric" else high
    statistics = MinMaxTensorStatistic(Tensor(low), Tensor(upper))
    parameters: FakeQuantizeParameters = calculate_quantizer_parameters(
        statistics, QuantizerConfig(mode=MODES[mode], **config), group, half_range
    )
    return parameters


def quantized(model: Any, data: dict[str, Any], mode: str) -> Any:
    parameters = QuantizationParameters(mode=QuantizationMode(mode))
    advanced = tightrope.AdvancedQuantizationParameters(activations_quantization_params=parameters)
    return tightrope.quantize(model, tightrope.Dataset([data]), advanced_parameters=advanced)


def one_convolution_each(ends: list[tuple[float, float]]) -> tuple[ov.Model, dict[str, Any]]:
    """For each pair an input of these two values, and a convolution that reads it; with the one item of data."""
    weights = np.ones((1, 2, 1, 1), np.float32)
    inputs, results, data = [], [], {}
    for i, pair in enumerate(ends):
        node = ops.parameter([1, 2, 1, 1], np.float32, name=f"x{i}")
        node.output(0).set_names({f"x{i}"})
        one = [1, 1]
        results.append(ops.result(ops.convolution(node, ops.constant(weights), one, [0, 0], [0, 0], one)))
        inputs.append(node)
        data[f"x{i}"] = np.array(pair, np.float32).reshape(1, 2, 1, 1)
    return ov.Model(results, inputs), data


def fitted(model: ov.Model) -> dict[str, tuple[Any, Any, int]]:
    """By the name of the input in front, the range and the levels of each FakeQuantize."""
    found = {}
    for op in model.get_ops():
        if op.get_type_name() == "FakeQuantize":
            low, high = (op.input_value(port).get_node().data.ravel() for port in (1, 2))
            found[op.input_value(0).get_node().get_friendly_name()] = low, high, op.get_attributes()["levels"]
    return found


def assert_same(ours: Any, theirs: Any, what: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-30, err_msg=str(what))


@pytest.mark.parametrize("mode", list(MODES))
def test_ranges_of_activations_are_those_of_nncf(mode: str) -> None:
    ends = extremes(1)
    model, data = one_convolution_each(ends)
    found = fitted(quantized(model, data, mode))
    assert len(found) == len(ends)
    for i, pair in enumerate(ends):
        low, high, levels = found[f"x{i}"]
        theirs = expected(*pair, mode)
        assert levels == theirs.levels
        assert_same(low, theirs.input_low.data, pair)
        assert_same(high, theirs.input_high.data, pair)


@pytest.mark.parametrize("mode", list(MODES))
def test_ranges_of_channels_are_those_of_nncf(mode: str) -> None:
    pairs = [(low, high) for low, high in extremes(2) if abs(low) < 1e6]
    data = np.array(pairs, np.float32)[np.newaxis, :, np.newaxis]  # [1, channels, 1, 2]
    node = ops.parameter(list(data.shape), np.float32, name="x")
    weights = ops.constant(np.ones((len(pairs), 1, 1, 1, 1), np.float32))
    result = ops.group_convolution(node, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    low, high, levels = fitted(quantized(ov.Model([result], [node]), {0: data}, mode))["x"]
    theirs = expected(data.min(3), data.max(3), mode, per_channel=True)
    assert levels == theirs.levels == 256
    assert_same(low, theirs.input_low.data.ravel(), "low")
    assert_same(high, theirs.input_high.data.ravel(), "high")


@pytest.mark.parametrize("half_range", [False, True])
def test_steps_of_weights_are_those_of_nncf(half_range: bool) -> None:
    # Channels narrower than 1 % of the widest have wider steps there, by design: docs/differences.md.
    weights = normal(3, (40, 8, 1, 1)) * np.linspace(0.1, 2, 40, dtype=np.float32).reshape(-1, 1, 1, 1)
    node = ops.parameter([1, 8, 1, 1], np.float32, name="x")
    result = ops.convolution(node, ops.constant(weights), [1, 1], [0, 0], [0, 0], [1, 1], name="conv")
    fix = tightrope.OverflowFix.ENABLE if half_range else tightrope.OverflowFix.DISABLE
    advanced = tightrope.AdvancedQuantizationParameters(overflow_fix=fix)
    data = tightrope.Dataset([normal(4, (1, 8, 1, 1))])
    model = tightrope.quantize(ov.Model([result], [node]), data, advanced_parameters=advanced)
    (convolution,) = (op for op in model.get_ops() if op.get_type_name() == "Convolution")
    multiply = convolution.input_value(1).get_node()
    scale = multiply.input_value(1).get_node().data.ravel()
    theirs = expected(
        weights.min((1, 2, 3)),
        weights.max((1, 2, 3)),
        "symmetric",
        QuantizerGroup.WEIGHTS,
        half_range=half_range,
        per_channel=True,
        narrow_range=True,
        signedness_to_force=True,
    )
    assert_same(scale, (theirs.input_high.data - theirs.input_low.data) / (theirs.levels - 1), "steps")


@pytest.mark.parametrize("mode", list(MODES))
def test_scales_and_zero_points_of_onnx_models_are_those_of_nncf(mode: str) -> None:
    ends = extremes(5)
    nodes = [helper.make_node("Conv", [f"x{i}", "w"], [f"y{i}"], f"conv{i}") for i in range(len(ends))]
    ports = [[(f"{name}{i}", [1, channels, 1, 1]) for i in range(len(ends))] for name, channels in (("x", 2), ("y", 1))]
    model = small_onnx_models.model(nodes, {"w": np.ones((1, 2, 1, 1), np.float32)}, *ports)
    data = {f"x{i}": np.array(pair, np.float32).reshape(1, 2, 1, 1) for i, pair in enumerate(ends)}
    result: onnx.ModelProto = quantized(model, data, mode)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in result.graph.initializer}
    found = {node.input[0]: node.input[1:] for node in result.graph.node if node.op_type == "QuantizeLinear"}
    for i, pair in enumerate(ends):
        scale, zero = (constants[name] for name in found[f"x{i}"])
        theirs = convert_fq_params_to_onnx_params(expected(*pair, mode), 8, zero.dtype, ())
        assert (zero.dtype == np.int8) == bool(expected(*pair, mode).input_low.data < 0)
        assert_same(scale, theirs.scale, pair)
        assert int(zero) == int(theirs.zero_point), pair
