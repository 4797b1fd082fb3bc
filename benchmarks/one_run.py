# SPDX-License-Identifier: Apache-2.0
"""One job with one tool in a process of its own; prints a line of JSON. Started by run.py."""

import argparse
import importlib
import json
import logging
import resource
import time
from typing import Any

import cases
import openvino as ov


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("tool", choices=["nncf", "tightrope"])
    parser.add_argument("--plain", action="store_true", help="without accuracy control")
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
    started = time.perf_counter()
    if arguments.plain:
        result = tool.quantize(model, calibration, subset_size=case.subset_size)
    else:
        result = tool.quantize_with_accuracy_control(
            model, calibration, tool.Dataset(case.items), evaluate, max_drop=case.max_drop, subset_size=case.subset_size
        )
    seconds = time.perf_counter() - started
    facts: dict[str, Any] = {
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "original": original,
        "final": metric_of(result),
        "fake_quantize": sum(op.get_type_name() == "FakeQuantize" for op in result.get_ops()),
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
