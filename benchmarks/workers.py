# SPDX-License-Identifier: Apache-2.0
"""How much faster the ranking is with two Dask workers than with one, each on a core of its own.

    python benchmarks/workers.py [--layers 24] [--rounds 5]

Prints what the ranking alone took, and ratios, after a first run in which workers import Tightrope and get the model:
seconds, and on a machine with other work to do what matters more, those that the busiest worker's processor took.
"""

import argparse
import itertools
import logging
import os
import statistics
import time
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


def pin(core: int) -> None:
    """All threads of this process, and those that they start, to one core."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {core})


def cluster_of(workers: int) -> distributed.Client:
    """Each worker is a process with one thread on one core."""
    client = distributed.Client(
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
    )
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
    for worker in client.scheduler_info()["workers"]:
        client.run(pin, next(cores), workers=[worker])
    return client


class Measured:
    """A cluster, and what rankings on it took."""

    def __init__(self, name: str, client: distributed.Client) -> None:
        self.name, self.client = name, client
        self.seconds: list[float] = []
        self.processor: list[float] = []  # of the worker that was busy longest

    def rank(self, model: ov.Model) -> int:
        before = self.client.run(time.process_time)
        seconds, groups = rank(model, self.client.get_executor())
        after = self.client.run(time.process_time)
        self.seconds.append(seconds)
        self.processor.append(max(after[worker] - before[worker] for worker in after))
        return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    tightrope.set_log_level(logging.ERROR)
    model = network(arguments.layers)
    with cluster_of(1) as first, cluster_of(2) as second:
        one, two = Measured("one worker", first), Measured("two workers", second)
        for round_ in range(arguments.rounds + 1):
            for measured in (one, two):  # in turns: other work of the machine disturbs both alike
                groups = measured.rank(model)
                seconds, processor = measured.seconds[-1], measured.processor[-1]
                print(
                    f"{'first run' if round_ == 0 else f'round {round_}'}, {measured.name}: {groups} groups, "
                    f"{seconds:.2f} s, {processor:.2f} s of the busiest worker's processor",
                    flush=True,
                )
    for what, all_ in (("seconds", (one.seconds, two.seconds)), ("processor", (one.processor, two.processor))):
        ratios = [alone / shared for alone, shared in zip(all_[0][1:], all_[1][1:], strict=True)]
        print(f"ratio of {what}: {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
