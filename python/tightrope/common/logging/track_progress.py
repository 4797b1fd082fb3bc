# SPDX-License-Identifier: Apache-2.0
"""The path under which code written for NNCF imports this function."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tightrope.progress import tqdm

_Item = TypeVar("_Item")


def track(
    sequence: Iterable[_Item], description: str = "Working...", total: float | None = None, **_: Any
) -> Iterator[_Item]:
    """The items of a sequence, with a bar that tells how far an iteration over them is.

    sequence: what is iterated.
    description: stands in front of the bar.
    total: the number of items, where the sequence doesn't know it.
    _: how NNCF's bar looks; without effect.
    """
    return iter(tqdm(sequence, desc=description, total=total))
