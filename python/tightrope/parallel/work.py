# SPDX-License-Identifier: Apache-2.0
"""What runs where the executor's workers are."""

import os
import pickle
import secrets
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROCESS = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
_MOST_CONTENTS = 8  # of one run there are four at most; those of earlier runs give way

_contents: "OrderedDict[str, Any]" = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """What comes back of a task: what it lacks, or its result, or why it failed.

    process, thread: who answers.
    """

    process: str
    thread: int
    missing: tuple[str, ...] = ()
    result: Any = None
    failure: str = ""


def perform(
    submission: str,
    work: Callable[..., Any],
    contents: tuple[str, ...],
    sent: dict[str, Any],
    arguments: tuple[Any, ...],
) -> Answer:
    """Calls `work` on contents and arguments, where this process has all of the contents.

    submission: another one each time, since some executors remember what a call returned.
    contents: hashes of what the work needs. What this process was sent once it keeps.
    sent: contents by their hashes: pickled, or, for threads of the caller, as they are.
    """
    who = PROCESS, threading.get_ident()
    try:
        found = _take(contents, sent)
        missing = tuple(key for key in contents if key not in found)
        if missing:
            return Answer(*who, missing)
        return Answer(*who, result=work(*(found[key] for key in contents), *arguments))
    except Exception as error:  # whatever it is, the caller does the work itself, and meets it there
        return Answer(*who, failure=f"{type(error).__name__}: {error}")


def _take(contents: tuple[str, ...], sent: dict[str, Any]) -> dict[str, Any]:
    here = {key: value for key, value in sent.items() if not isinstance(value, bytes)}
    with _lock:
        for key, value in sent.items():
            if key not in here and key not in _contents:
                _contents[key] = pickle.loads(value)
        found = {key: _contents[key] for key in contents if key in _contents}
        for key in found:
            _contents.move_to_end(key)
        while len(_contents) > _MOST_CONTENTS:
            _contents.popitem(last=False)
    return found | here


def score(model: Any, ranking: Any, group: int) -> float:
    """The score of a group; see `contents`."""
    result: float = ranking.scorer(model).score(group)
    return result


def validate(model: Any, validation: Any, plan: str, name: str, positions: list[int] | None) -> Any:
    """What the user's function gives under a plan; see `contents`."""
    return validation.evaluate(model, plan, name, positions)
