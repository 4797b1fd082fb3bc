# SPDX-License-Identifier: Apache-2.0
"""Runs of the user's validation function by workers."""

from collections.abc import Sequence
from typing import Any

from tightrope._runtime import _core
from tightrope.data.dataset import Dataset
from tightrope.frameworks import Base
from tightrope.log import get_logger
from tightrope.parallel.contents import SentValidation
from tightrope.parallel.ranking import keep_model
from tightrope.parallel.work import validate
from tightrope.parallel.workers import Workers
from tightrope.quantization.validation import ValidationFunction


class ValidationElsewhere:
    """What `_core.find_plan` has parts of the validation data evaluated with.

    The arguments are those of `Evaluation`. A function or data that can't be pickled stay in this process, and so does
    the function once it has failed on a worker.
    """

    def __init__(
        self,
        workers: Workers,
        base: Base,
        dataset: Dataset[Any, Any],
        function: ValidationFunction,
        device: str,
        precision: str,
    ) -> None:
        self._workers = workers
        self._base = base
        self._sent = SentValidation(function, dataset, device, precision)
        self._contents: tuple[str, ...] | None = None
        self._stays_here = False

    @property
    def count(self) -> int:
        """How many workers there are for it."""
        return 0 if self._stays_here else self._workers.count

    def evaluate_parts(self, plan: _core.Plan, name: str, parts: Sequence[list[int]]) -> list[Any]:
        """What an `Evaluation` gives for items at each of these lists of positions; None where this process has to."""
        contents = self._keep()
        if contents is None:
            return []
        text = plan.to_json()
        tasks = [self._workers.start(validate, contents, text, name, positions) for positions in parts]
        try:
            for task in tasks:
                self._workers.wait([task])
        finally:
            self._workers.stop(tasks)
        self._stays_here = any(task.result is None and not task.is_lost for task in tasks)
        return [task.result for task in tasks]

    def _keep(self) -> tuple[str, ...] | None:
        if self._contents is None and not self._stays_here:
            try:
                self._contents = keep_model(self._workers, self._base.core, self._base), self._workers.keep(self._sent)
            except Exception as error:  # pickle raises what objects raise
                self._stays_here = True
                get_logger().warning(
                    "[executor] validation_fn, its data or the model can't be sent to workers (%s: %s): validations "
                    "stay in this process. What is needed: a function at the top of a module, or cloudpickle.",
                    type(error).__name__,
                    error,
                )
        return self._contents
