# SPDX-License-Identifier: Apache-2.0
"""The logger "tightrope" and how to make it louder, quieter or silent.

An application that configures logging decides by itself where messages go: they reach its root handlers like those
of any library. Where nothing is configured, the first use adds a handler which writes lines such as
`INFO:tightrope:message` to stderr, and shows INFO and above.
"""

import logging
from contextlib import AbstractContextManager, ExitStack
from typing import Any

logger = logging.getLogger("tightrope")


def get_logger() -> logging.Logger:
    """The logger, ready for use: code that logs starts here rather than with `logger`."""
    if not logger.hasHandlers():  # neither it nor the root logger has one
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        # If the application configures logging later, its handlers take over and no line comes twice.
        handler.addFilter(lambda record: not logging.getLogger().handlers)
        logger.addHandler(handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    return logger


def set_log_level(level: int) -> None:
    """Shows messages of this level and above.

    level: a level of the `logging` module, such as `logging.WARNING`.
    """
    logger.setLevel(level)


def disable_logging() -> AbstractContextManager[Any]:
    """Silences Tightrope: for good if called, until the block ends if used as `with disable_logging():`."""
    restore = ExitStack()
    restore.callback(setattr, logger, "disabled", logger.disabled)
    logger.disabled = True
    return restore
