# SPDX-License-Identifier: Apache-2.0
"""What a run did, what it measured and why it stopped."""

import json
import weakref
from typing import Any

import openvino

from tightrope import _runtime
from tightrope.errors import InvalidArgumentError
from tightrope.scopes import IgnoredScope

_NOTE = ["tightrope", "report"]

# Reports with times, of models made in this process. The report inside a model has none, so that equal runs give equal
# files.
_with_times: "dict[int, Report]" = {}  # by id of the model, as long as it lives


class Report:
    """The report of one run; its fields are those of its JSON form.

    Print it for a summary, `to_json()` for everything, `data` for everything as a dict.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.data: dict[str, Any] = json.loads(text)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["data"][name]
        except KeyError:
            fields = ", ".join(self.__dict__.get("data", ()))
            raise AttributeError(f"a report has no field '{name}'; it has {fields}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.data]

    def __str__(self) -> str:
        return _runtime._core.report_to_text(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Report, (self._text,)

    def to_json(self) -> str:
        """The whole report as JSON text."""
        return self._text

    def ignored_scope(self) -> IgnoredScope:
        """The operations that were returned to floating point, ready to be given to `quantize`."""
        return IgnoredScope(names=list(self.data["reverted"]))


def attach_report(model: openvino.Model, text: str) -> None:
    """Puts the report into the model, where saving keeps it."""
    model.set_rt_info(_runtime._core.without_times(text), _NOTE)
    _with_times[id(model)] = Report(text)
    weakref.finalize(model, _with_times.pop, id(model), None)


def report(model: openvino.Model) -> Report:
    """The report of a model that Tightrope returned, also after the model was saved and read.

    Times are known only in the process that made the model.

    Raises InvalidArgumentError if the model has no report.
    """
    if not isinstance(model, openvino.Model):
        raise InvalidArgumentError(f"[report] found an object of type {type(model).__name__}; needs an openvino.Model.")
    known = _with_times.get(id(model))
    if known is not None:
        return known
    if not model.has_rt_info(_NOTE):
        raise InvalidArgumentError("[report] the model has no report; needs a model that Tightrope returned.")
    return Report(model.get_rt_info(_NOTE).astype(str))
