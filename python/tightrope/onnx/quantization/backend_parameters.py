# SPDX-License-Identifier: Apache-2.0
"""Keys of `AdvancedQuantizationParameters.backend_params` for ONNX models."""


class BackendParameters:
    """EXTERNAL_DATA_DIR: the folder of the tensors that a model keeps in files, where they aren't loaded."""

    EXTERNAL_DATA_DIR = "external_data_dir"
