# SPDX-License-Identifier: Apache-2.0
"""The logger "tightrope" and how to make it louder, quieter or silent.

An application that configures logging, before or after the import, decides by itself where messages go and which: they
reach its handlers like those of any library. Where nothing is configured, the first message adds a handler which writes
lines such as `INFO:tightrope:message` to stderr, and INFO and above is shown; it goes as soon as there is another one.
"""

import logging
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any

logger = logging.getLogger("tightrope")
_FORMAT = logging.Formatter("%(levelname)s:%(name)s:%(message)s")
_own = logging.StreamHandler()
_own.setFormatter(_FORMAT)
_files: list[logging.Handler] = []  # of set_log_file: they go along with any other handler
_level_is_own = False


def get_logger() -> logging.Logger:
    """The logger, ready for use: code that logs starts here rather than with `logger`."""
    global _level_is_own
    others = [handler for handler in logger.handlers if handler is not _own and handler not in _files]
    is_configured = others or (logger.propagate and logging.getLogger().handlers)
    if is_configured and _own in logger.handlers:  # no line comes twice, and the application's level holds
        logger.removeHandler(_own)
        if _level_is_own and logger.level == logging.INFO:
            logger.setLevel(logging.NOTSET)
        _level_is_own = False
    elif not is_configured and _own not in logger.handlers:
        _own.setStream(sys.stderr)
        logger.addHandler(_own)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
            _level_is_own = True
    return logger


def set_log_level(level: int) -> None:
    """Shows messages of this level and above.

    level: a level of the `logging` module, such as `logging.WARNING`.
    """
    global _level_is_own
    logger.setLevel(level)
    _level_is_own = False


def set_log_file(filename: str) -> None:
    """Writes messages to a file, too.

    filename: the file, which is appended to.
    """
    handler = logging.FileHandler(filename, encoding="utf-8")
    handler.setFormatter(_FORMAT)
    _files.append(handler)
    logger.addHandler(handler)


def disable_logging() -> AbstractContextManager[Any]:
    """Silences Tightrope: for good if called, until the block ends if used as `with disable_logging():`."""
    restore = ExitStack()
    restore.callback(setattr, logger, "disabled", logger.disabled)
    logger.disabled = True
    return restore
