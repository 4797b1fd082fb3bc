# SPDX-License-Identifier: Apache-2.0
"""Names of NNCF for other jobs than post-training quantization to 8 bits: an import says where they are."""

from collections.abc import Callable
from typing import Any

from tightrope.errors import UnsupportedError

_WEIGHTS = "compression of weights alone"
_TRAINING = "training and models of torch"
_JOBS = {
    "compress_weights": _WEIGHTS,
    "generate_text_data": _WEIGHTS,
    "AdvancedAWQParameters": _WEIGHTS,
    "AdvancedAdaptiveCodebookParameters": _WEIGHTS,
    "AdvancedCompressionParameters": _WEIGHTS,
    "AdvancedGPTQParameters": _WEIGHTS,
    "AdvancedLoraCorrectionParameters": _WEIGHTS,
    "AdvancedScaleEstimationParameters": _WEIGHTS,
    "BackupMode": _WEIGHTS,
    "CompressWeightsMode": _WEIGHTS,
    "CompressionFormat": _WEIGHTS,
    "GroupSizeFallbackMode": _WEIGHTS,
    "SensitivityMetric": _WEIGHTS,
    "PruneMode": _TRAINING,
    "StripFormat": _TRAINING,
    "batch_norm_adaptation": _TRAINING,
    "build_graph": _TRAINING,
    "prune": _TRAINING,
    "pruning_statistic": _TRAINING,
    "strip": _TRAINING,
}


def attribute_of(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for a module, which raises UnsupportedError for names of other jobs."""

    def find(name: str) -> Any:
        if name in _JOBS:
            raise UnsupportedError(
                f"[import] {module}.{name} is for {_JOBS[name]}, which Tightrope does not do; "
                f"NNCF has it: from nncf import {name}."
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find
