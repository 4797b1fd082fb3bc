# SPDX-License-Identifier: Apache-2.0
"""Writes the demo network as an ONNX model: python demo_onnx.py models/photo_x2.xml photo_x2.onnx"""

import sys

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


if __name__ == "__main__":
    onnx.save(converted(ov.Core().read_model(sys.argv[1])), sys.argv[2])
