# SPDX-License-Identifier: Apache-2.0
"""From one framework to the other."""

import io
from typing import TYPE_CHECKING

import openvino

from tightrope.errors import InvalidArgumentError
from tightrope.frameworks.onnx_base import is_onnx, serialized
from tightrope.reporting import copy_report

if TYPE_CHECKING:
    import onnx


def to_openvino(model: "onnx.ModelProto") -> openvino.Model:
    """An ONNX model as an OpenVINO model, with its report; a quantized one stays quantized.

    `openvino.convert_model` takes files, but no `onnx.ModelProto`. A model that keeps tensors in files, or is larger
    than 2 GB, is saved with `onnx.save_model` and converted from there.

    Raises InvalidArgumentError for what is no ONNX model or can't be converted.
    """
    if not is_onnx(model):
        raise InvalidArgumentError(
            f"[conversion] to_openvino: found an object of type {type(model).__name__}; needs an onnx.ModelProto."
        )
    try:
        converted = openvino.convert_model(io.BytesIO(serialized(model)))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InvalidArgumentError(f"[conversion] OpenVINO can't convert the model: {reason}") from error
    copy_report(model, converted)
    return converted
