# SPDX-License-Identifier: Apache-2.0
"""The code blocks of the pages, and what they ask for.

A comment in front of a block, which readers don't see, may say `not run: REASON`, `file: NAME` for a block that is a
file, or `printed: BY WHAT`. Every other block of Python, shell or C++ is run.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|file|printed): (?P<text>[^\n]*) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str  # "python", "sh", "cpp"; others are not code
    code: str
    line: int  # of the page, where the code begins
    file: str = ""  # the name of the file that the block is
    not_run: str = ""  # the reason
    printed: bool = False  # by what runs before, but for numbers


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        marks = {match["mark"]: match["text"]}
        found.append(
            Block(
                match["language"],
                match["code"],
                line=text.count("\n", 0, match.start("code")) + 1,
                file=marks.get("file", ""),
                not_run=marks.get("not run", ""),
                printed="printed" in marks,
            )
        )
    return found


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def pages_with(*languages: str) -> list[Path]:
    """The pages that have a block to be run in one of the languages."""
    return [
        page for page in pages() if any(each.language in languages and not each.not_run for each in blocks_of(page))
    ]
