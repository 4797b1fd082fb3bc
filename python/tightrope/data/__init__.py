# SPDX-License-Identifier: Apache-2.0
"""Data for calibration and validation."""

from tightrope.data.dataset import Dataset as Dataset
