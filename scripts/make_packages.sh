#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes all packages into dist/: the sdist; the wheel, built from it, with the shared libraries that it needs inside;
# the Debian packages of the build tree. `make package` sets up what this needs.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
work=build/packages
rm -rf dist "$work"
mkdir -p dist "$work/wheel"

$python -m build --quiet --sdist --no-isolation --outdir dist
tar -xf dist/tightrope-*.tar.gz -C "$work"

# The wheel comes from the sdist alone. Paths inside are those of the project, and so are the compiler's options: what has
# been compiled before comes out of ccache.
unpacked=$(echo "$PWD/$work"/tightrope-*)
ln -s "$PWD/.venv" "$unpacked/.venv"
CXX=c++ "$unpacked/.venv/bin/python" -m build --quiet --wheel --no-isolation --outdir "$work/wheel" "$unpacked" \
  --config-setting=cmake.define.TIGHTROPE_WERROR=ON --config-setting=build-dir="$unpacked/build"
PATH="$PWD/.venv/bin:$PATH" .venv/bin/auditwheel repair --wheel-dir dist "$work"/wheel/*.whl

# Debian's folder for libraries is named after the kind of machine.
cmake -B build -DCMAKE_INSTALL_LIBDIR="lib/$(g++ -print-multiarch)" >/dev/null
cmake --build build --target tightrope_binary tightrope_share
(cd build && cpack --config CPackConfig.cmake -B packages/debian >/dev/null)
cp "$work"/debian/*.deb dist/
ls -l dist
