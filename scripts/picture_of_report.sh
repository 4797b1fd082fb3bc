#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The picture of a report page in README.md, its top beside its network: picture_of_report.sh REPORT.html PICTURE.png
set -euo pipefail
page="file://$(realpath "$1")"
frames=$(mktemp --suffix .html)
trap 'rm -f "$frames"' EXIT
cat > "$frames" <<HTML
<style>
  body { margin: 0; display: flex; }
  iframe { width: 1080px; height: 1540px; border: 0; transform: scale(0.7); transform-origin: 0 0; margin: 0 -324px -462px 0; }
</style>
<iframe src="$page"></iframe>
<iframe src="$page#network"></iframe>
HTML
chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files \
  --window-size=1512,1078 --virtual-time-budget=3000 --screenshot="$(realpath -m "$2")" "file://$frames" 2>/dev/null
