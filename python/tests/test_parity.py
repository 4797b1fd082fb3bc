# SPDX-License-Identifier: Apache-2.0
"""Where both tools put a quantizer, and look at the same statistics, they get the same numbers."""

import logging
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models

import tightrope

nncf = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")


def quantized(tool: Any, model: ov.Model, data: list[np.ndarray], preset: str, overflow_fix: str) -> ov.Model:
    """The model in 8 bits, with NNCF's placement, ranges from minima and maxima, and without corrected biases."""
    module = __import__(f"{tool.__name__}.quantization.range_estimator", fromlist=["RangeEstimatorParametersSet"])
    advanced = tool.AdvancedQuantizationParameters(
        disable_bias_correction=True,
        overflow_fix=tool.OverflowFix(overflow_fix),
        activations_range_estimator_params=module.RangeEstimatorParametersSet.MINMAX,
    )
    own = {"placement": "reference"} if tool is tightrope else {}
    return tool.quantize(
        model,
        tool.Dataset(data),
        preset=tool.QuantizationPreset(preset),
        subset_size=len(data),
        advanced_parameters=advanced,
        **own,
    )


def limits(model: ov.Model) -> dict[str, np.ndarray]:
    """Lowest and highest value of each FakeQuantize on activations, by name."""
    nodes = [op for op in model.get_ops() if op.get_type_name() == "FakeQuantize"]
    return {
        op.get_friendly_name(): np.stack([op.input_value(i).get_node().get_data().ravel() for i in (1, 2)])
        for op in nodes
    }


def weights(model: ov.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The int8 elements of each weight and their scale, by the name of the operation."""
    found = {}
    for op in model.get_ops():
        if op.get_type_name() not in ("Convolution", "GroupConvolution", "MatMul"):
            continue
        scaled = op.input_value(1).get_node()
        packed = scaled.input_value(0).get_node().input_value(0).get_node()
        assert packed.get_element_type() == ov.Type.i8
        found[op.get_friendly_name()] = packed.get_data(), scaled.input_value(1).get_node().get_data()
    return found


@pytest.fixture(autouse=True)
def quiet() -> None:
    nncf.set_log_level(logging.ERROR)


@pytest.mark.parametrize("overflow_fix", ["first_layer_only", "enable", "disable"])
@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_ranges_and_weights_are_those_of_nncf(preset: str, overflow_fix: str) -> None:
    model, data = small_models.classifier(layers=3), small_models.images(12)
    ours = quantized(tightrope, model, data, preset, overflow_fix)
    theirs = quantized(nncf, model, data, preset, overflow_fix)

    our_limits, their_limits = limits(ours), limits(theirs)
    assert our_limits.keys() == their_limits.keys()
    for name in our_limits:
        np.testing.assert_allclose(our_limits[name], their_limits[name], rtol=1e-5, atol=1e-6, err_msg=name)

    our_weights, their_weights = weights(ours), weights(theirs)
    assert our_weights.keys() == their_weights.keys()
    for name, (elements, scale) in our_weights.items():
        np.testing.assert_allclose(scale, their_weights[name][1], rtol=1e-5, err_msg=name)
        # With half the range the largest weight of a channel lies between levels 63 and 64, and may go either way.
        other = their_weights[name][0]
        differing = elements != other
        assert np.isin(np.abs(elements[differing]), [63, 64]).all(), name
        assert np.isin(np.abs(other[differing]), [63, 64]).all(), name
        assert differing.sum() <= scale.size, name
