# SPDX-License-Identifier: Apache-2.0
"""Runs the Python and shell blocks of a page, one after the other, in the current folder: run_page.py PAGE

Python blocks share their variables, as if typed into one session. The first block that fails ends the run.
"""

import subprocess
import sys
from pathlib import Path

from pages import blocks_of


def main() -> None:
    page = Path(sys.argv[1])
    sys.path.insert(0, "")
    variables = {"__name__": "__main__"}
    for block in blocks_of(page):
        where = f"{page.name}, line {block.line}"
        if block.not_run:
            print(f"--- {where}: not run: {block.not_run}", flush=True)
        elif block.file:
            Path(block.file).write_text(block.code)
        elif block.language == "python":
            print(f"--- {where}", flush=True)
            padded = "\n" * (block.line - 1) + block.code
            exec(compile(padded, str(page), "exec"), variables)
        elif block.language == "sh":
            print(f"--- {where}", flush=True)
            subprocess.run(["bash", "-euo", "pipefail", "-c", block.code], check=True)


if __name__ == "__main__":
    main()
