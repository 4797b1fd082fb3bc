# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration: README.md and docs/ become the pages in build/docs/html (`make docs`).

The sources are plain Markdown with relative links, which code hosts show as well. So the folder of the sources is that
of the project, and what only the built pages need is added here.
"""

import subprocess
import sys
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "site"
XML = ROOT / "build" / "docs" / "doxygen"
sys.path.insert(0, str(SITE))

from docstrings import as_rst  # noqa: E402

project = "Tightrope"
release = version = (ROOT / "VERSION").read_text().strip()
language = "en"
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/**.md", "third_party/README.md"]
exclude_patterns = ["build*", ".*", "dist"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "breathe"]
myst_heading_anchors = 4
default_role = "py:obj"
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
breathe_projects = {"tightrope": str(XML / "xml")}
breathe_default_project = "tightrope"
breathe_show_include = False
suppress_warnings = ["duplicate_declaration.cpp"]  # each header opens the namespace again
cpp_maximum_signature_line_length = 100
highlight_language = "none"

html_theme = "furo"
html_title = f"Tightrope {release}"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
templates_path = ["site/templates"]
html_additional_pages = {"index": "index.html"}
html_copy_source = False
html_show_copyright = False

GROUPS = {
    "Start": ["docs/guide-python", "docs/guide-command-line", "docs/guide-cpp", "docs/from-nncf"],
    "Understand": ["docs/how-it-works", "docs/report", "docs/limit-not-met", "docs/errors"],
    "Look up": [
        "docs/options",
        "docs/command-line",
        "docs/python-data",
        "docs/many-machines",
        "docs/reference/python",
        "docs/reference/cpp",
    ],
    "Inside": ["docs/algorithms", "docs/differences", "docs/design", "CONTRIBUTING", "third_party/README"],
}


def contents() -> str:
    """The tables of contents, which code hosts don't need: pages that no group names are looked up."""
    named = {page for group in GROUPS.values() for page in group}
    others = sorted(f"docs/{page.stem}" for page in (ROOT / "docs").glob("*.md"))
    groups = {**GROUPS, "Look up": GROUPS["Look up"] + [page for page in others if page not in named]}
    return "".join(
        "\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in groups.items()
    )


def add_contents(app, docname, source) -> None:
    if docname == root_doc:
        source[0] += contents()


def mark_up(app, what, name, thing, options, lines) -> None:
    lines[:] = as_rst(lines)


def without_signature(app, what, name, thing, options, signature, returned):
    """Nobody calls an enumeration."""
    return ("", None) if isinstance(thing, type) and issubclass(thing, Enum) else None


def read_headers(app) -> None:
    """Doxygen's XML of the public headers, which Breathe shows."""
    XML.mkdir(parents=True, exist_ok=True)
    settings = f"""
        INPUT = {ROOT / "include" / "tightrope"}
        OUTPUT_DIRECTORY = {XML}
        INPUT_FILTER = "{sys.executable} {SITE / "doxygen_filter.py"}"
        STRIP_FROM_PATH = {ROOT / "include"}
        GENERATE_XML = YES
        GENERATE_HTML = NO
        GENERATE_LATEX = NO
        QUIET = YES
        WARN_IF_UNDOCUMENTED = NO
        WARN_AS_ERROR = FAIL_ON_WARNINGS
    """
    subprocess.run(["doxygen", "-"], input=settings, text=True, check=True, cwd=ROOT)


def setup(app) -> None:
    app.connect("builder-inited", read_headers)
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", mark_up)
    app.connect("autodoc-process-signature", without_signature)
