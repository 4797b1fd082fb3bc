# SPDX-License-Identifier: Apache-2.0
"""Models of OpenVINO: shared with the core as they are."""

from typing import Any

import openvino

from tightrope import _runtime
from tightrope._runtime import _core
from tightrope.errors import QuantizationError


class OpenVinoBase:
    """See `tightrope.frameworks.Base`; a validation function gets an `openvino.CompiledModel`."""

    framework = "openvino"

    def __init__(self, model: openvino.Model) -> None:
        self._model = model
        self._clone = model.clone()
        self.core = _core.Model(_runtime.handle(model), _runtime.handle(self._clone))
        self._runtime = openvino.Core()

    def rewritten(self, plan: Any) -> openvino.Model:
        if plan.empty:
            return self._model.clone()
        result = self._clone.clone()
        _core.rewrite(_runtime.handle(result), plan)
        return result

    def for_validation(self, plan: Any, device: str, precision: str) -> openvino.CompiledModel:
        model = self._model if plan.empty else self.rewritten(plan)
        properties = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
        try:
            return self._runtime.compile_model(model, device, properties)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]  # the lines above it name sources of OpenVINO
            raise QuantizationError(f"[compile] device '{device}', precision '{precision}': {reason}") from error

    def save(self, plan: Any, path: str) -> None:
        _core.save_ir(_runtime.handle(self.rewritten(plan)), path)
