# SPDX-License-Identifier: Apache-2.0
"""Checks that every source includes only what its layer may know (docs/design.md, section 3)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each layer may include itself and those named; "tightrope" stands for the public headers.
ALLOWED = {
    "base": set(),
    "kernels": {"base"},
    "graph": {"base"},
    "devices": {"base"},
    "data": {"base"},
    "metrics": {"base"},
    "placement": {"base", "graph", "devices"},
    "statistics": {"base", "kernels"},
    "ranges": {"base", "kernels", "statistics"},
    "correction": {"base", "kernels", "graph", "statistics"},
    "accuracy": {"base", "graph"},
    "report_page": {"base"},
    "store": {"base"},
    "pipeline": {"base", "graph", "devices", "placement", "statistics", "ranges", "correction", "accuracy", "store"},
    "openvino": {"base", "kernels"},
    "onnx": {"base", "kernels"},
}
# How the headers of a framework begin, which only the layer named may include.
FRAMEWORKS = {"openvino/": "openvino", "onnxruntime_": "onnx"}


def problems() -> list[str]:
    found = []
    for source in sorted((ROOT / "src").rglob("*.[ch]*")):
        layer = source.relative_to(ROOT / "src").parts[0]
        if layer not in ALLOWED:
            found.append(f"{source.relative_to(ROOT)}: folder src/{layer} is no layer of scripts/check_layers.py")
            continue
        for included in re.findall(r'^#include [<"]([^>"]+)[>"]', source.read_text(), re.MULTILINE):
            target = included.split("/")[0] if "/" in included else layer  # <ranges> is no folder
            own = (ROOT / "src" / included).exists()
            framework = None if own else next((FRAMEWORKS[s] for s in FRAMEWORKS if included.startswith(s)), None)
            if framework and layer != framework:
                found.append(f"{source.relative_to(ROOT)}: layer {layer} must not know {framework}: {included}")
            elif target in ALLOWED and not framework and target != layer and target not in ALLOWED[layer]:
                found.append(f"{source.relative_to(ROOT)}: layer {layer} must not include {included}")
    return found


if __name__ == "__main__":
    lines = problems()
    print("\n".join(lines) or "layers: every include is allowed")
    sys.exit(1 if lines else 0)
