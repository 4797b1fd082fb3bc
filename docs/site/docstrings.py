# SPDX-License-Identifier: Apache-2.0
"""The project's docstrings as reStructuredText.

They describe arguments, fields and members in lines such as `name: text` or `name, other: text`, continued on indented
lines. Each becomes an entry of a definition list; everything else is reStructuredText already.
"""

import re

_ENTRY = re.compile(r"^((?:\w+, )*\w+,?): (.+)$")
_BEGUN = re.compile(r"^(?:\w+, )+$|^(?:\w+, )*\w+,$")


def as_rst(lines: list[str]) -> list[str]:
    result: list[str] = []
    is_entry = False
    for line in _joined(lines):
        match = _ENTRY.match(line)
        if match:
            names = ", ".join(f"``{name}``" for name in match[1].split(", "))
            result += ["", names, f"    {match[2]}"]
            is_entry = True
        else:
            if is_entry and line and not line.startswith(" "):
                result.append("")
            is_entry = is_entry and line.startswith(" ")
            result.append(line)
    return result


def _joined(lines: list[str]) -> list[str]:
    """Names that go on in an indented line come back into one."""
    result: list[str] = []
    for line in lines:
        if result and line.startswith("    ") and _BEGUN.match(result[-1]):
            result[-1] += " " + line.strip()
        else:
            result.append(line)
    return result
