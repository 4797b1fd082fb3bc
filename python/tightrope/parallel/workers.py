# SPDX-License-Identifier: Apache-2.0
"""The workers behind an executor: who gets which task, and what is sent along."""

import concurrent.futures
import hashlib
import math
import secrets
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from tightrope.errors import InvalidArgumentError
from tightrope.log import get_logger
from tightrope.parallel import work
from tightrope.parallel.contents import pickled

_FIRST_TASKS = 4  # at a time, until it is known how many workers there are
_MOST_BOUNCES = 3  # of a task without what it needs
_MOST_LOSSES = 1  # of a task, until it is computed here
_MOST_FAILURES_AT_FIRST = 3  # of tasks, lost ones too, before any was done
_SECONDS_OF_SILENCE = 60.0  # until the user is told


class Task:
    """A call of `work` on contents and arguments.

    done: it has a result, or has failed: then the caller does it.
    is_lost: it failed because its workers did.
    """

    def __init__(self, work: Callable[..., Any], contents: tuple[str, ...], arguments: tuple[Any, ...]) -> None:
        self.work, self.contents, self.arguments = work, contents, arguments
        self.done = False
        self.failed = False
        self.is_lost = False
        self.result: Any = None
        self.sent: dict[str, Any] = {}
        self.bounces = 0
        self.losses = 0


