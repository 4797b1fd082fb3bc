# SPDX-License-Identifier: Apache-2.0
"""The path under which code written for NNCF imports this name."""

from tightrope.log import logger as nncf_logger

__all__ = ["nncf_logger"]
