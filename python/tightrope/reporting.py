# SPDX-License-Identifier: Apache-2.0
"""What a run did, what it measured and why it stopped."""

import json
from typing import Any

import openvino

from tightrope._runtime import _core
from tightrope.errors import InvalidArgumentError
from tightrope.frameworks import is_onnx
from tightrope.scopes import IgnoredScope

_NOTE = "report"
_REMEMBERED = 64

# Reports with times, of runs in this process, by the report inside the model. That one has none: equal runs give equal
# files.
_with_times: "dict[str, Report]" = {}


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
        return _core.report_to_text(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Report, (self._text,)

    def to_json(self) -> str:
        """The whole report as JSON text."""
        return self._text

    def ignored_scope(self) -> IgnoredScope:
        """The operations that were returned to floating point, ready to be given to `quantize`."""
        return IgnoredScope(names=list(self.data["reverted"]))


def attach_report(model: Any, text: str) -> None:
    """Puts the report into the model, where saving keeps it."""
    note = _core.without_times(text)
    _set_note(model, note)
    _with_times[note] = Report(text)
    if len(_with_times) > _REMEMBERED:
        del _with_times[next(iter(_with_times))]


def report(model: Any) -> Report:
    """The report of a model that Tightrope returned, also after the model was saved and read.

    model: an `openvino.Model` or an `onnx.ModelProto`.

    Times are known only in the process that made the model.

    Raises InvalidArgumentError if the model has no report.
    """
    note = _note(model)
    if note is None:
        raise InvalidArgumentError("[report] the model has no report; needs a model that Tightrope returned.")
    return _with_times.get(note) or Report(note)


def copy_report(source: Any, target: Any) -> None:
    """Gives one model the report of the other, if it has one."""
    note = _note(source)
    if note is not None:
        _set_note(target, note)


def _set_note(model: Any, note: str) -> None:
    if isinstance(model, openvino.Model):
        model.set_rt_info(note, ["tightrope", _NOTE])
        return
    key = f"tightrope.{_NOTE}"
    entry = next((entry for entry in model.metadata_props if entry.key == key), None) or model.metadata_props.add()
    entry.key, entry.value = key, note


def _note(model: Any) -> str | None:
    if isinstance(model, openvino.Model):
        path = ["tightrope", _NOTE]
        return model.get_rt_info(path).astype(str) if model.has_rt_info(path) else None
    if is_onnx(model):
        return next((entry.value for entry in model.metadata_props if entry.key == f"tightrope.{_NOTE}"), None)
    raise InvalidArgumentError(
        f"[report] found an object of type {type(model).__name__}; needs an openvino.Model or an onnx.ModelProto."
    )
