# SPDX-License-Identifier: Apache-2.0
"""A report as a few lines of HTML, for notebooks."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_SHOWN = 200  # operations or evaluations; the page of `to_html` has all of them

# Colors are those of the page around it, light or dark.
_STYLE = (
    ".tightrope-report{font-size:.95em;line-height:1.5}"
    ".tightrope-report table{border-collapse:collapse;margin:.4em 0;background:none}"
    ".tightrope-report th,.tightrope-report td{padding:.15em .9em .15em 0;text-align:left;color:inherit;"
    "background:none;border:0;border-bottom:1px solid rgba(128,128,128,.35)}"
    ".tightrope-report td+td{text-align:right;font-variant-numeric:tabular-nums}"
    ".tightrope-report summary{cursor:pointer}"
)


def report_as_html(data: Mapping[str, Any]) -> str:
    """A self-contained fragment without scripts, in which names of metrics and operations are escaped.

    data: the fields of a report.
    """
    parts = [
        f"<p><b>{escape(_verdict(data))}</b></p>",
        _metrics(data),
        _names("Returned to floating point", data["reverted"]),
        _evaluations(data["evaluations"]),
    ]
    if data["stopped"]:
        parts.append(f"<p>{escape(data['stopped'])}</p>")
    return f'<div class="tightrope-report"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _verdict(data: Mapping[str, Any]) -> str:
    kept, all_of_them = len(data["quantized"]), len(data["quantized"]) + len(data["reverted"])
    operations = f"{kept} of {all_of_them} operations run in 8 bits"
    if data["status"] == "quantized":
        return f"{operations}; accuracy was not measured."
    if data["limits"]:
        limits = "all limits are met" if data["status"] == "met" else "not all limits are met"
        return f"{operations}; {limits}."
    return (
        f"{operations}; the {data['drop_type']} drop is {_number(data['drop'])}, the limit of "
        f"{_number(data['max_drop'])} is {data['status']}."
    )


def _metrics(data: Mapping[str, Any]) -> str:
    rows: list[list[str]] = []
    if data["original_metric"] is not None:
        rows = [
            ["Metric of the original", _number(data["original_metric"])],
            ["with everything in 8 bits", _number(data["quantized_metric"])],
            ["of the result", _number(data["final_metric"])],
        ]
    for metric, limit in zip(data["final_metrics"], data["limits"], strict=False):
        drop = f"drop {_number(metric['drop'])}, limit {_number(limit['max_drop'])}"
        rows.append([metric["name"], f"{_number(metric['metric'])} ({drop})"])
    if data["latency"]:
        latency = data["latency"]
        rows.append(["Latency of the original", f"{1e3 * latency['original']:.3g} ms"])
        rows.append(["of the result", f"{1e3 * latency['final']:.3g} ms"])
    seconds = sum(stage.get("seconds", 0) for stage in data["stages"])
    if seconds > 0:
        rows.append(["Time", f"{seconds:.1f} s"])
    return _table(rows)


def _evaluations(evaluations: list[Mapping[str, Any]]) -> str:
    if not evaluations:
        return ""
    rows = [
        [entry["name"], _number(entry["metric"]), _number(entry["drop"]), str(len(entry["reverted"]))]
        for entry in evaluations[:_SHOWN]
    ]
    table = _table(rows, ["", "metric", "drop", "reverted"])
    return f"<details><summary>{len(evaluations)} validations</summary>{table}{_more(len(evaluations))}</details>"


def _names(title: str, names: list[str]) -> str:
    if not names:
        return ""
    items = "".join(f"<div><code>{escape(name)}</code></div>" for name in names[:_SHOWN])
    return f"<details><summary>{title}: {len(names)}</summary>{items}{_more(len(names))}</details>"


def _more(count: int) -> str:
    return f"<div>and {count - _SHOWN} more</div>" if count > _SHOWN else ""


def _table(rows: Iterable[list[str]], head: list[str] | None = None) -> str:
    def line(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line('th', head) if head else ''}{''.join(line('td', row) for row in rows)}</table>"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}"
