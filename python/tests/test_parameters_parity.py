# SPDX-License-Identifier: Apache-2.0
"""Quantization parameters, presets, devices and rules give the quantizers that NNCF gives, or are refused by both.

With NNCF's placement and its estimator of ranges.
"""

import importlib
import logging
import re
from typing import Any

import numpy as np
import pytest
import small_models

import tightrope

nncf = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")

# Arguments as plain values; "activations" and "weights" are fields of QuantizationParameters.
CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "preset mixed": {"preset": "mixed"},
    "activations of 16 bits": {"activations": {"num_bits": 16}},
    "activations symmetric against the preset": {"preset": "mixed", "activations": {"mode": "symmetric"}},
    "activations asymmetric against the preset": {"activations": {"mode": "asymmetric"}},
    "activations per tensor": {"activations": {"per_channel": False}},
    "activations per channel": {"activations": {"per_channel": True}},
    "activations signed": {"activations": {"signedness_to_force": True}},
    "activations narrow": {"activations": {"narrow_range": True}},
    "weights of 16 bits": {"weights": {"num_bits": 16}},
    "weights of 4 bits on a CPU": {"weights": {"num_bits": 4}},
    "weights of 4 bits on an NPU": {"target_device": "NPU", "weights": {"num_bits": 4}},
    "weights per tensor": {"weights": {"per_channel": False}},
    "weights signed": {"weights": {"signedness_to_force": True}},
    "weights unsigned": {"weights": {"signedness_to_force": False}},
    "weights of a full range": {"weights": {"narrow_range": False}},
    "weights asymmetric": {"overflow_fix": "disable", "weights": {"mode": "asymmetric"}},
    "weights asymmetric at half range": {"weights": {"mode": "asymmetric"}},
    "all of 16 bits on a GPU": {"target_device": "GPU", "activations": {"num_bits": 16}, "weights": {"num_bits": 16}},
    "outputs": {"quantize_outputs": True},
    "outputs, mixed": {"preset": "mixed", "quantize_outputs": True},
    "half range everywhere": {"overflow_fix": "enable"},
    "matrix extensions": {"target_device": "CPU_SPR"},
    **{f"rule {rule}": {"quantizer_propagation_rule": str(rule)} for rule in range(4)},
}
REFUSED = {
    "activations per channel",
    "activations signed",
    "activations narrow",
    "weights of 4 bits on a CPU",
    "weights unsigned",
    "weights of a full range",
    "weights asymmetric at half range",
}
UNKNOWN_TO_ONNX = re.compile("bits|matrix|outputs")  # to NNCF's, that is


def quantized(tool: Any, model: Any, data: Any, choice: dict[str, Any]) -> Any:
    parameters = importlib.import_module(f"{tool.__name__}.quantization.advanced_parameters")
    estimators = importlib.import_module(f"{tool.__name__}.quantization.range_estimator")
    arguments, advanced = {}, {}
    for name, value in choice.items():
        if name in ("activations", "weights"):
            mode = value.get("mode")
            fields = {**value, "mode": mode and parameters.QuantizationMode(mode)}
            advanced[f"{name}_quantization_params"] = parameters.QuantizationParameters(**fields)
        elif name == "overflow_fix":
            advanced[name] = tool.OverflowFix(value)
        elif name == "quantizer_propagation_rule":
            rule = importlib.import_module("nncf.common.quantization.quantizer_propagation.structs")
            advanced[name] = value if tool is tightrope else rule.QuantizerPropagationRule(value)
        elif name == "quantize_outputs":
            advanced[name] = value
        else:
            kind = {"preset": tool.QuantizationPreset, "target_device": tool.TargetDevice}[name]
            arguments[name] = kind(value)
    return tool.quantize(
        model,
        tool.Dataset(data),
        **arguments,
        **({"placement": "reference"} if tool is tightrope else {}),
        advanced_parameters=tool.AdvancedQuantizationParameters(
            disable_bias_correction=True,
            activations_range_estimator_params=estimators.RangeEstimatorParametersSet.MEAN_MINMAX,
            backend_params={"compress_weights": False},
            **advanced,
        ),
    )


def attempt(tool: Any, model: Any, data: Any, choice: dict[str, Any]) -> Any:
    """The quantized model, or None where the tool refuses."""
    refusals = (tightrope.Error,) if tool is tightrope else (ValueError, nncf.ValidationError)
    try:
        return quantized(tool, model, data, choice)
    except refusals:
        return None


def openvino_quantizers(model: Any) -> dict[str, tuple[int, np.ndarray]]:
    """Levels and limits of each FakeQuantize."""
    return {
        op.get_friendly_name(): (
            op.get_attributes()["levels"],
            np.stack([op.input_value(port).get_node().get_data().ravel() for port in range(1, 5)]),
        )
        for op in model.get_ops()
        if op.get_type_name() == "FakeQuantize"
    }


def onnx_quantizers(model: Any) -> dict[str, tuple[int, np.ndarray]]:
    """What each QuantizeLinear rounds to: the step, and the level of zero above the lowest, by the tensor."""
    from onnx import numpy_helper

    arrays = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = arrays[node.input[1]], arrays[node.input[2]]
            above = zero.astype(int) - np.iinfo(zero.dtype).min
            found[node.input[0].removesuffix("/float")] = 0, np.stack([scale.ravel(), above.ravel()])
    return found


def compare(model: Any, data: Any, name: str, quantizers_of: Any) -> None:
    nncf.set_log_level(logging.CRITICAL)
    ours, theirs = (attempt(tool, model, data, CHOICES[name]) for tool in (tightrope, nncf))
    assert (ours is None, theirs is None) == (name in REFUSED, name in REFUSED)
    if ours is None:
        return
    found, expected = quantizers_of(ours), quantizers_of(theirs)
    # Quantizers of one tensor that agree share one node with Tightrope: without merging there are fewer.
    assert found.keys() <= expected.keys() if name == "rule 0" else found.keys() == expected.keys()
    for quantizer, (levels, limits) in found.items():
        assert levels == expected[quantizer][0], quantizer
        np.testing.assert_allclose(limits, expected[quantizer][1], rtol=2e-5, atol=1e-6, err_msg=quantizer)


@pytest.mark.parametrize("name", CHOICES)
def test_openvino_models_get_the_quantizers_of_nncf(name: str) -> None:
    compare(small_models.forked(), small_models.images(3), name, openvino_quantizers)


@pytest.mark.parametrize("name", [name for name in CHOICES if not UNKNOWN_TO_ONNX.search(name)])
def test_onnx_models_get_the_quantizers_of_nncf(name: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    data = [{"image": image} for image in small_models.images(3)]
    compare(small_onnx_models.classifier(), data, name, onnx_quantizers)