class Workers:
    """Gives tasks to an executor, and each process what the tasks need, once.

    An executor says nothing of its workers and addresses none. So tasks go out without what they need. A process that
    lacks it says so, and only then one task goes out with it, for which that process is the one that waits. Should
    another one take that task, it is sent once more.
    """

    def __init__(self, executor: concurrent.futures.Executor) -> None:
        self._executor = executor
        self.shares_memory = isinstance(executor, concurrent.futures.ThreadPoolExecutor)
        self._contents: dict[str, Any] = {}
        self._waiting: deque[Task] = deque()
        self._running: dict[concurrent.futures.Future[work.Answer], Task] = {}
        self._threads: set[tuple[str, int]] = set()  # that have answered
        self._lacking: set[str] = set()  # processes that have said so and not answered since
        self._failures = 0
        self._has_results = False
        self._is_broken = False
        self.bytes_sent = 0  # of contents
        self.copies_sent: dict[str, int] = {}  # of each

    @property
    def count(self) -> int:
        """How many workers are known; 0 where none is left."""
        return 0 if self._is_broken else max(2, len(self._threads))

    def keep(self, content: Any) -> str:
        """Pickles what tasks need, unless threads of this process do them; returns its name.

        Raises what pickle raises.
        """
        if self.shares_memory:
            key = f"object {id(content)}"
            self._contents[key] = content
        else:
            data = pickled(content)
            key = hashlib.sha256(data).hexdigest()
            self._contents[key] = data
        return key

    def start(self, work: Callable[..., Any], contents: tuple[str, ...], *arguments: Any) -> Task:
        """Results are waited for in any order; see `wait`."""
        task = Task(work, contents, arguments)
        self._waiting.append(task)
        self._submit()
        return task

    def wait(self, tasks: Collection[Task]) -> Task:
        """The first of the tasks that is done."""
        warning_due = time.monotonic() + _SECONDS_OF_SILENCE
        while True:
            for task in tasks:
                if task.done:
                    return task
            self._submit()
            finished, _ = concurrent.futures.wait(
                list(self._running), timeout=1, return_when=concurrent.futures.FIRST_COMPLETED
            )
            if not finished and not self._threads and time.monotonic() > warning_due:
                warning_due = math.inf
                get_logger().warning("[executor] no worker has answered for %d s.", _SECONDS_OF_SILENCE)
            for future in finished:
                self._absorb(self._running.pop(future), future)

    def stop(self, tasks: Collection[Task]) -> None:
        """Forgets the tasks; what runs runs to its end, but nobody waits for it."""
        self._waiting = deque(task for task in self._waiting if task not in tasks)
        for future in [future for future, task in self._running.items() if task in tasks]:
            future.cancel()
            del self._running[future]

    def close(self) -> None:
        self.stop([*self._waiting, *self._running.values()])
        if self.bytes_sent:
            get_logger().debug("[executor] %d bytes were sent to %d workers.", self.bytes_sent, len(self._threads))

    def _submit(self) -> None:
        most = max(_FIRST_TASKS, 2 * len(self._threads))
        while self._waiting and len(self._running) < most and not self._is_broken:
            task = self._waiting[0]
            sent = {key: self._contents[key] for key in task.contents} if self.shares_memory else task.sent
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Sending large graph")  # of Dask; it is sent once
                    future = self._executor.submit(
                        work.perform, secrets.token_hex(8), task.work, task.contents, sent, task.arguments
                    )
            except Exception as error:
                self._break(_text(error))
                break
            self._running[future] = self._waiting.popleft()
            for key, content in task.sent.items():
                self.bytes_sent += len(content)
                self.copies_sent[key] = self.copies_sent.get(key, 0) + 1
        if self._is_broken:
            for task in self._waiting:
                task.done = task.failed = task.is_lost = True
            self._waiting.clear()

    def _absorb(self, task: Task, future: "concurrent.futures.Future[work.Answer]") -> None:
        try:
            answer = future.result()
        except Exception as error:
            self._lose(task, error)
            return
        self._threads.add((answer.process, answer.thread))
        task.sent = {}
        if answer.missing:
            self._lacking.add(answer.process)
            self._bounce(task, answer.missing)
            return
        self._lacking.discard(answer.process)
        task.done = True
        task.result = answer.result
        if not answer.failure:
            self._has_results = True
            return
        task.failed = True
        if self._never_works():
            self._break(answer.failure)
        else:
            get_logger().info("[executor] %s on a worker; this process does it.", answer.failure)

    def _bounce(self, task: Task, missing: tuple[str, ...]) -> None:
        """Sends what a process lacks, unless enough is on its way already."""
        task.bounces += 1
        on_the_way = sum(bool(other.sent) for other in (*self._running.values(), *self._waiting))
        if on_the_way < len(self._lacking) or task.bounces > _MOST_BOUNCES:
            task.sent = {key: self._contents[key] for key in missing}
            self._waiting.appendleft(task)
        else:
            self._waiting.append(task)

    def _lose(self, task: Task, error: BaseException) -> None:
        task.sent = {}
        task.losses += 1
        if self._never_works() or isinstance(error, concurrent.futures.BrokenExecutor):
            self._break(_text(error))
            task.losses = _MOST_LOSSES + 1
        elif task.losses > _MOST_LOSSES:
            get_logger().warning("[executor] a task was lost again (%s); this process does it.", _text(error))
        else:
            get_logger().warning("[executor] a task was lost with its worker (%s); it is done again.", _text(error))
        if task.losses > _MOST_LOSSES:
            task.done = task.failed = task.is_lost = True
        else:
            self._waiting.append(task)

    def _never_works(self) -> bool:
        self._failures += 1
        return not self._has_results and self._failures >= _MOST_FAILURES_AT_FIRST

    def _break(self, reason: str) -> None:
        if not self._is_broken:
            get_logger().warning("[executor] no worker is of use (%s); the run goes on in this process.", reason)
        self._is_broken = True


@contextmanager
def working_with(executor: concurrent.futures.Executor | None) -> Iterator[Workers | None]:
    """The workers of an executor, which have no task left in the end; None without one.

    Raises InvalidArgumentError for what is no executor.
    """
    if executor is None:
        yield None
        return
    if not isinstance(executor, concurrent.futures.Executor):
        kind = f"{type(executor).__module__}.{type(executor).__name__}"
        raise InvalidArgumentError(
            f"[options] executor: found {kind}; needs a concurrent.futures.Executor (a Dask client's is "
            "client.get_executor())."
        )
    workers = Workers(executor)
    try:
        yield workers
    finally:
        workers.close()


def _text(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
