# SPDX-License-Identifier: Apache-2.0
"""8-bit floating point: what NNCF writes, and a refusal of what it refuses."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
from small_models import F32, Array, normal

import tightrope
from tightrope.quantization.advanced_parameters import FP8QuantizationParameters, FP8Type, QuantizationParameters

MODES = list(tightrope.QuantizationMode)


def network() -> ov.Model:
    """Weights of every shape, a depthwise convolution alone and in a concatenation, and attention."""
    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    weights = normal(1, (8, 3, 3, 3))
    weights[3] = 0
    ones = [1, 1], [1, 1], [1, 1], [1, 1]
    data = ops.add(ops.convolution(image, weights, *ones, name="conv"), normal(2, (1, 8, 1, 1)), name="bias")
    data = ops.relu(data, name="relu")
    side = ops.group_convolution(data, normal(3, (8, 1, 1, 3, 3)), *ones, name="depthwise")
    side = ops.group_convolution(ops.sigmoid(side, name="sigmoid"), normal(4, (8, 1, 1, 3, 3)), *ones, name="second")
    data = ops.concat([data, side], 1, name="joined")
    data = ops.add(
        ops.convolution(data, normal(5, (4, 16, 3, 3)), *ones, name="last"), normal(6, (1, 4, 1, 1)), name="sum"
    )
    data = ops.reshape(data, np.array([1, 4, 64]), False, name="tokens")
    parts = [ops.matmul(data, normal(7 + i, (64, 16)), False, False, name=f"part{i}") for i in range(3)]
    data = ops.scaled_dot_product_attention(*parts, name="attention")
    data = ops.matmul(data, normal(11, (5, 16)), False, True, name="product")
    data = ops.matmul(data, normal(12, (5,)), False, False, name="vector")
    return ov.Model([data], [image], "network")


def quantized(tool: Any, mode: Any, model: ov.Model | None = None, **advanced: Any) -> ov.Model:
    own = {"placement": "reference"} if tool is tightrope else {}
    estimators = __import__(f"{tool.__name__}.quantization.range_estimator", fromlist=["RangeEstimatorParametersSet"])
    return tool.quantize(
        model or network(),
        tool.Dataset(small_models.images(3)),
        mode=tool.QuantizationMode(str(mode)),
        advanced_parameters=tool.AdvancedQuantizationParameters(
            disable_bias_correction=True,
            activations_range_estimator_params=estimators.RangeEstimatorParametersSet.MEAN_MINMAX,
            smooth_quant_alphas=tool.AdvancedSmoothQuantParameters(matmul=-1),
            **advanced,
        ),
        **own,
    )


def converts(model: ov.Model) -> dict[str, tuple[str, Array, Array]]:
    """Destination type, scale and shift of each FakeConvert."""
    return {
        op.get_friendly_name(): (
            op.get_attributes()["destination_type"],
            *(op.input_value(port).get_node().get_data() for port in (1, 2)),
        )
        for op in model.get_ops()
        if op.get_type_name() == "FakeConvert"
    }


def weights(model: ov.Model) -> dict[str, tuple[str, bytes, Array]]:
    """Type, bytes and scale of each weight that is stored in 8 bits."""
    found = {}
    for op in model.get_ops():
        name = op.get_friendly_name()
        if op.get_type_name() == "Multiply" and "/fc_weights_" in name:
            packed = op.input_value(0).get_node().input_value(0).get_node()
            scale = op.input_value(1).get_node().get_data()
            found[name] = str(packed.get_element_type()), packed.get_data().tobytes(), scale
    return found


def outputs(model: ov.Model) -> Array:
    return ov.compile_model(model, "CPU", F32)(small_models.images(1)[0])[0]


def assert_same(ours: ov.Model, theirs: ov.Model) -> None:
    our_converts, their_converts = converts(ours), converts(theirs)
    assert our_converts.keys() == their_converts.keys()
    for name, (kind, scale, shift) in our_converts.items():
        assert kind == their_converts[name][0]
        np.testing.assert_allclose(scale.squeeze(), their_converts[name][1].squeeze(), rtol=1e-5, err_msg=name)
        assert scale.size == their_converts[name][1].size
        assert not shift.any() and not their_converts[name][2].any()
    our_weights, their_weights = weights(ours), weights(theirs)
    assert our_weights.keys() == their_weights.keys()
    for name, (kind, elements, scale) in our_weights.items():
        assert kind == their_weights[name][0]
        codes, their_codes = (np.frombuffer(each, np.uint8).astype(int) for each in (elements, their_weights[name][1]))
        # OpenVINO rounds to 16 bits first: what comes to lie between two numbers then may go to the wrong one.
        steps = np.abs(codes - their_codes)
        assert steps.max() <= 1 and (steps != 0).mean() < 0.02, name
        np.testing.assert_allclose(scale, their_weights[name][2], rtol=1e-6, err_msg=name)
    if not our_weights:
        np.testing.assert_allclose(outputs(ours), outputs(theirs), rtol=1e-4, atol=1e-3)


@pytest.fixture
def nncf() -> Any:
    nncf = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")
    nncf.set_log_level(logging.ERROR)
    return nncf


@pytest.mark.parametrize("mode", MODES)
def test_quantizers_and_weights_are_those_of_nncf(nncf: Any, mode: Any) -> None:
    ours = quantized(tightrope, mode)
    assert len(weights(ours)) == 9
    assert_same(ours, quantized(nncf, mode))


def test_types_may_differ_for_activations_and_weights_as_in_nncf(nncf: Any) -> None:
    from nncf.quantization.advanced_parameters import FP8QuantizationParameters as Theirs
    from nncf.quantization.advanced_parameters import FP8Type as TheirType

    ours = quantized(tightrope, "fp8_e4m3", activations_quantization_params=FP8QuantizationParameters(FP8Type.E5M2))
    assert {facts[0] for facts in converts(ours).values()} == {"f8e5m2"}
    theirs = quantized(nncf, "fp8_e4m3", activations_quantization_params=Theirs(TheirType.E5M2))
    assert_same(ours, theirs)


def test_weights_stay_in_floating_point_if_asked_as_in_nncf(nncf: Any) -> None:
    ours, theirs = (
        quantized(tool, "fp8_e4m3", backend_params={"compress_weights": False}) for tool in (tightrope, nncf)
    )
    assert any("fc_weights" in name for name in converts(ours))
    assert_same(ours, theirs)


def test_the_model_and_its_plan_survive_saving(tmp_path: Path) -> None:
    model = quantized(tightrope, "fp8_e5m2")
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    read = ov.Core().read_model(tmp_path / "model.xml")
    np.testing.assert_array_equal(outputs(read), outputs(model))
    assert tightrope.report(read).status == "quantized"


def test_biases_make_up_for_the_rounding_of_weights() -> None:
    """With one item, the mean of each channel behind the only convolution becomes what it was."""
    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    data = ops.convolution(image, normal(1, (4, 3, 1, 1)), [1, 1], [0, 0], [0, 0], [1, 1], name="conv")
    model = ov.Model([ops.add(data, normal(2, (1, 4, 1, 1)), name="bias")], [image], "one")
    item = small_models.images(1)[0] + 1

    def error(plain: bool) -> float:
        result = tightrope.quantize(
            model,
            tightrope.Dataset([item]),
            mode=tightrope.QuantizationMode.FP8_E5M2,
            ignored_scope=None,
            advanced_parameters=tightrope.AdvancedQuantizationParameters(disable_bias_correction=plain),
        )
        for op in result.get_ops():  # activations as they were
            if op.get_type_name() == "FakeConvert":
                op.output(0).replace(op.input_value(0))
        means = [ov.compile_model(m, "CPU", F32)(item)[0].mean((0, 2, 3)) for m in (model, result)]
        return float(np.abs(means[0] - means[1]).max())

    assert error(True) > 0.01
    assert error(False) < 1e-4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"preset": "mixed"}, "preset"),
        ({"target_device": "NPU"}, "target_device"),
        ({"advanced_parameters": {"overflow_fix": tightrope.OverflowFix.ENABLE}}, "overflow_fix"),
        ({"advanced_parameters": {"quantize_outputs": True}}, "quantize_outputs"),
        ({"advanced_parameters": {"weights_quantization_params": QuantizationParameters(num_bits=8)}}, "weights_q"),
        (
            {"mode": None, "advanced_parameters": {"activations_quantization_params": FP8QuantizationParameters()}},
            "mode",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: dict[str, Any], named: str) -> None:
    advanced = arguments.pop("advanced_parameters", {})
    with pytest.raises(tightrope.InvalidArgumentError, match=named):
        tightrope.quantize(
            network(),
            tightrope.Dataset(small_models.images(1)),
            **{"mode": tightrope.QuantizationMode.FP8_E4M3, **arguments},
            advanced_parameters=tightrope.AdvancedQuantizationParameters(**advanced),
        )


def test_onnx_models_are_refused() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    import small_onnx_models

    with pytest.raises(tightrope.UnsupportedError, match="mode is 8-bit floating point"):
        tightrope.quantize(
            small_onnx_models.classifier(),
            tightrope.Dataset([{"image": image} for image in small_models.images(1)]),
            mode=tightrope.QuantizationMode.FP8_E4M3,
        )


def test_accuracy_control_refuses_fp8_parameters() -> None:
    with pytest.raises(tightrope.InvalidArgumentError, match="activations_quantization_params.*'mode'"):
        tightrope.quantize_with_accuracy_control(
            small_models.fragile(),
            tightrope.Dataset(small_models.vectors(2)),
            tightrope.Dataset(small_models.labeled_vectors(2)),
            small_models.accuracy,
            advanced_quantization_parameters=tightrope.AdvancedQuantizationParameters(
                activations_quantization_params=FP8QuantizationParameters(FP8Type.E4M3)
            ),
        )
