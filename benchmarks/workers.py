# SPDX-License-Identifier: Apache-2.0
"""How much faster the ranking is with two Dask workers than with one, each on a core of its own.

    python benchmarks/workers.py [--layers 24] [--rounds 5]

Prints seconds of the ranking alone and ratios, after a first run in which workers import Tightrope and get the model.
"""

import argparse
import itertools
import logging
import os
import statistics
from typing import Any

import distributed
import numpy as np
import openvino as ov
import openvino.opset13 as ops

import tightrope
from tightrope import AdvancedAccuracyRestorerParameters, Dataset

SIZE, WIDTH = 56, 64


def network(layers: int) -> ov.Model:
    """Convolutions one after the other: as many groups, and a last product."""
    random = np.random.default_rng(0)
    image = ops.parameter([1, 3, SIZE, SIZE], np.float32, name="image")
    data, channels = image, 3
    for layer in range(layers):
        weights = random.normal(0, (2 / (9 * channels)) ** 0.5, (WIDTH, channels, 3, 3)).astype(np.float32)
        data = ops.relu(ops.convolution(data, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=f"conv{layer}"))
        channels = WIDTH
    data = ops.reduce_mean(data, np.array([2, 3]), False)
    data = ops.matmul(data, random.normal(0, 1, (WIDTH, 10)).astype(np.float32), False, False, name="classes")
    return ov.Model([ops.result(data)], [image], "chain")


def images(count: int) -> list[Any]:
    return [np.random.default_rng(i).normal(0, 1, (1, 3, SIZE, SIZE)).astype(np.float32) for i in range(count)]


def far_from_zero(model: ov.CompiledModel, items: Any) -> float:
    """Worse with every call: the limit is never met, so everything is ranked."""
    far_from_zero.calls = getattr(far_from_zero, "calls", 0) + 1  # type: ignore[attr-defined]
    return -float(far_from_zero.calls + sum(1 for _ in items))  # type: ignore[attr-defined]


def rank(model: ov.Model, executor: Any) -> tuple[float, int]:
    """Seconds of the ranking, and the number of groups."""
    try:
        tightrope.quantize_with_accuracy_control(
            model,
            Dataset(images(8)),
            Dataset(images(1)),
            far_from_zero,
            repair=False,
            executor=executor,
            advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(max_num_iterations=1),
        )
    except tightrope.AccuracyNotReachedError as error:
        report = error.report
        return next(stage["seconds"] for stage in report.stages if stage["name"] == "ranking"), len(report.groups)
    raise AssertionError("the limit can't be met")


def cluster_of(workers: int) -> distributed.Client:
    """Each worker is a process with one thread on one core."""
    client = distributed.Client(
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
    )
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
    for worker in client.scheduler_info()["workers"]:
        client.run(lambda core: os.sched_setaffinity(0, {core}), next(cores), workers=[worker])
    return client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    tightrope.set_log_level(logging.ERROR)
    model = network(arguments.layers)
    with cluster_of(1) as one, cluster_of(2) as two:
        clients = {"one worker": one, "two workers": two}
        seconds: dict[str, list[float]] = {name: [] for name in clients}
        for round_ in range(arguments.rounds + 1):
            for name, client in clients.items():  # in turns: other work of the machine disturbs both alike
                spent, groups = rank(model, client.get_executor())
                if round_ == 0:
                    print(f"{name}, first run: {spent:.2f} s for {groups} groups", flush=True)
                else:
                    seconds[name].append(spent)
        for name, all_ in seconds.items():
            print(f"{name}: {statistics.median(all_):.2f} s ({', '.join(f'{one:.2f}' for one in all_)})")
        ratios = [first / second for first, second in zip(*seconds.values(), strict=True)]
        print(f"ratio: {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
