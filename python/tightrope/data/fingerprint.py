# SPDX-License-Identifier: Apache-2.0
"""Tells by a few digits whether data are the same as in an earlier run."""

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def fingerprint(items: Iterable[Any], length: int | None) -> str:
    """Of these items, which stand for all of the data, and of the number of all.

    Arrays and tensors count with type, shape and elements, containers with what is in them, and other objects as pickle
    writes them, or only with their type where it can't.
    """
    digest = hashlib.sha256(repr(length).encode())
    for item in items:
        _add(digest, item)
    return digest.hexdigest()[:16]


def _add(digest: Any, value: Any) -> None:
    digest.update(type(value).__name__.encode() + b":")
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _add(digest, key)
            _add(digest, entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _add(digest, entry)
        digest.update(b"end")
    elif isinstance(value, (str, bytes, int, float, complex, type(None))):
        digest.update(repr(value).encode())
    elif (array := _array(value)) is not None:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    else:
        try:
            digest.update(pickle.dumps(value, protocol=4))
        except Exception:  # what objects raise differs; their type has counted
            return


def _array(value: Any) -> Any:
    """Arrays, and tensors that share their memory with one; None for anything else."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:  # of whatever object this is
        return None
    return None if array.dtype == object else array
