# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere, and the pages name what is there."""

import dataclasses
import inspect
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from pages import ROOT, pages

import tightrope

PROGRAM = Path(os.environ.get("TIGHTROPE_BINARY", ROOT / "build" / "tightrope"))
OPTIONS = (ROOT / "docs" / "options.md").read_text()


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of the headings, as code hosts make them: lower case, without punctuation, with hyphens for blanks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = [heading.strip().lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def links() -> list[tuple[Path, str]]:
    return [(page, link) for page in pages() for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page))]


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    local = [(page, link) for page, link in links() if not urlsplit(link).scheme]
    assert len(local) > 100
    for page, link in local:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


def test_comments_in_sources_name_sections_that_exist() -> None:
    named = [
        (source, *reference)
        for folder in ("src", "include", "python/tightrope")
        for source in (ROOT / folder).rglob("*.*")
        if source.suffix in (".h", ".cpp", ".py")
        for reference in re.findall(r"(docs/\w+\.md)#([\w-]+)", source.read_text())
    ]
    assert len(named) > 20
    assert [each for each in named if each[2] not in anchors(ROOT / each[1])] == []


def test_external_links_are_well_formed() -> None:
    """No more can be said without a network."""
    for page, link in links():
        parts = urlsplit(link)
        assert not parts.scheme or (parts.scheme == "https" and parts.netloc), f"{page}: {link}"


def parameters() -> set[str]:
    """What can be given to the two functions, with the fields of the parameter classes."""
    functions = (tightrope.quantize, tightrope.quantize_with_accuracy_control)
    found = {name for function in functions for name in inspect.signature(function).parameters}
    data = {"model", "calibration_dataset", "validation_dataset", "validation_fn"}
    classes = (tightrope.AdvancedQuantizationParameters, tightrope.AdvancedAccuracyRestorerParameters)
    fields = {field.name for each in classes for field in dataclasses.fields(each)}
    return (found - data) | (fields - {"smooth_quant_alpha"})  # deprecated


def test_every_option_of_python_is_on_the_page_of_options() -> None:
    assert [name for name in sorted(parameters()) if not re.search(rf"`{name}[`.]", OPTIONS)] == []


def test_every_option_of_the_command_line_on_the_pages_is_one() -> None:
    help_text = subprocess.run([PROGRAM, "-h"], capture_output=True, text=True, check=True).stdout
    for page in pages():
        if page.parent.name != "reference" and page.name not in ("CONTRIBUTING.md", "guide-cpp.md"):
            named = set(re.findall(r"`(--[a-z][a-z-]+)`", page.read_text()))
            assert {each for each in named if each not in help_text} == set(), page


def test_the_options_in_the_readme_are_among_all_options() -> None:
    table = (ROOT / "README.md").read_text().split("## Options")[1].split("\n\n")[2]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(names) == 10
    assert all(f"| `{name}` |" in OPTIONS for name in names)
