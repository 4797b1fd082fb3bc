# SPDX-License-Identifier: Apache-2.0
"""Models of ONNX: they go to the core and come back as bytes, since its messages belong to another library."""

from typing import Any

from tightrope._runtime import _core
from tightrope.errors import InvalidArgumentError


def is_onnx(model: Any) -> bool:
    """Whether this is an `onnx.ModelProto`; the onnx package need not be installed to find out."""
    kind = type(model)
    return kind.__name__ == "ModelProto" and kind.__module__.split(".")[0] == "onnx"


def serialized(model: Any) -> bytes:
    """The bytes of an `onnx.ModelProto`.

    Raises InvalidArgumentError where it is larger than protobuf can write.
    """
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # of protobuf; its types differ from release to release
        raise InvalidArgumentError(
            f"[model] the ModelProto can't be serialized ({error}); one that is larger than 2 GB needs its tensors in "
            "files: onnx.load(path, load_external_data=False), and their folder in "
            "AdvancedQuantizationParameters(backend_params={'external_data_dir': ...})."
        ) from error


class OnnxBase:
    """See `tightrope.frameworks.Base`; a validation function gets an `onnx.ModelProto`.

    external_data: the folder of the tensors that the model keeps in files.
    """

    framework = "onnx"

    def __init__(self, model: Any, external_data: str | None) -> None:
        self._model = model
        self.core = _core.read_onnx(serialized(model), external_data or "")

    def rewritten(self, plan: Any) -> Any:
        result = type(self._model)()
        if plan.empty:
            result.CopyFrom(self._model)
        else:
            result.ParseFromString(_core.apply_onnx(self.core, plan))
        return result

    def for_validation(self, plan: Any, device: str, precision: str) -> Any:
        return self.rewritten(plan)  # the function makes its own session

    def save(self, plan: Any, path: str) -> None:
        _core.save_onnx(self.core, plan, path)
