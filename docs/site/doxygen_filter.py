# SPDX-License-Identifier: Apache-2.0
"""Shows a header to Doxygen with its comments marked as documentation: doxygen_filter.py HEADER

The headers have plain comments in front of what they describe, or behind it on the same line. Lines keep their numbers,
which Doxygen's warnings tell.
"""

import re
import sys
from pathlib import Path

_LINK = re.compile(r"docs/(\w+)\.md#([\w-]+)")


def marked(line: str) -> str:
    code, comment, text = line.partition("//")
    if not comment or text.startswith((" SPDX", " NOLINT")) or code.lstrip().startswith("}"):
        return code.rstrip()
    text = _LINK.sub(r"[\1](../\1.html#\2)", text)
    if code.rstrip().endswith("};"):  # a comment behind would be taken for that of the last enumerator
        return f"/**{text} */ {code.rstrip()}"
    return f"{code}{'///<' if code.strip() else '///'}{text}"


def public(lines: list[str]) -> list[str]:
    """Private members are nobody's business: their lines become empty."""
    is_private = False
    result = []
    for line in lines:
        is_private = line == " private:" or (is_private and not line.startswith("}"))
        result.append("" if is_private else line)
    return result


def main() -> None:
    lines = [marked(line) for line in public(Path(sys.argv[1]).read_text().splitlines())]
    assert lines[0] == "", "the license stands first, then what the header is about"
    lines[0] = "/// \\file"
    print("\n".join(lines))


if __name__ == "__main__":
    main()
