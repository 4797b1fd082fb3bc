# SPDX-License-Identifier: Apache-2.0
"""What a run did, what it measured and why it stopped."""

import json
import os
from pathlib import Path
from typing import Any

import openvino

from tightrope._runtime import _core
from tightrope.errors import InvalidArgumentError, IoError
from tightrope.frameworks import is_onnx, make_base
from tightrope.notebook import report_as_html
from tightrope.scopes import IgnoredScope

_NOTE = "report"
_REMEMBERED = 64

# Reports with times, of runs in this process, by the report inside the model. That one has none: equal runs give equal
# files.
_with_times: "dict[str, Report]" = {}


class Report:
    """The report of one run; its fields are those of its JSON form.

    Print it for a summary, show it in a notebook, `to_html(path)` for a page with charts, `to_json()` for everything,
    `data` for everything as a dict. It holds on to the model that it was asked of, whose network the page shows; a
    pickled report doesn't.
    """

    def __init__(self, text: str, model: Any = None) -> None:
        self._text = text
        self._model = model
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

    def _repr_html_(self) -> str:
        return report_as_html(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        return Report, (self._text,)

    def to_json(self) -> str:
        """The whole report as JSON text."""
        return self._text

    def to_html(self, path: str | os.PathLike[str], *, external_data_dir: str | os.PathLike[str] | None = None) -> None:
        """Writes the report as one HTML file for people, which loads nothing and opens offline.

        path: where to write it, ending in ".html".
        external_data_dir: the folder of the tensors that an ONNX model keeps in files.

        Raises InvalidArgumentError for another ending, IoError where the file can't be written.
        """
        target = Path(path)
        if target.suffix not in (".html", ".htm"):
            raise InvalidArgumentError(f"[report] path: found '{target}'; needs one that ends in .html.")
        folder = os.fspath(external_data_dir) if external_data_dir is not None else None
        core = None if self._model is None else make_base(self._model, "to_html", folder).core
        page = _core.report_to_html(self._text, target.stem, core)
        try:
            target.write_text(page, encoding="utf-8")
        except OSError as error:
            raise IoError(f"[report] cannot write '{target}': {error.strerror or error}") from error

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
    known = _with_times.get(note)
    return Report(known.to_json() if known else note, model)


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
