# SPDX-License-Identifier: Apache-2.0
"""Measures Tightrope against NNCF on the same work in one run, and prints tables of ratios.

Uses the networks that come with the project, and the models of the zoo where that lies beside it (or at TIGHTROPE_ZOO).
Every figure is the better of two runs that alternate between the tools. Ratios count, not times: they change with the
machine.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cases

# minilm_stsb is left out with ONNX: NNCF takes minutes to hours.
CONTROLLED = {"openvino": ["demo", "supres_espcn"], "onnx": ["supres_espcn", "resemblyzer_lstm_fsdd"]}
SEARCHED = {"openvino": ["demo", "supres_espcn", "resemblyzer_lstm_fsdd"], "onnx": ["supres_espcn"]}
PLAIN = [
    "demo",
    "digits",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "kws_dscnn",
    "vww_mobilenetv1",
    "supres_espcn",
    "minilm_stsb",
    "resemblyzer_lstm_fsdd",
]
CONTENDERS = {"tightrope": ["tightrope"], "reference": ["tightrope", "--placement", "reference"], "nncf": ["nncf"]}
ENDINGS = {"openvino": ".xml", "onnx": ".onnx"}
SETTINGS = {
    "defaults": [],
    "mixed": ["--preset", "mixed"],
    "transformer": ["--model-type", "transformer"],
    "accurate": ["--accurate"],
}
TRANSFORMERS = ["minilm_stsb"]
HERE = Path(__file__).resolve().parent


def available(names: list[str], form: str = "openvino") -> list[str]:
    # The demo network is kept as an IR.
    ours = ["demo", "digits"] if form == "openvino" else ["digits"]
    return [name for name in names if name in ours or (cases.ZOO / name).is_dir()]


class RunFailed(Exception):
    """The message is what the run said, with what to repeat it by."""


def one_run(case: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "one_run.py"), case, *options]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RunFailed(f"{' '.join(command)} failed:\n{finished.stderr}")
    facts: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return facts


def contest(
    case: str, form: str, repeats: int, contenders: list[str], *options: str, save: Path | None = None
) -> dict[str, dict[str, Any]]:
    """By contender, the facts of its fastest run."""
    best: dict[str, dict[str, Any]] = {}
    for _ in range(repeats):
        for name in contenders:
            saving = ["--save", str(save / f"{name}{ENDINGS[form]}"), "--format", form] if save else ["--format", form]
            facts = one_run(case, *CONTENDERS[name], *options, *saving)
            if name not in best or facts["seconds"] < best[name]["seconds"]:
                best[name] = facts
    return best


def latencies(case: str, form: str, models: list[Path]) -> list[float]:
    """The shortest time of one inference in milliseconds; the models take turns for twenty seconds.

    In another order each time: a model that always comes behind the largest one finds cold caches.
    """
    item = cases.load(case).items[0][0]
    runs = [cases.runner(cases.read(model, form)) for model in models]
    best = [math.inf] * len(runs)
    order = list(range(len(runs)))
    shuffle = random.Random(0).shuffle
    end = time.monotonic() + 20
    while time.monotonic() < end:
        shuffle(order)
        for i in order:
            started = time.perf_counter()
            for _ in range(3):
                runs[i](item)
            best[i] = min(best[i], (time.perf_counter() - started) / 3 * 1e3)
    return best


def controlled(repeats: int, form: str) -> None:
    print(f"\nAccuracy control, {form}\n")
    print("| case | limit | original | result | drop = report | NNCF result | int8 conv and matmul | NNCF | time, s | "
          "NNCF, s | ratio | validations | NNCF |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for case in available(CONTROLLED[form], form):
        facts = contest(case, form, repeats, ["tightrope", "nncf"])
        ours, theirs = facts["tightrope"], facts["nncf"]
        error = abs(ours["original"] - ours["final"] - ours["reported_drop"])
        print(
            f"| {case} | {cases.load(case).max_drop} | {ours['original']:.3f} | {ours['final']:.3f} | "
            f"{'yes' if error < 1e-6 else f'off by {error:.1e}'} | {theirs['final']:.3f} | "
            f"{ours['int8']} | {theirs['int8']} | {ours['seconds']:.1f} | "
            f"{theirs['seconds']:.1f} | {ours['seconds'] / theirs['seconds']:.2f} | "
            f"{ours['calls']} ({ours['items']} items) | {theirs['calls']} ({theirs['items']} items) |"
        )


def search_alone(repeats: int, form: str) -> None:
    """What is reverted, and at what cost, where both tools start from NNCF's placement, ranges and biases."""
    print(f"\nThe search alone, {form}\n")
    print("| case | limit | quantized drop | drop | NNCF | int8 conv and matmul | NNCF | proven minimal | items | "
          "NNCF | time, s | NNCF, s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for case in available(SEARCHED[form], form):
        best: dict[str, dict[str, Any]] = {}
        for name in ("tightrope", "nncf"):
            runs = [one_run(case, name, "--as-nncf", "--format", form) for _ in range(repeats)]
            best[name] = min(runs, key=lambda facts: facts["seconds"])
        ours, theirs = best["tightrope"], best["nncf"]
        print(
            f"| {case} | {cases.load(case).max_drop} | {ours['quantized_drop']:.4f} | "
            f"{ours['original'] - ours['final']:.4f} | {theirs['original'] - theirs['final']:.4f} | {ours['int8']} | "
            f"{theirs['int8']} | {'yes' if ours['minimal'] else 'no'} | {ours['items']} | {theirs['items']} | "
            f"{ours['seconds']:.1f} | {theirs['seconds']:.1f} |",
            flush=True,
        )


def plain(repeats: int, form: str) -> None:
    print(f"\nQuantization, {form}, with lean placement, with reference placement and by NNCF\n")
    print("| case | original | lean | reference | NNCF | time, s | NNCF, s | ratio | memory, MB | NNCF, MB | "
          "latency FP32 : lean : reference : NNCF, ms | speed against NNCF's: lean | reference |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    speeds: dict[str, list[float]] = {"tightrope": [], "reference": []}
    for case in available(PLAIN, form):
        with tempfile.TemporaryDirectory() as folder:
            facts = contest(case, form, repeats, list(CONTENDERS), "--plain", save=Path(folder))
            paths = [cases.load(case).model, *(Path(folder) / f"{name}{ENDINGS[form]}" for name in CONTENDERS)]
            times = dict(zip(["fp32", *CONTENDERS], latencies(case, form, paths), strict=True))
        ours, theirs = facts["tightrope"], facts["nncf"]
        for name, speed in speeds.items():
            speed.append(times["nncf"] / times[name])
        print(
            f"| {case} | {ours['original']:.3f} | {ours['final']:.3f} | {facts['reference']['final']:.3f} | "
            f"{theirs['final']:.3f} | {ours['seconds']:.2f} | {theirs['seconds']:.2f} | "
            f"{ours['seconds'] / theirs['seconds']:.2f} | {ours['peak_mb']:.0f} | {theirs['peak_mb']:.0f} | "
            f"{' : '.join(f'{value:.3f}' for value in times.values())} | "
            f"{speeds['tightrope'][-1]:.2f} | {speeds['reference'][-1]:.2f} |",
            flush=True,
        )
    means = {name: math.exp(sum(map(math.log, speed)) / len(speed)) for name, speed in speeds.items()}
    print(f"\nSpeed against NNCF's, geometric mean: lean {means['tightrope']:.3f}, reference {means['reference']:.3f}")


def algorithms(repeats: int, form: str, names: list[str], settings: list[str]) -> None:
    print(f"\nThe algorithms, {form}: metric and time of quantize()\n")
    print("| case | setting | FP32 | result | NNCF | standard error | better by, in errors | time, s | NNCF, s | "
          "ratio | to inference of the same items |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for case in available(names, form):
        for setting in settings:
            if setting == "transformer" and case not in TRANSFORMERS:
                continue
            try:
                facts = contest(case, form, repeats, ["tightrope", "nncf"], "--plain", "--spread", *SETTINGS[setting])
            except RunFailed as failure:
                print(f"| {case} | {setting} | {str(failure).splitlines()[-1]} |", flush=True)
                continue
            ours, theirs = facts["tightrope"], facts["nncf"]
            print(
                f"| {case} | {setting} | {ours['original']:.4f} | {ours['final']:.4f} | {theirs['final']:.4f} | "
                f"{ours['standard_error']:.4f} | {(ours['final'] - theirs['final']) / ours['standard_error']:+.2f} | "
                f"{ours['seconds']:.2f} | {theirs['seconds']:.2f} | {ours['seconds'] / theirs['seconds']:.2f} | "
                f"{ours['seconds'] / ours['inference_seconds']:.2f} |",
                flush=True,
            )


def placement() -> None:
    print("\nPlacement without data\n", flush=True)
    binary = str(cases.PROJECT / "build" / "benchmarks" / "placement_benchmark")
    subprocess.run([binary, *(str(cases.load(case).model) for case in available(["minilm_stsb"]))], check=True)
    subprocess.run([binary], check=True)


def calibration() -> None:
    print("\nCollecting minima and maxima, against plain inference of the same items\n", flush=True)
    binary = cases.PROJECT / "build" / "benchmarks" / "calibration_benchmark"
    for case in available(["demo", "efficientnet_lite0"]):
        subprocess.run(
            [os.environ.get("TIGHTROPE_CALIBRATION_BENCHMARK", str(binary)), str(cases.load(case).model)], check=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each tool")
    parser.add_argument("--format", choices=list(ENDINGS), help="of the models; default: both")
    parser.add_argument("--only", choices=["placement", "control", "search", "plain", "calibration", "algorithms"])
    parser.add_argument("--cases", nargs="+", choices=PLAIN, default=PLAIN, metavar="CASE", help="of the algorithms")
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="SETTING")
    arguments = parser.parse_args()
    if arguments.only in (None, "placement"):
        placement()
    if arguments.only in (None, "calibration"):
        calibration()
    for form in [arguments.format] if arguments.format else ENDINGS:
        if arguments.only in (None, "control"):
            controlled(arguments.repeats, form)
        if arguments.only in (None, "search"):
            search_alone(arguments.repeats, form)
        if arguments.only in (None, "plain"):
            plain(arguments.repeats, form)
        if arguments.only in (None, "algorithms"):
            algorithms(arguments.repeats, form, arguments.cases, arguments.settings)


if __name__ == "__main__":
    main()
