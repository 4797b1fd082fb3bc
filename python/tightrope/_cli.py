# SPDX-License-Identifier: Apache-2.0
"""The command line as a Python entry point: the same code as the binary."""

import sys

from tightrope import _runtime


def main() -> int:
    return _runtime._core.run_command_line(sys.argv[1:])
