# SPDX-License-Identifier: Apache-2.0
"""A Dask cluster for the command line."""

from collections.abc import Callable

from tightrope._runtime import _core
from tightrope.errors import InvalidArgumentError
from tightrope.parallel.ranking import score_elsewhere
from tightrope.parallel.workers import Workers

_SECONDS_TO_CONNECT = 10


def connect(address: str) -> Callable[[_core.Ranking, Callable[[int, float], bool]], None]:
    """What has groups scored by the workers of the cluster with this scheduler.

    Raises InvalidArgumentError where Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InvalidArgumentError(
            "option 'dask' needs the package distributed, which is not installed ('pip install distributed')"
        ) from None
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(
            f"option 'dask' is '{address}', where no scheduler answers ({error}); the address is needed that "
            "'dask scheduler' prints"
        ) from error
    return score_elsewhere(Workers(client.get_executor()))
