# SPDX-License-Identifier: Apache-2.0
"""The main job on a small network: a photograph enlarger in 8 bits that loses at most 0.1 dB.

Prints the metric of the original, of the model with everything in 8 bits and of the result, what stays in floating
point, sizes of the files and latencies. Takes a quarter of a minute. `train_demo_network.py` made the network.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import openvino as ov

import demo_data
import tightrope

MODEL = Path(__file__).parent / "models" / "photo_x2.xml"
MAX_DROP = 0.1  # dB


def validate(model: ov.CompiledModel, items: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean over the items of the peak signal-to-noise ratio in dB; higher is better."""
    return float(np.mean([demo_data.psnr(model(image)[0], target) for image, target in items]))


def latency_ms(compiled: list[ov.CompiledModel], image: np.ndarray) -> list[float]:
    """Median time of one inference of each model, measured in turns, so that a busy machine slows all of them alike."""
    times: list[list[float]] = [[] for _ in compiled]
    for _ in range(100):
        for model, measured in zip(compiled, times, strict=True):
            started = time.perf_counter()
            model(image)
            measured.append(time.perf_counter() - started)
    return [1e3 * statistics.median(measured[10:]) for measured in times]


def size_kb(model: ov.Model, folder: Path) -> float:
    """Size in kilobytes of the weights file that saving the model gives."""
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return (folder / "model.bin").stat().st_size / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to save the result (.xml)")
    arguments = parser.parse_args()

    model = ov.Core().read_model(MODEL)
    calibration = tightrope.Dataset(demo_data.calibration_items(), lambda item: item[0])
    items = demo_data.validation_items()
    validation = tightrope.Dataset(items)

    started = time.perf_counter()
    result = tightrope.quantize_with_accuracy_control(model, calibration, validation, validate, max_drop=MAX_DROP)
    seconds = time.perf_counter() - started
    report = tightrope.report(result)
    int8 = tightrope.quantize(model, calibration)

    models = {"original": model, "all in 8 bits": int8, "result": result}
    metrics = [report.original_metric, report.quantized_metric, report.final_metric]
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = [ov.compile_model(each, "CPU", precision) for each in models.values()]
    latencies = latency_ms(compiled, items[0][0])
    print(f"\n{'':15}{'PSNR dB':>9}{'drop dB':>9}{'weights kB':>12}{'latency ms':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for (name, each), metric, latency in zip(models.items(), metrics, latencies, strict=True):
            drop = metrics[0] - metric
            print(f"{name:15}{metric:9.2f}{drop:9.3f}{size_kb(each, Path(folder)):12.0f}{latency:12.2f}")
    kept = len(report.quantized)
    reverted = ", ".join(report.reverted)
    print(f"\n{kept} of {kept + len(report.reverted)} operations run in 8 bits; in floating point: {reverted}")
    print(f"limit {MAX_DROP} dB {report.status}; {len(report.evaluations)} validations, {seconds:.1f} s in all")
    if arguments.output:
        ov.save_model(result, arguments.output, compress_to_fp16=False)
        print(f"saved as {arguments.output}")


if __name__ == "__main__":
    main()
