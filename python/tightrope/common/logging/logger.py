# SPDX-License-Identifier: Apache-2.0
"""The path under which code written for NNCF imports these names."""

from tightrope.log import disable_logging as disable_logging
from tightrope.log import logger as nncf_logger
from tightrope.log import set_log_file as set_log_file
from tightrope.log import set_log_level as set_log_level

__all__ = ["disable_logging", "nncf_logger", "set_log_file", "set_log_level"]
