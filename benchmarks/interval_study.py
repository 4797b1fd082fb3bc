# SPDX-License-Identifier: Apache-2.0
"""Early stopping and the interval of the drop on values per item of real models.

    interval_study.py [--cases NAME ...] [--candidates 20] [--orders 500] [--benchmark PATH]

Candidates are plans of the model in which quantizers of activations, drawn at random, have fewer levels. The simulation
is that of interval_study.cpp, which prints a table; see there.
"""

import argparse
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cases
import numpy as np

from tightrope import Dataset
from tightrope._runtime import _core
from tightrope.frameworks import make_base
from tightrope.model_inputs import named_arrays

PROJECT = Path(__file__).resolve().parent.parent


def values_of(case: cases.Case, model: object) -> np.ndarray:
    run = cases.runner(model)
    return np.array([case.validate(run, [item]) for item in case.items])


def coarser(plan: dict, random: np.random.Generator) -> dict:
    """The plan with fewer levels at some of the activations."""
    plan = copy.deepcopy(plan)
    share, levels = random.uniform(0, 1) ** 2, int(2 ** random.integers(3, 8))
    for quantizer in plan["quantizers"]:
        if quantizer["kind"] != "weight" and random.random() < share:
            quantizer["range"]["levels"] = levels
    return plan


def lines(name: str, candidates: int) -> Iterator[str]:
    case = cases.load(name)
    model = cases.read(case.model, "openvino")
    base = make_base(model, "interval_study", None)
    data = Dataset(case.calibration)
    plan, _ = _core.make_plan(
        base.core,
        lambda: named_arrays(data.get_inference_data(), "calibration"),
        data.get_length(),
        json.dumps({"subset_size": case.subset_size}),
    )
    yield f"case {name} {case.max_drop}"
    yield "original " + " ".join(map(str, values_of(case, model)))
    random = np.random.default_rng(0)
    seen: set[float] = set()
    for _ in range(candidates):
        changed = _core.Plan.from_json(json.dumps(coarser(json.loads(plan.to_json()), random)))
        values = values_of(case, base.rewritten(changed))
        if values.sum() in seen:  # nothing was drawn
            continue
        seen.add(values.sum())
        yield "candidate " + " ".join(map(str, values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["supres_espcn", "kws_dscnn", "resnet20_cifar10"])
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--benchmark", default=PROJECT / "build/benchmarks/interval_study_benchmark")
    arguments = parser.parse_args()
    text = "\n".join(line for name in arguments.cases for line in lines(name, arguments.candidates))
    sys.exit(subprocess.run([arguments.benchmark, str(arguments.orders)], input=text, text=True).returncode)


if __name__ == "__main__":
    main()
