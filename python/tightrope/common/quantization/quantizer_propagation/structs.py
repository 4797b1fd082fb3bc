# SPDX-License-Identifier: Apache-2.0
"""The path under which code written for NNCF imports this name."""

from tightrope.quantization.advanced_parameters import QuantizerPropagationRule as QuantizerPropagationRule
