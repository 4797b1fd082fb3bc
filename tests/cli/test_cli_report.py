# SPDX-License-Identifier: Apache-2.0
"""Reports on the command line: printed, as JSON, and as a page."""

import json
import re

import pytest
from program import BAD_ARGUMENTS, CANNOT_READ, CANNOT_WRITE, DONE, check_refused, run
from test_cli import control, out, quantize, work  # noqa: F401


def data_of(page):
    text = page.read_text("utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture
def model(work, out):  # noqa: F811
    """A model with its report, which is also there as JSON."""
    result = control(work, out / "int8.xml", "--report", out / "report.json")
    assert result.returncode == DONE, result.stderr
    return out / "int8.xml"


def test_a_report_that_ends_in_html_is_a_page_with_network_and_reasons(work, out):  # noqa: F811
    result = control(work, out / "int8.xml", "--report", out / "report.html")
    assert result.returncode == DONE, result.stderr
    operations = {each["name"]: each for each in data_of(out / "report.html")["operations"]}
    assert operations["conv1"]["fate"] == "int8"
    assert "8 bits" in operations["conv1"]["why"]
    assert all("at" in each for each in operations.values())
    assert any(stage["seconds"] > 0 for stage in data_of(out / "report.html")["report"]["stages"])


def test_the_page_is_made_of_a_model_or_of_a_report(model, out):  # noqa: F811
    for run_file, is_drawn in [(model, True), (out / "report.json", False)]:
        result = run("report", run_file, "-o", out / "page.html")
        assert result.returncode == DONE, result.stderr
        assert "operations run in 8 bits; the metric" in result.stdout
        assert ("drawing" in data_of(out / "page.html")) == is_drawn


def test_without_a_page_the_report_is_printed(model, out):  # noqa: F811
    assert "limit 0.01: met" in run("report", model).stdout
    printed = json.loads(run("report", out / "report.json", "--json").stdout)
    assert printed == json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("name", ["model.xml", "data.npz", "nothing.json"])
def test_what_holds_no_report_is_refused(name, work, out):  # noqa: F811
    code = BAD_ARGUMENTS if name == "data.npz" else CANNOT_READ
    check_refused(run("report", work / name, "-o", out / "page.html"), code, name, left=[out])


def test_damaged_reports_are_refused(out, tmp_path):  # noqa: F811
    (tmp_path / "bad.json").write_text('{"format": "tightrope plan"}')
    check_refused(run("report", tmp_path / "bad.json", "-o", out / "page.html"), CANNOT_READ, "bad.json", left=[out])


def test_outputs_that_cannot_be_pages_are_refused(model, out):  # noqa: F811
    check_refused(run("report", model, "-o", out / "page.pdf"), BAD_ARGUMENTS, "does not end in .html")
    check_refused(run("report", model, "-o", out / "none" / "page.html"), CANNOT_WRITE, "there is no folder")
