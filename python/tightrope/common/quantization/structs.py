# SPDX-License-Identifier: Apache-2.0
"""The path under which code written for NNCF imports these names."""

from tightrope.parameters import QuantizationPreset as QuantizationPreset
from tightrope.parameters import QuantizationScheme as QuantizationScheme
