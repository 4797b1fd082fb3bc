# SPDX-License-Identifier: Apache-2.0
"""One run of the user's validation function, in this process."""

import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tightrope.data.dataset import Dataset
from tightrope.errors import InvalidArgumentError
from tightrope.frameworks import Base
from tightrope.log import get_logger

ValidationFunction = Callable[[Any, Iterable[Any]], Any]


class _CountedItems:
    """The items of the validation data, or those at some positions, counting those that are read."""

    def __init__(self, dataset: Dataset[Any, Any], positions: list[int] | None) -> None:
        self._dataset = dataset
        self._positions = positions
        self.read = 0
        self.nothing_left = False

    def __iter__(self) -> Iterator[Any]:
        for item in self._dataset.get_data(self._positions):
            self.read += 1
            yield item
        self.nothing_left = self.read == 0

    def __len__(self) -> int:
        length = self._dataset.get_length() if self._positions is None else len(self._positions)
        if length is None:
            raise TypeError("the validation dataset does not know its length")
        return length


class Evaluation:
    """Runs the user's function on the model under a plan."""

    def __init__(
        self, base: Base, dataset: Dataset[Any, Any], function: ValidationFunction, device: str, precision: str
    ) -> None:
        self._base = base
        self._dataset = dataset
        self._function = function
        self._device = device
        self._precision = precision
        self._first_read = 0
        self._kept: tuple[Any, Any] | None = None  # plan and model of the last part: compiling may take longer than it

    def __call__(
        self, plan: Any, name: str, positions: list[int] | None, deployed: bool
    ) -> tuple[float | dict[str, float], int, list[float]] | None:
        model = self._model(plan, positions is not None, deployed)
        items = _CountedItems(self._dataset, positions)
        try:
            result = self._function(model, items)
            metrics = _metrics(result, name)
        except Exception as error:
            if positions is not None:
                get_logger().info(
                    "[validation] the function can't be tried on %d items (%s: %s).",
                    len(positions),
                    type(error).__name__,
                    error,
                )
                return None
            if isinstance(error, InvalidArgumentError):
                raise
            if self._first_read > 0 and items.nothing_left:
                raise InvalidArgumentError(
                    f"[validation] {name}: no item was left, while the first evaluation read {self._first_read}; the "
                    "validation data must be readable again from the start (pass a list, or an object whose __iter__ "
                    "starts over)."
                ) from error
            message = f"raised by validation_fn during the evaluation of the {name}, after {items.read} items"
            get_logger().error("[validation] %s was %s.", type(error).__name__, message)
            error.add_note(message)
            raise
        if positions is None:
            self._first_read = self._first_read or items.read
        return metrics, items.read, _values(result, items.read)

    def _model(self, plan: Any, is_part: bool, deployed: bool) -> Any:
        if deployed:
            return self._base.for_validation(plan, self._device, "")
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] == plan:
            model = kept[1]
        else:
            del kept  # before another model takes its memory
            model = self._base.for_validation(plan, self._device, self._precision)
        self._kept = (plan, model) if is_part else None
        return model


def _values(result: Any, items: int) -> list[float]:
    """The values per item in what a validation function returned, where there is a number for each."""
    if not isinstance(result, tuple) or result[1] is None or len(result[1]) != items:
        return []
    try:
        return [_number(value, "", "") for value in result[1]]
    except InvalidArgumentError:
        return []  # outputs of the model, say


def _metrics(result: Any, name: str) -> float | dict[str, float]:
    """The number, or the numbers by name, in what a validation function returned."""
    value = result
    if isinstance(result, tuple):
        if len(result) != 2 or not (result[1] is None or hasattr(result[1], "__len__")):
            found = ", ".join(type(part).__name__ for part in result)
            raise InvalidArgumentError(
                f"[validation] {name}: validation_fn returned a tuple of ({found}); needs a number or a dict of "
                "numbers, or a tuple of that and a list with one value per item (or None)."
            )
        value = result[0]
    if not isinstance(value, Mapping):
        return _number(value, name, "the metric")
    if not value or not all(isinstance(key, str) for key in value):
        raise InvalidArgumentError(
            f"[validation] {name}: validation_fn returned {value!r:.80}; needs a dict of numbers with names as keys."
        )
    return {str(key): _number(number, name, f"the metric '{key}'") for key, number in value.items()}


def _number(value: Any, name: str, which: str) -> float:
    if not isinstance(value, numbers.Number) and getattr(value, "size", None) is not None and hasattr(value, "item"):
        try:
            value = value.item()  # an array or tensor with one element
        except (TypeError, ValueError, RuntimeError):
            pass
    try:
        if isinstance(value, numbers.Real):
            return float(value)
    except OverflowError:
        pass
    raise InvalidArgumentError(
        f"[validation] {name}: validation_fn returned {value!r:.80} ({type(value).__name__}) as {which}; "
        "needs a finite number."
    )
