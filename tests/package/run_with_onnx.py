# SPDX-License-Identifier: Apache-2.0
"""Runs the example of the installed package on the demo's network as an ONNX model.

run_with_onnx.py PROGRAM PHOTO.xml CALIBRATION.npz VALIDATION.npz FOLDER
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
from onnx import helper, numpy_helper

OPSET = 17


def converted(model: ov.Model) -> onnx.ModelProto:
    """The network in operators of ONNX; it has convolutions, additions, Relu and DepthToSpace."""
    nodes, constants, names = [], [], {}
    for operation in model.get_ordered_ops():
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        inputs = [names[source.get_source_output().get_node()] for source in operation.inputs()]
        names[operation] = inputs[0] if kind == "Result" else name
        if kind == "Constant":
            constants.append(numpy_helper.from_array(np.array(operation.data), name))
        elif kind == "Convolution":
            pads = [*operation.get_attributes()["pads_begin"], *operation.get_attributes()["pads_end"]]
            nodes.append(helper.make_node("Conv", inputs, [name], name=name, pads=pads))
        elif kind == "DepthToSpace":
            nodes.append(helper.make_node(kind, inputs, [name], name=name, blocksize=2, mode="CRD"))
        elif kind in ("Add", "Relu"):
            nodes.append(helper.make_node(kind, inputs, [name], name=name))
        else:
            assert kind in ("Parameter", "Result"), kind

    def port(name: str, channels: int = 3) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, f"{name}_h", f"{name}_w"])

    (result,) = model.get_results()
    graph = helper.make_graph(nodes, "photo_x2", [port("image")], [port(names[result])], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def main() -> int:
    program, photo, calibration, validation, folder = sys.argv[1:]
    package = importlib.util.find_spec("onnxruntime")
    if package is None or package.origin is None:
        print("skipped: onnxruntime is not installed")
        return 0
    library = next((Path(package.origin).parent / "capi").glob("libonnxruntime.so*"))
    model = Path(folder) / "photo_x2.onnx"
    onnx.save(converted(ov.Core().read_model(photo)), model)
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
