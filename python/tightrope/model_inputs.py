# SPDX-License-Identifier: Apache-2.0
"""Turns what a `transform_func` returns into named arrays for the core."""

from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Number
from typing import Any

import numpy as np
import openvino

from tightrope.errors import InvalidArgumentError


def named_arrays(items: Iterable[Any], what: str, inputs: int) -> Iterator[list[tuple[str, "np.ndarray[Any, Any]"]]]:
    """Yields, for each item, its inputs as (name, C-contiguous array); an empty name stands for the position.

    items: model inputs: an array or tensor, a list or tuple of them by position, or a dict by input name or position.
        Tensors may be on any device and part of a graph of gradients. Nested lists of numbers count as arrays.
    what: names the data in messages, such as "calibration".
    inputs: how many inputs the model has.

    Raises InvalidArgumentError, with the item's index, for an item that is none of these, and where producing the item
    fails (an exception of a `transform_func`, say).
    """
    iterator = iter(items)
    index = 0
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            raise InvalidArgumentError(f"[{what}] item {index}: {type(error).__name__}: {error}") from error
        entries = _entries(item, what, index, inputs)
        yield [(name, _array(value, what, index, name or str(i))) for i, (name, value) in enumerate(entries)]
        index += 1


def _entries(item: Any, what: str, index: int, inputs: int) -> list[tuple[str, Any]]:
    if isinstance(item, Mapping):
        positions = [key for key in item if isinstance(key, Integral)]
        if positions and (len(positions) < len(item) or sorted(positions) != list(range(len(item)))):
            raise InvalidArgumentError(
                f"[{what}] item {index}: the keys are {list(item)}; input names are needed, or positions from 0 on"
            )
        if positions:
            return [("", item[position]) for position in sorted(positions)]
        return [(_name(key, what, index), value) for key, value in item.items()]
    if isinstance(item, (list, tuple)) and not (inputs == 1 and _is_of_numbers(item)):
        return [("", value) for value in item]
    return [("", item)]


def _is_of_numbers(value: Any) -> bool:
    """True for lists of lists ... of plain numbers."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, Number) and not isinstance(value, np.generic)


def _name(key: Any, what: str, index: int) -> str:
    if isinstance(key, str):
        return key
    try:
        return str(key.get_any_name())  # an output of OpenVINO, such as `model.input(0)`
    except (AttributeError, RuntimeError):
        raise InvalidArgumentError(
            f"[{what}] item {index}: {key!r} is the key of an input; input names are needed, or positions from 0 on"
        ) from None


def _array(value: Any, what: str, index: int, name: str) -> "np.ndarray[Any, Any]":
    try:
        array = np.asarray(_in_memory(value), order="C")
    except Exception as error:
        raise InvalidArgumentError(
            f"[{what}] item {index}, input '{name}': no array can be made of it: {error}"
        ) from error
    if array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        array = array.astype(np.float32)  # NumPy itself doesn't know them
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidArgumentError(
            f"[{what}] item {index}, input '{name}': found {type(value).__name__} with elements of type {array.dtype}; "
            "numbers are needed"
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _in_memory(value: Any) -> Any:
    """What NumPy can read: tensors leave their device and their graph of gradients."""
    if isinstance(value, openvino.Tensor):
        return value.data
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # of torch
        value = value.detach().cpu()
        if getattr(value, "is_sparse", False):
            value = value.to_dense()
        if str(value.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            value = value.float()
        return value.numpy()
    if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):  # of cupy
        return value.get()
    if isinstance(value, (list, tuple)) and any(hasattr(entry, "detach") for entry in value):
        return np.stack([_in_memory(entry) for entry in value])
    return value
