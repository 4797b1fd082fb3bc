# SPDX-License-Identifier: Apache-2.0
"""Scores of groups by workers."""

from collections.abc import Callable

from tightrope._runtime import _core
from tightrope.frameworks import Base
from tightrope.log import get_logger
from tightrope.parallel.contents import ModelFiles, ModelHere, RankedPlan
from tightrope.parallel.work import score as score_group
from tightrope.parallel.workers import Workers


def keep_model(workers: Workers, core: _core.Model, base: Base | None) -> str:
    """The name of the model among what workers get.

    Raises what saving the model raises.
    """
    return workers.keep(ModelHere(core, base) if workers.shares_memory else ModelFiles(core))


def score_elsewhere(workers: Workers) -> Callable[[_core.Ranking, Callable[[int, float], bool]], None]:
    """What `_core.find_plan` has groups scored with."""

    def score(ranking: _core.Ranking, done: Callable[[int, float], bool]) -> None:
        try:
            contents = keep_model(workers, ranking.model, None), workers.keep(RankedPlan(ranking))
        except Exception as error:
            get_logger().warning(
                "[executor] the model can't be sent (%s: %s); this process ranks.", type(error).__name__, error
            )
            return
        tasks = {workers.start(score_group, contents, group): group for group in range(ranking.groups)}
        try:
            while tasks:
                task = workers.wait(tasks)
                group = tasks.pop(task)
                if not task.failed and not done(group, task.result):
                    return
        finally:
            workers.stop(tasks)

    return score
