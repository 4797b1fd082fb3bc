#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Format, types, layers; says what is wrong and changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.h' '*.cpp' | xargs .venv/bin/clang-format --dry-run --Werror
.venv/bin/ruff format --check -q .
.venv/bin/ruff check -q .
.venv/bin/mypy
.venv/bin/python scripts/check_layers.py
.venv/bin/python scripts/check_stubs.py
! git ls-files | xargs grep -L 'SPDX-License-Identifier: Apache-2.0' -- 2>/dev/null | grep -E '\.(cpp|h|py|sh|cmake)$'
