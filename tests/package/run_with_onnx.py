# SPDX-License-Identifier: Apache-2.0
"""Runs the example of the installed package on the demo's network as an ONNX model.

run_with_onnx.py PROGRAM PHOTO.xml CALIBRATION.npz VALIDATION.npz FOLDER
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import onnx

EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> int:
    program, photo, calibration, validation, folder = sys.argv[1:]
    package = importlib.util.find_spec("onnxruntime")
    if package is None or package.origin is None:
        print("skipped: onnxruntime is not installed")
        return 0
    library = next((Path(package.origin).parent / "capi").glob("libonnxruntime.so*"))
    model = Path(folder) / "photo_x2.onnx"
    subprocess.run([sys.executable, EXAMPLES / "demo_onnx.py", photo, model], check=True)
    environment = {**os.environ, "TIGHTROPE_ONNXRUNTIME": str(library)}
    result = Path(folder) / "result.onnx"
    run = subprocess.run(
        [program, model, calibration, validation, result],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    onnx.checker.check_model(result, full_check=True)
    print(run.stdout)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
