# SPDX-License-Identifier: Apache-2.0
"""Keys of `AdvancedQuantizationParameters.backend_params` for ONNX models."""


class BackendParameters:
    """COMPRESS_WEIGHTS: False leaves weights in floating point, with a QuantizeLinear behind them; True by default.

    EXTERNAL_DATA_DIR: the folder of the tensors that a model keeps in files, where they aren't loaded.
    STAT_REQUESTS_NUMBER, EVAL_REQUESTS_NUMBER: how many items run at a time in calibration and in the ranking.
    """

    COMPRESS_WEIGHTS = "compress_weights"
    EXTERNAL_DATA_DIR = "external_data_dir"
    STAT_REQUESTS_NUMBER = "stat_requests_number"
    EVAL_REQUESTS_NUMBER = "eval_requests_number"
