# SPDX-License-Identifier: Apache-2.0
"""One job with one tool in a process of its own; prints a line of JSON. Started by run.py."""

import argparse
import importlib
import json
import logging
import time
from typing import Any

import cases
import openvino as ov


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in megabytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def runs_in_int8(op: ov.Node) -> bool:
    """True for a convolution or matrix product whose weight is stored in 8 bits and whose data are quantized."""
    if op.get_type_name() not in ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"):
        return False
    source = op.input_value(1).get_node()
    while source.get_type_name() in ("Multiply", "Subtract", "Convert", "Reshape"):
        source = source.input_value(0).get_node()
    return source.get_type_name() == "Constant" and source.get_element_type().get_type_name() in ("i8", "u8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("tool", choices=["nncf", "tightrope"])
    parser.add_argument("--plain", action="store_true", help="without accuracy control")
    parser.add_argument("--placement", choices=["lean", "reference"], default="lean", help="of tightrope")
    parser.add_argument("--save", help="where to save the result")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    tool = importlib.import_module(arguments.tool)
    case = cases.load(arguments.case)
    model = ov.convert_model(case.model) if case.model.suffix == ".onnx" else ov.Core().read_model(case.model)
    core = ov.Core()
    counted = {"calls": 0, "items": 0}

    def evaluate(compiled: ov.CompiledModel, data: Any) -> float:
        items = list(data)
        counted["calls"] += 1
        counted["items"] += len(items)
        return case.validate(cases.runner(compiled), items)

    def metric_of(any_model: ov.Model) -> float:
        compiled = core.compile_model(any_model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return case.validate(cases.runner(compiled), case.items)

    original = metric_of(model)
    calibration = tool.Dataset(case.calibration)
    own = {"placement": arguments.placement} if arguments.tool == "tightrope" else {}
    started = time.perf_counter()
    if arguments.plain:
        result = tool.quantize(model, calibration, subset_size=case.subset_size, **own)
    else:
        result = tool.quantize_with_accuracy_control(
            model,
            calibration,
            tool.Dataset(case.items),
            evaluate,
            max_drop=case.max_drop,
            subset_size=case.subset_size,
            **own,
        )
    seconds = time.perf_counter() - started
    facts: dict[str, Any] = {
        "seconds": seconds,
        "peak_mb": peak_memory_mb(),
        "original": original,
        "final": metric_of(result),
        "int8": sum(runs_in_int8(op) for op in result.get_ops()),
        **counted,
    }
    facts["met"] = facts["original"] - facts["final"] <= case.max_drop
    if arguments.tool == "tightrope" and not arguments.plain:
        facts["reported_drop"] = tool.report(result).drop
    if arguments.save:
        ov.save_model(result, arguments.save, compress_to_fp16=False)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
