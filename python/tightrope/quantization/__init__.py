# SPDX-License-Identifier: Apache-2.0
"""Quantization and its parameters, under the paths of NNCF."""

from typing import TYPE_CHECKING, Any

from tightrope.elsewhere import attribute_of
from tightrope.parameters import QuantizationPreset as QuantizationPreset

if TYPE_CHECKING:
    from tightrope.quantization.quantize_model import quantize as quantize
    from tightrope.quantization.quantize_model import quantize_with_accuracy_control as quantize_with_accuracy_control


def __getattr__(name: str) -> Any:
    # Looked up late: quantize_model itself imports the parameters in this package.
    if name in ("quantize", "quantize_with_accuracy_control"):
        from tightrope.quantization import quantize_model

        return getattr(quantize_model, name)
    return attribute_of(__name__)(name)
