#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install_onnxruntime_headers.sh PREFIX: unpacks the headers of ONNX Runtime into PREFIX/usr/include/onnxruntime, unless
# they are there or installed. They are those of Debian's package libonnxruntime-dev; Debian 12 has none, and takes them
# from Debian 13. Nothing is installed, and root is not needed. The library itself is the one of the Python package.
set -eu

prefix=$1
header=usr/include/onnxruntime/onnxruntime_cxx_api.h
! [ -e "$prefix/$header" ] && ! [ -e "/$header" ] || exit 0

fail() {
  echo "The headers of ONNX Runtime are missing, and $1. Install libonnxruntime-dev, or unpack a release of ONNX Runtime" \
    "and set ONNXRUNTIME_INCLUDE_DIR to its folder include." >&2
  exit 1
}

command -v apt-get >/dev/null 2>&1 || fail "this is no Debian"
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || fail "/etc/os-release names no release of Debian"
[ "$suite" = bookworm ] && newer=trixie || newer=$suite

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$work/package"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  ! grep -qs "$suite" "$file" || sed "s/$suite/$newer/g" "$file" > "$work/sources/$(basename "$file")"
done

echo "Unpacking the headers of ONNX Runtime ($newer) into $prefix"
apt() {
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Acquire::Languages=none \
    -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update || fail "apt-get update failed"
(cd "$work/package" && apt download libonnxruntime-dev) || fail "$newer has no libonnxruntime-dev"
dpkg-deb -x "$work"/package/libonnxruntime-dev_*.deb "$work/unpacked"
[ -e "$work/unpacked/$header" ] || fail "the package has them somewhere else"
mkdir -p "$prefix/usr/include"
cp -r "$work/unpacked/usr/include/onnxruntime" "$prefix/usr/include/"
