# SPDX-License-Identifier: Apache-2.0
"""Convolutions whose channels have very different ranges: channel alignment, and smooth-quant with an alpha."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from small_models import F32, Array, normal

import tightrope
from tightrope import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters, Dataset

SCALES = np.array([1000, 1, 1, 1, 1, 1, 0.01, 1], np.float32)
CONSTANTS = {
    "front/w": normal(1, (8, 4, 3, 3), 0.2) * SCALES[:, None, None, None],
    "front/b": normal(2, (8,)) * SCALES,
    "depthwise/w": normal(3, (8, 1, 3, 3), 0.4),
    "depthwise/b": normal(4, (8,)) * SCALES,
    "behind/w": normal(5, (6, 8, 1, 1), 0.3) / SCALES[None, :, None, None],
    "behind/b": normal(6, (6,)),
}


def openvino_model(middle: str) -> ov.Model:
    """Image [1, 4, 6, 6] -> front -> relu, depthwise and relu, or nothing -> behind."""
    image = ops.parameter([1, 4, 6, 6], np.float32, name="image")
    image.output(0).set_names({"image"})

    def layer(data: Any, name: str) -> Any:
        weight, pad = CONSTANTS[f"{name}/w"], [0, 0] if name == "behind" else [1, 1]
        if name == "depthwise":
            weight = ops.constant(weight[:, None])
            data = ops.group_convolution(data, weight, [1, 1], pad, pad, [1, 1], name=name)
        else:
            data = ops.convolution(data, ops.constant(weight), [1, 1], pad, pad, [1, 1], name=name)
        return ops.add(data, ops.constant(CONSTANTS[f"{name}/b"].reshape(1, -1, 1, 1)), name=f"{name}/add")

    data = layer(image, "front")
    if middle != "nothing":
        data = ops.relu(data)
    if middle == "depthwise":
        data = ops.relu(layer(data, "depthwise"))
    return ov.Model([ops.result(layer(data, "behind"))], [image], "channels")


def onnx_model(middle: str) -> Any:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    nodes: list[Any] = []

    def add(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(onnx.helper.make_node(kind, inputs, [f"{name}/y"], name, **attributes))
        return f"{name}/y"

    def layer(data: str, name: str) -> str:
        pads = [0 if name == "behind" else 1] * 4
        group = 8 if name == "depthwise" else 1
        return add("Conv", [data, f"{name}/w", f"{name}/b"], name, pads=pads, group=group)

    data = layer("image", "front")
    if middle != "nothing":
        data = add("Relu", [data], "relu")
    if middle == "depthwise":
        data = add("Relu", [layer(data, "depthwise")], "relu2")
    used = {k: v for k, v in CONSTANTS.items() if middle == "depthwise" or not k.startswith("depthwise")}
    output = layer(data, "behind")
    return small_onnx_models.model(nodes, used, [("image", [1, 4, 6, 6])], [(output, [1, 6, 6, 6])])


def run(model: Any, data: Array) -> Array:
    if isinstance(model, ov.Model):
        return np.array(ov.compile_model(model, "CPU", F32)(data)[0])
    import small_onnx_models

    return small_onnx_models.run(model, data)


ITEMS = [normal(100 + i, (1, 4, 6, 6)) for i in range(8)]
MODELS = pytest.mark.parametrize("make", [openvino_model, onnx_model])
MIDDLES = pytest.mark.parametrize("middle", ["nothing", "relu", "depthwise"])
ALIGNED = AdvancedQuantizationParameters(disable_channel_alignment=False)


def error(model: Any, advanced: AdvancedQuantizationParameters) -> float:
    result = tightrope.quantize(model, Dataset(ITEMS), advanced_parameters=advanced)
    expected = run(model, ITEMS[0])
    return float(np.linalg.norm(run(result, ITEMS[0]) - expected) / np.linalg.norm(expected))


@MODELS
@MIDDLES
def test_aligned_channels_share_a_scale(make: Any, middle: str) -> None:
    model = make(middle)
    assert error(model, AdvancedQuantizationParameters()) > 0.15
    assert error(model, ALIGNED) < 0.06


@MODELS
def test_smoothing_with_an_alpha_serves_convolutions(make: Any) -> None:
    smoothed = AdvancedQuantizationParameters(smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=0.95))
    assert error(make("relu"), smoothed) < 0.04


@MODELS
@MIDDLES
def test_with_everything_reverted_channels_are_as_they_were(make: Any, middle: str) -> None:
    model = make(middle)
    expected = [run(model, item) for item in ITEMS]

    def identical(given: Any, data: Any) -> float:
        runner = given if isinstance(given, ov.CompiledModel) else lambda item: [run(given, item)]
        return float(all((runner(item)[0] == y).all() for item, y in zip(data, expected, strict=True)))

    result = tightrope.quantize_with_accuracy_control(
        model, Dataset(ITEMS), Dataset(ITEMS), identical, advanced_quantization_parameters=ALIGNED
    )
    assert tightrope.report(result).quantized == []
