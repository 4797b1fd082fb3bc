# SPDX-License-Identifier: Apache-2.0
"""What differs between OpenVINO and ONNX for the two jobs: a `Base` for the user's model."""

from typing import Any, Protocol

import openvino

from tightrope._runtime import _core
from tightrope.errors import UnsupportedBackendError
from tightrope.frameworks.onnx_base import OnnxBase, is_onnx
from tightrope.frameworks.openvino_base import OpenVinoBase

__all__ = ["Base", "is_onnx", "make_base"]


class Base(Protocol):
    """The user's model, which is never changed, and the base that plans are applied to."""

    framework: str
    core: _core.Model

    def rewritten(self, plan: Any) -> Any:
        """A new model in its framework; the empty plan gives the model as the user gave it."""

    def for_validation(self, plan: Any, device: str, precision: str) -> Any:
        """What a validation function gets for the plan."""

    def save(self, plan: Any, path: str) -> None:
        """Writes the model under the plan: all of its files, or none."""


def make_base(model: Any, function: str, external_data: str | None) -> Base:
    """The base of a model of any framework.

    function: the name of the caller, for messages.
    external_data: the folder of the tensors that an ONNX model keeps in files.

    Raises UnsupportedBackendError for an object that is no model.
    """
    if isinstance(model, openvino.Model):
        return OpenVinoBase(model)
    if is_onnx(model):
        return OnnxBase(model, external_data)
    kind = f"{type(model).__module__}.{type(model).__name__}"
    raise UnsupportedBackendError(
        f"[model] {function}: found an object of type {kind}; needs an openvino.Model or an onnx.ModelProto "
        "(openvino.convert_model makes an openvino.Model of models of other frameworks)."
    )
