# SPDX-License-Identifier: Apache-2.0
"""The samples that calibration and validation read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast, overload

from tightrope.errors import InvalidArgumentError

DataItem = TypeVar("DataItem")
ModelInput = TypeVar("ModelInput")
_Item = TypeVar("_Item")


class Dataset(Generic[DataItem, ModelInput]):
    """A sequence of samples that can be read many times, with a function that turns a sample into a model input.

    All counts and indices, such as `subset_size`, are in items of the source: batches, if the source yields batches.

    data_source: any iterable. Random access (`__getitem__`) saves reading items that were not asked for. Has to
        start anew with each iteration: a generator, say, is empty the second time (see `is_one_shot`).
    transform_func: takes an item of the source, returns what the model takes as input: an array, a list or tuple of
        arrays, or a dict by input name. None: items are used as they are.

    Raises InvalidArgumentError if the source is not iterable or the function not callable.
    """

    @overload
    def __init__(
        self: "Dataset[DataItem, DataItem]", data_source: Iterable[DataItem], transform_func: None = None
    ) -> None: ...

    @overload
    def __init__(self, data_source: Iterable[DataItem], transform_func: Callable[[DataItem], ModelInput]) -> None: ...

    def __init__(
        self,
        data_source: Iterable[DataItem],
        transform_func: Callable[[DataItem], Any] | None = None,
    ) -> None:
        if not (hasattr(data_source, "__iter__") or hasattr(data_source, "__getitem__")):
            raise InvalidArgumentError(
                f"[dataset] data_source: found an object of type {type(data_source).__name__}; needs an iterable."
            )
        if transform_func is not None and not callable(transform_func):
            raise InvalidArgumentError(
                f"[dataset] transform_func: found an object of type {type(transform_func).__name__}; "
                "needs a function of one item, or None."
            )
        self._data_source = data_source
        self._transform_func = transform_func

    def get_data(self, indices: Sequence[int] | None = None) -> Iterable[DataItem]:
        """The items of the source as they are; the result can be iterated again and again.

        indices: positions from 0 of the wanted items. A source with random access yields them in the given order;
            any other is read from the start, as far as needed, and yields them in ascending order. None: all items.
        """
        return _Selection(self._data_source, None, indices)

    def get_inference_data(self, indices: Sequence[int] | None = None) -> Iterable[ModelInput]:
        """As `get_data`, but each item went through `transform_func` and is ready to be a model input."""
        return _Selection(self._data_source, self._transform_func, indices)

    def get_length(self) -> int | None:
        """The number of items, or None if the source doesn't know it."""
        try:
            return len(self._data_source)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):  # a loader of a stream has __len__, but it raises
            return None

    def get_batch_size(self) -> int | None:
        """The attribute `batch_size` of the source, or None if it has none."""
        return cast("int | None", getattr(self._data_source, "batch_size", None))

    @property
    def has_random_access(self) -> bool:
        """True if single items can be read without those before them."""
        return hasattr(self._data_source, "__getitem__")

    @property
    def is_one_shot(self) -> bool:
        """True if the source is an iterator, such as a generator or an open file: it can be read only once."""
        source = self._data_source
        # Only iterators have __next__; asking anything else for iter() may start the workers of a loader.
        return hasattr(source, "__next__") and iter(source) is source


class _Selection(Generic[_Item]):
    """Selected items of a source, read anew by each iteration."""

    def __init__(
        self, source: Iterable[Any], transform: Callable[[Any], _Item] | None, indices: Sequence[int] | None
    ) -> None:
        self._source = source
        self._transform = transform
        self._indices = None if indices is None else list(indices)

    def __iter__(self) -> Iterator[_Item]:
        items = self._items()
        if self._transform is None:
            return items
        transform = self._transform
        return (transform(item) for item in items)  # unlike with map(), its StopIteration does not look like the end

    def _items(self) -> Iterator[Any]:
        if self._indices is None:
            return iter(self._source)
        if hasattr(self._source, "__getitem__"):
            return (self._source[index] for index in self._indices)
        return _scan(self._source, self._indices)


def _scan(source: Iterable[Any], indices: list[int]) -> Iterator[Any]:
    """Yields the wanted positions in ascending order and reads nothing past the last of them."""
    wanted = sorted(index for index in indices if index >= 0)
    if not wanted:
        return
    next_wanted = 0
    for position, item in enumerate(source):
        while wanted[next_wanted] == position:
            yield item
            next_wanted += 1
            if next_wanted == len(wanted):
                return
