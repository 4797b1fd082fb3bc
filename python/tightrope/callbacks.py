# SPDX-License-Identifier: Apache-2.0
"""What `quantize_with_accuracy_control` tells its callbacks while it runs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tightrope.errors import InvalidArgumentError


class EventKind(StrEnum):
    """What has happened.

    STAGE_STARTED, STAGE_ENDED: of calibration, ranking, search ...; `Event.stage` names it as the report does.
    PROGRESS: a step of a stage is done.
    EVALUATION: a model was validated, or what an earlier run in the `work_dir` measured was found.
    RANKING: it is known how much harm each group of operations does.
    """

    STAGE_STARTED = "stage_started"
    STAGE_ENDED = "stage_ended"
    PROGRESS = "progress"
    EVALUATION = "evaluation"
    RANKING = "ranking"


@dataclass(frozen=True)
class Event:
    """One event of a run. Fields that don't belong to its kind are empty.

    kind: what has happened.
    stage: the stage that is under way.
    seconds: how long it took, of a stage that has ended.
    done, total: steps of the stage, of progress; `total` is 0 where it isn't known.
    evaluation: what was just measured: "name" ("original model", "quantized model", "candidate 3"), "metric" or
        "metrics", "drop", "reverted" (operations in floating point), "items", "seconds", "early" (judged on a part of
        the items); as in `report(model).evaluations`.
    best: the same of the model that would be returned if nothing better came; None until the quantized model is
        measured.
    groups: of the ranking, "operations" and "score" of each group; as in `report(model).groups`.
    """

    kind: EventKind
    stage: str
    seconds: float
    done: int
    total: int
    evaluation: dict[str, Any] | None
    best: dict[str, Any] | None
    groups: list[dict[str, Any]]


Callback = Callable[[Event], Any]


class StopSearch(Exception):
    """Raised by a callback to stop: the best model so far is the result, as at the end of a `time_budget`."""


def event_function(callbacks: Callback | Sequence[Callback] | None) -> Callable[[str], bool] | None:
    """What the core calls with events as JSON; it returns whether to stop. None where nobody listens.

    Raises InvalidArgumentError for what can't be called.
    """
    if callbacks is None:
        return None
    functions: list[Callback] = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]  # type: ignore[list-item]
    for function in functions:
        if not callable(function):
            raise InvalidArgumentError(
                f"[options] callbacks: found {type(function).__name__}; needs a function of one event, or a list of "
                "them."
            )

    def call(text: str) -> bool:
        entries = json.loads(text)
        event = Event(**{**entries, "kind": EventKind(entries["kind"])})
        stops = [_stops(function, event) for function in functions]
        return any(stops)

    return call if functions else None


def _stops(function: Callback, event: Event) -> bool:
    try:
        return function(event) is True
    except StopSearch:
        return True
