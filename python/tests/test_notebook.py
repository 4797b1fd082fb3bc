# SPDX-License-Identifier: Apache-2.0
"""A report in a notebook: complete, self-contained, harmless."""

from html.parser import HTMLParser
from typing import Any

import openvino as ov
import pytest
import small_models

import tightrope
from tightrope import Dataset, Report


class Page(HTMLParser):
    """The text of a fragment, and the tags and attributes that it consists of; all tags must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data + "\n"


@pytest.fixture(scope="module")
def report() -> Report:
    model = tightrope.quantize_with_accuracy_control(
        small_models.fragile(),
        Dataset(small_models.vectors(32)),
        Dataset(small_models.labeled_vectors(64)),
        small_models.accuracy,
        max_drop=0.05,
        repair=False,
    )
    return tightrope.report(model)


def test_it_tells_the_verdict_the_metrics_and_what_was_reverted(report: Report) -> None:
    text = Page(report._repr_html_()).text
    assert "2 of 3 operations run in 8 bits; the absolute drop is" in text
    assert "the limit of 0.05 is met" in text
    for metric in (report.original_metric, report.quantized_metric, report.final_metric):
        assert f"{metric:.6g}" in text
    assert "Returned to floating point: 1\nfragile\n" in text
    assert f"{len(report.evaluations)} validations" in text


def test_it_loads_nothing_and_runs_nothing(report: Report) -> None:
    page = Page(report._repr_html_())
    assert page.tags <= {"div", "style", "p", "b", "table", "tr", "td", "th", "details", "summary", "code"}
    assert page.attributes == {"class"}


def test_its_colors_are_those_of_the_page_around_it(report: Report) -> None:
    html = report._repr_html_()
    assert "#" not in html.split("</style>")[0]
    assert "background:none" in html and "color:inherit" in html


def test_a_hostile_name_stays_text(report: Report) -> None:
    name = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    text = report.to_json().replace('"fragile"', f'"{name}"').replace('"candidate 1"', f'"{name}"')
    page = Page(Report(text)._repr_html_())
    assert page.text.count(name) == 2
    assert not {"script", "img"} & page.tags


def test_a_report_without_accuracy_control_says_so(fragile: ov.Model, vectors: Dataset) -> None:
    text = Page(tightrope.report(tightrope.quantize(fragile, vectors))._repr_html_()).text
    assert "3 of 3 operations run in 8 bits; accuracy was not measured." in text


def test_several_metrics_are_listed_by_name() -> None:
    model = tightrope.quantize_with_accuracy_control(
        small_models.fragile(),
        Dataset(small_models.vectors(8)),
        Dataset(small_models.labeled_vectors(16)),
        lambda model, items: {"a<b": small_models.accuracy(model, items), "other": 1.0},
        max_drop={"a<b": 1, "other": 0.5},
    )
    text = Page(tightrope.report(model)._repr_html_()).text
    assert "all limits are met" in text
    assert "a<b\n" in text and "limit 0.5" in text


def test_it_stays_compact_however_large_the_model_is(report: Report) -> None:
    large = Report(report.to_json())
    large.data = {**large.data, "reverted": [f"operation {i}" for i in range(20_000)]}
    html = large._repr_html_()
    assert len(html) < 50_000
    assert "and 19800 more" in Page(html).text


def test_text_and_representation_are_as_before(report: Report) -> None:
    assert str(report).startswith("2 operations in 8 bits, 1 returned to floating point")
    assert repr(report).startswith("<tightrope.reporting.Report object")
