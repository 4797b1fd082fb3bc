#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests what is in dist/ as a stranger would: the wheel in a new environment with the requirements that it declares, away
# from the sources; then what the packages hold.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/packages/check
rm -rf "$work"
mkdir -p "$work"
python3 -m venv "$work/venv"
python=$work/venv/bin/python
$python -m pip --disable-pip-version-check --quiet install "$(echo dist/tightrope-*.whl)[onnx]" pytest
$python -m pip check
cd "$work"
TIGHTROPE_DIST=$root/dist $python -m pytest -q -o cache_dir="$root/.pytest_cache" "$root/tests/package" "$root/python/tests"
