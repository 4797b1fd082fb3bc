# SPDX-License-Identifier: Apache-2.0
"""Data for calibration and validation."""

from tightrope.data.dataset import Dataset as Dataset
from tightrope.elsewhere import attribute_of

__getattr__ = attribute_of(__name__)
