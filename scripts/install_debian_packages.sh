#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that the build needs, or those named, where they are missing; asks for nothing. Nothing to
# do: instant.
set -eu

packages="g++ cmake ninja-build ccache pkg-config git ca-certificates python3 python3-venv python3-dev
  libfmt-dev nlohmann-json3-dev libeigen3-dev libcli11-dev zlib1g-dev libsqlite3-dev libprotobuf-dev
  protobuf-compiler libstb-dev libtomlplusplus-dev libgtest-dev libgmock-dev libbenchmark-dev"
[ $# = 0 ] || packages="$*"

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  echo "These Debian packages are missing:$missing. Install them as root, or run this as root or with sudo." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing Debian packages:$missing"
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
