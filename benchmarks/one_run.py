# SPDX-License-Identifier: Apache-2.0
"""One job with one tool in a process of its own; prints a line of JSON. Started by run.py."""

import argparse
import importlib
import json
import logging
import random
import statistics
import threading
import time
from typing import Any

import cases
import onnx
import onnxruntime
import openvino as ov


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in megabytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def int8_operations(model: Any) -> int:
    """How many convolutions and matrix products have a weight that is stored in 8 bits."""
    if not isinstance(model, ov.Model):
        stored = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
        weights = {node.output[0] for node in model.graph.node if node.input and node.input[0] in stored}
        kinds = ("Conv", "ConvTranspose", "Gemm", "MatMul")
        return sum(node.op_type in kinds and not weights.isdisjoint(node.input[:2]) for node in model.graph.node)
    return sum(runs_in_int8(op) for op in model.get_ops())


def runs_in_int8(op: ov.Node) -> bool:
    """True for a convolution or matrix product whose weight is stored in 8 bits and whose data are quantized."""
    if op.get_type_name() not in ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"):
        return False
    source = op.input_value(1).get_node()
    while source.get_type_name() in ("Multiply", "Subtract", "Convert", "Reshape"):
        source = source.input_value(0).get_node()
    return source.get_type_name() == "Constant" and source.get_element_type().get_type_name() in ("i8", "u8")


def standard_error(case: cases.Case, model: Any, samples: int = 100) -> float:
    """Of the metric on the case's items, from random halves of them (without duplicates, which some metrics suffer)."""
    run = cases.runner(model)
    outputs = {id(item[0]): run(item[0]) for item in case.items}
    draw = random.Random(0).sample
    halves = [draw(case.items, len(case.items) // 2) for _ in range(samples)]
    return statistics.stdev(case.validate(lambda inputs: outputs[id(inputs)], half) for half in halves)


def inference_seconds(model: Any, items: list[Any]) -> float:
    """What running the items takes at two streams, without loading; the better of two runs."""
    if isinstance(model, ov.Model):
        hints = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 2}
        queue = ov.AsyncInferQueue(ov.Core().compile_model(model, "CPU", hints), 2)

        def run_all() -> None:
            for item in items:
                queue.start_async(item)
            queue.wait_all()
    else:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def run_every_other(first: int) -> None:
            for item in items[first::2]:
                session.run(None, {name: item} if not isinstance(item, dict) else item)

        def run_all() -> None:
            streams = [threading.Thread(target=run_every_other, args=(first,)) for first in range(2)]
            for stream in streams:
                stream.start()
            for stream in streams:
                stream.join()

    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        run_all()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def as_nncf(tool: Any) -> dict[str, Any]:
    """The arguments with which Tightrope quantizes like NNCF by default, so that only the search differs."""
    advanced = tool.AdvancedQuantizationParameters(
        activations_range_estimator_params=tool.RangeEstimatorParametersSet.MEAN_MINMAX,
        bias_correction_params=tool.AdvancedBiasCorrectionParameters(threshold=2.0),
        smooth_quant_alphas=tool.AdvancedSmoothQuantParameters(matmul=-1),
    )
    return {
        "placement": "reference",
        "weight_rounding": False,
        "repair": False,
        "advanced_quantization_parameters": advanced,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("tool", choices=["nncf", "tightrope"])
    parser.add_argument("--plain", action="store_true", help="without accuracy control")
    parser.add_argument("--placement", choices=["lean", "reference"], default="lean", help="of tightrope")
    parser.add_argument("--format", choices=["openvino", "onnx"], default="openvino")
    parser.add_argument("--model-type", choices=["transformer"])
    parser.add_argument("--preset", choices=["performance", "mixed"])
    parser.add_argument("--as-nncf", action="store_true", help="tightrope with the placement and ranges of NNCF")
    parser.add_argument("--max-drop", type=float, help="default: that of the case")
    parser.add_argument("--accurate", action="store_true", help="fast_bias_correction=False")
    parser.add_argument("--spread", action="store_true", help="standard error, and time of plain inference")
    parser.add_argument("--save", help="where to save the result")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    tool = importlib.import_module(arguments.tool)
    case = cases.load(arguments.case)
    model = cases.read(case.model, arguments.format)
    counted = {"calls": 0, "items": 0}

    def evaluate(given: Any, data: Any) -> float:
        items = list(data)
        counted["calls"] += 1
        counted["items"] += len(items)
        return case.validate(cases.runner(given), items)

    def metric_of(any_model: Any) -> float:
        return case.validate(cases.runner(any_model), case.items)

    original = metric_of(model)
    calibration = tool.Dataset(case.calibration)
    own: dict[str, Any] = {"placement": arguments.placement} if arguments.tool == "tightrope" else {}
    if arguments.as_nncf and arguments.tool == "tightrope":
        own = as_nncf(tool)
    max_drop = case.max_drop if arguments.max_drop is None else arguments.max_drop
    if arguments.model_type:
        own["model_type"] = tool.ModelType.TRANSFORMER
    if arguments.preset:
        own["preset"] = tool.QuantizationPreset(arguments.preset)
    if arguments.accurate:
        own["fast_bias_correction"] = False
    started = time.perf_counter()
    if arguments.plain:
        result = tool.quantize(model, calibration, subset_size=case.subset_size, **own)
    else:
        result = tool.quantize_with_accuracy_control(
            model,
            calibration,
            tool.Dataset(case.items, lambda item: item[0]),
            evaluate,
            max_drop=max_drop,
            subset_size=case.subset_size,
            **own,
        )
    seconds = time.perf_counter() - started
    facts: dict[str, Any] = {
        "seconds": seconds,
        "peak_mb": peak_memory_mb(),
        "original": original,
        "final": metric_of(result),
        "int8": int8_operations(result),
        **counted,
    }
    facts["met"] = facts["original"] - facts["final"] <= max_drop
    if arguments.spread:
        facts["standard_error"] = standard_error(case, model)
        facts["inference_seconds"] = inference_seconds(model, case.calibration[: case.subset_size])
    if arguments.tool == "tightrope" and not arguments.plain:
        report = tool.report(result)
        facts["reported_drop"] = report.drop
        facts["minimal"] = report.minimal
        facts["quantized_drop"] = report.evaluations[1]["drop"]
        facts["stages"] = {stage["name"]: stage["seconds"] for stage in report.stages}
        facts["reverted"] = len(report.reverted)
    if arguments.save and arguments.format == "onnx":
        onnx.save(result, arguments.save)
    elif arguments.save:
        ov.save_model(result, arguments.save, compress_to_fp16=False)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
