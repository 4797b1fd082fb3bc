# SPDX-License-Identifier: Apache-2.0
"""The samples that calibration and validation read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast, overload

from tightrope.errors import InvalidArgumentError

DataItem = TypeVar("DataItem")
ModelInput = TypeVar("ModelInput")
_Item = TypeVar("_Item")


class Dataset(Generic[DataItem, ModelInput]):
    """A sequence of samples that can be read many times, with a function that turns a sample into a model input.

    All counts and indices, such as `subset_size`, are in items of the source: batches, if the source yields batches.

    data_source: any iterable, such as a list, an array, a torch `DataLoader`, a `tf.data.Dataset` or a dataset of
        Hugging Face; a sequence that has only a length and `__getitem__`; or a function without arguments that returns
        a fresh iterator at each call. Random access (`__getitem__`) saves reading items that were not asked for. Has to
        start anew with each iteration: a generator, say, is empty the second time (see `is_one_shot`), but the function
        that makes one is a source.
    transform_func: takes an item of the source, returns what the model takes as input: an array or tensor, a list or
        tuple of them, or a dict by input name. None: items are used as they are.

    Raises InvalidArgumentError if the source is not iterable or the function not callable.
    """

    @overload
    def __init__(
        self: "Dataset[DataItem, DataItem]",
        data_source: Iterable[DataItem] | Callable[[], Iterable[DataItem]],
        transform_func: None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        data_source: Iterable[DataItem] | Callable[[], Iterable[DataItem]],
        transform_func: Callable[[DataItem], ModelInput],
    ) -> None: ...

    def __init__(
        self,
        data_source: Iterable[DataItem] | Callable[[], Iterable[DataItem]],
        transform_func: Callable[[DataItem], Any] | None = None,
    ) -> None:
        if transform_func is not None and not callable(transform_func):
            raise InvalidArgumentError(
                f"[dataset] transform_func: found an object of type {type(transform_func).__name__}; "
                "needs a function of one item, or None."
            )
        self._data_source = _source(data_source, transform_func is not None)
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
        return _length(self._data_source)

    def get_batch_size(self) -> int | None:
        """The samples of an item, where the source knows them, as a `DataLoader` or batched `tf.data.Dataset` does."""
        source = self._data_source
        size = getattr(source, "batch_size", None)
        while size is None and source is not None:
            size = getattr(source, "_batch_size", None)  # of tf.data, which wraps one dataset in the other
            source = getattr(source, "_input_dataset", None)
        try:
            return None if size is None else int(size)
        except (TypeError, ValueError):
            return None

    @property
    def has_random_access(self) -> bool:
        """True if single items can be read without those before them."""
        return _has_random_access(self._data_source)

    @property
    def is_one_shot(self) -> bool:
        """True if the source is an iterator, such as a generator or an open file: it can be read only once."""
        source = self._data_source
        # Only iterators have __next__; asking anything else for iter() may start the workers of a loader.
        return hasattr(source, "__next__") and iter(source) is source


class _Fresh:
    """What a function returns, asked for at each iteration."""

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self._function = function

    def __iter__(self) -> Iterator[Any]:
        found = self._function()
        if not hasattr(found, "__iter__") and not hasattr(found, "__next__"):
            raise InvalidArgumentError(
                f"[dataset] data_source: the function returned an object of type {type(found).__name__}; "
                "needs one that returns an iterable."
            )
        return iter(found)


def _source(source: Any, has_transform: bool) -> Any:
    if any(kind.__name__ in ("DatasetDict", "IterableDatasetDict") for kind in type(source).__mro__):
        splits = ", ".join(repr(key) for key in source)
        raise InvalidArgumentError(
            f"[dataset] data_source: found a {type(source).__name__} of the splits {splits}; needs one of them, as in "
            "data['train']."
        )
    if isinstance(source, Mapping) and not has_transform:
        raise InvalidArgumentError(
            f"[dataset] data_source: found a {type(source).__name__}, whose items are its keys; needs an iterable over "
            "the samples, each of which may be a dict by input name."
        )
    if hasattr(source, "__iter__") or hasattr(source, "__getitem__"):
        return source
    if callable(source) and not isinstance(source, type):
        return _Fresh(source)
    raise InvalidArgumentError(
        f"[dataset] data_source: found an object of type {type(source).__name__}; needs an iterable, or a function "
        "that returns one."
    )


def _length(source: Any) -> int | None:
    try:
        return len(source)
    except (TypeError, NotImplementedError, AttributeError):  # a loader of a stream has __len__, but it raises
        return None


def _has_random_access(source: Any) -> bool:
    # A stream of torch inherits a __getitem__ that only raises.
    owner = next((kind for kind in type(source).__mro__ if "__getitem__" in vars(kind)), None)
    is_placeholder = owner is not None and owner.__name__ == "Dataset" and owner.__module__.startswith("torch.")
    return hasattr(source, "__getitem__") and not is_placeholder and not isinstance(source, Mapping)


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
        source = cast("Any", self._source)
        if self._indices is not None:
            if _has_random_access(source):
                return (source[index] for index in self._indices)
            return _scan(source, self._indices)
        length = None if hasattr(source, "__iter__") else _length(source)
        if length is not None:  # datasets of torch seldom raise the IndexError that ends an iteration without a length
            return (source[index] for index in range(length))
        return iter(source)


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
