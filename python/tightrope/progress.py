# SPDX-License-Identifier: Apache-2.0
"""Progress of long stages: a bar with the time left on a terminal or in a notebook, a line now and then elsewhere."""

import sys
import time
import warnings
from types import TracebackType

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of notebooks without widgets, where the bar is text
    from tqdm.auto import tqdm as tqdm

from tightrope import _runtime
from tightrope.log import get_logger, logger

_SECONDS_BETWEEN_LINES = 10.0


def _shows_bars() -> bool:
    """True on a terminal and in a notebook, whose kernel is no terminal but redraws a line."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell" or (sys.stderr is not None and sys.stderr.isatty())


class ProgressBars:
    """Shows the stages that the core reports while the block runs.

    Nothing is shown where the logger is silent (see `set_log_level`, `disable_logging`).
    """

    def __init__(self) -> None:
        self._stage = ""
        self._bar: tqdm | None = None
        self._line_due = 0.0

    def __enter__(self) -> "ProgressBars":
        _runtime._core.set_progress_sink(self._report)
        _runtime._core.set_log_sink(self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _runtime._core.set_progress_sink(lambda stage, done, total: None)
        _runtime._core.set_log_sink(_runtime.write_log)
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def _log(self, level: int, message: str) -> None:
        if self._bar is not None:
            self._bar.clear()  # the message would follow it on its line
        _runtime.write_log(level, message)

    def _report(self, stage: str, done: int, total: int) -> None:
        # A stage of unknown length, the search, logs each of its steps.
        if total == 0 or logger.disabled or not get_logger().isEnabledFor(20):
            return
        if not _shows_bars():
            self._line(stage, done, total)
            return
        if stage != self._stage or self._bar is None:
            self._close()
            self._stage = stage
            self._bar = tqdm(total=total, desc=stage, leave=False)
        self._bar.n = done
        self._bar.refresh() if done == total else self._bar.update(0)
        if done == total:
            self._close()

    def _line(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._line_due = stage, now + _SECONDS_BETWEEN_LINES
        if now < self._line_due:
            return
        self._line_due = now + _SECONDS_BETWEEN_LINES
        get_logger().info("[%s] %d of %d", stage, done, total)
