# SPDX-License-Identifier: Apache-2.0
"""Keys of `AdvancedQuantizationParameters.backend_params` for OpenVINO models."""


class BackendParameters:
    """COMPRESS_WEIGHTS: False leaves weights in floating point, with a FakeQuantize behind them; True by default.

    STAT_REQUESTS_NUMBER, EVAL_REQUESTS_NUMBER: how many items run at a time in calibration and in the ranking.
    ACTIVATIONS, WEIGHTS: refused, with whatever they hold; they have no effect in NNCF.
    """

    COMPRESS_WEIGHTS = "compress_weights"
    STAT_REQUESTS_NUMBER = "stat_requests_number"
    EVAL_REQUESTS_NUMBER = "eval_requests_number"
    ACTIVATIONS = "activations"
    WEIGHTS = "weights"
