# SPDX-License-Identifier: Apache-2.0
"""`executor`: the same result with workers of any kind, whatever happens to them."""

import concurrent.futures
import contextlib
import functools
import importlib.util
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import parallel_job
import pytest
import small_models
from parallel_job import closeness, result_of, run

import tightrope
import tightrope.parallel.cluster
from tightrope import InvalidArgumentError
from tightrope.frameworks import make_base
from tightrope.parallel import work
from tightrope.parallel.contents import ModelHere, RankedPlan
from tightrope.parallel.validation import ValidationElsewhere
from tightrope.parallel.workers import Workers


@pytest.fixture(scope="module")
def alone() -> str:
    """The result of one process."""
    return result_of(run())


@pytest.fixture(scope="module")
def processes() -> Iterator[concurrent.futures.Executor]:
    with process_pool() as pool:
        yield pool


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster with two worker processes."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as dask, distributed.Client(dask) as client:
        yield client


def process_pool() -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Workers]]:
    """The workers of the runs of a test."""
    made: list[Workers] = []
    begin = Workers.__init__

    def remember(self: Workers, executor: Any) -> None:
        begin(self, executor)
        made.append(self)

    monkeypatch.setattr(Workers, "__init__", remember)
    yield made


# Results.


def test_threads_give_the_result_of_one_process(alone: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert result_of(run(pool)) == alone


def test_processes_give_the_result_of_one_process(alone: str, processes: Any, used: list[Workers]) -> None:
    assert result_of(run(processes)) == alone
    run(processes)
    for key, copies in used[0].copies_sent.items():
        # Another process may take the task that was meant for one: then it is one copy more.
        assert 1 <= copies + used[1].copies_sent.get(key, 0) <= 3
    assert set(used[1].copies_sent) <= set(used[0].copies_sent)


def test_T17_a_dask_cluster_gives_the_result_of_one_process(alone: str, cluster: Any, used: list[Workers]) -> None:
    assert result_of(run(cluster.get_executor())) == alone
    assert used[0].bytes_sent > 0


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed")
def test_T17_mpi_gives_the_result_of_one_process(alone: str) -> None:
    pytest.importorskip("mpi4py")
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = ["mpirun", "--oversubscribe", "-n", "2", sys.executable, "-m", "mpi4py.futures", parallel_job.__file__]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == alone


# Validations.


class Recorded(ValidationElsewhere):
    """Says how many shards were evaluated, and how many came back."""

    shards: list[int] = []
    found: list[int] = []

    def evaluate_parts(self, plan: Any, name: str, parts: Any) -> list[Any]:
        result = super().evaluate_parts(plan, name, parts)
        self.shards.append(len(parts))
        self.found.append(sum(part is not None for part in result))
        return result


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> type[Recorded]:
    monkeypatch.setattr("tightrope.quantization.quantize_model.ValidationElsewhere", Recorded)
    Recorded.shards, Recorded.found = [], []
    return Recorded


@pytest.fixture(scope="module")
def judged_early() -> str:
    return result_of(run(validation_dataset=parallel_job.validation_data(400), max_drop=0.003))


@pytest.mark.parametrize("kind", ["threads", "processes", "dask"])
def test_workers_share_the_items_that_a_candidate_is_judged_on(
    kind: str, judged_early: str, recorded: type[Recorded], request: pytest.FixtureRequest
) -> None:
    with contextlib.ExitStack() as stack:
        if kind == "threads":
            executor: Any = stack.enter_context(concurrent.futures.ThreadPoolExecutor(2))
        elif kind == "processes":
            executor = request.getfixturevalue("processes")
        else:
            executor = request.getfixturevalue("cluster").get_executor()
        model = run(executor, validation_dataset=parallel_job.validation_data(400), max_drop=0.003)
    assert result_of(model) == judged_early
    assert any(evaluation["early"] for evaluation in tightrope.report(model).evaluations)
    assert min(recorded.shards) >= 2
    assert recorded.found == recorded.shards


def test_a_function_that_can_not_be_pickled_stays_here(
    processes: Any,
    judged_early: str,
    recorded: type[Recorded],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    data = parallel_job.validation_data(400)
    with caplog.at_level(logging.INFO, "tightrope"):
        model = run(processes, lambda model, items: closeness(model, items), validation_dataset=data, max_drop=0.003)
    assert result_of(model) == judged_early
    assert sum(recorded.found) == 0
    lines = [record.message for record in caplog.records if "can't be sent" in record.message]
    assert len(lines) == 1
    assert "lambda" in lines[0] and "validations stay in this process" in lines[0]


def only_in(process: int, model: Any, items: Any) -> tuple[float, list[float]]:
    if os.getpid() != process:
        raise OSError("the data are not here")
    return closeness(model, items)


def test_a_function_that_fails_on_workers_is_called_here(
    processes: Any, judged_early: str, recorded: type[Recorded]
) -> None:
    data = parallel_job.validation_data(400)
    model = run(processes, functools.partial(only_in, os.getpid()), validation_dataset=data, max_drop=0.003)
    assert result_of(model) == judged_early
    assert len(recorded.shards) == 1 and recorded.found == [0]


# What is sent.


class OneAtATime(concurrent.futures.Executor):
    """Two processes, of which tests say who takes the next task; nothing leaves this one."""

    def __init__(self, order: list[int]) -> None:
        self._order = order
        self.processes: list[dict[str, Any]] = [{}, {}]
        self.log: list[tuple[int, list[str]]] = []  # who took a task, and what came along

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **_: Any) -> "concurrent.futures.Future[Any]":
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        who = self._order[len(self.log) % len(self._order)]
        _, function, contents, sent, rest = arguments
        self.log.append((who, sorted(sent)))
        self.processes[who].update(sent)
        missing = tuple(key for key in contents if key not in self.processes[who])
        future.set_result(work.Answer(f"process {who}", 0, missing, None if missing else function(*rest)))
        return future


def double(number: int) -> int:
    return 2 * number


def test_a_process_gets_what_it_needs_once() -> None:
    executor = OneAtATime([0, 0, 0, 1, 1])
    workers = Workers(executor)
    contents = workers.keep("the model"), workers.keep("the data")
    tasks = [workers.start(double, contents, number) for number in range(10)]
    for task in tasks:
        workers.wait([task])
    assert [task.result for task in tasks] == [2 * number for number in range(10)]
    for process in (0, 1):
        assert sum(len(sent) for who, sent in executor.log if who == process) == 2


def test_one_model_is_not_taken_for_another_with_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[RankedPlan] = []

    class Kept(RankedPlan):
        def __init__(self, ranking: Any) -> None:
            super().__init__(ranking)
            kept.append(self)

    monkeypatch.setattr("tightrope.parallel.ranking.RankedPlan", Kept)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        run(pool)
    models = [ModelHere(make_base(parallel_job.network(), "test", None).core, None)]
    normal = small_models.normal
    monkeypatch.setattr(small_models, "normal", lambda seed, *more: normal(seed + 7, *more))
    models.append(ModelHere(make_base(parallel_job.network(), "test", None).core, None))
    scores = [kept[0].scorer(models[which]).score(0) for which in (0, 1, 0)]
    assert scores[0] == scores[2] != scores[1]


def test_large_contents_are_sent_to_dask_without_a_warning(cluster: Any) -> None:
    workers = Workers(cluster.get_executor())
    contents = (workers.keep(os.urandom(12_000_000)),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = workers.wait([workers.start(len_of, contents)])
    assert task.result == 12_000_000
    assert workers.copies_sent == {contents[0]: 1}


def len_of(content: bytes) -> int:
    return len(content)


def test_the_user_is_told_that_no_worker_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tightrope.parallel.workers._SECONDS_OF_SILENCE", 0.5)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, caplog.at_level(logging.INFO, "tightrope"):
        pool.submit(time.sleep, 3)
        workers = Workers(pool)
        assert workers.wait([workers.start(double, (), 1)]).result == 2
    assert caplog.text.count("[executor] no worker has answered") == 1


# Lost workers and failures.


class Killer:
    """Sets off with the pool; the worker that takes the first task of the ranking dies in it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, model: Any, ranking: Any, group: int) -> float:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return work.score(model, ranking, group)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def test_a_dask_worker_that_is_killed_costs_its_task(
    alone: str, cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tightrope.parallel.ranking.score_group", Killer(tmp_path / "killed"))
    assert result_of(run(cluster.get_executor())) == alone
    assert (tmp_path / "killed").exists()


def test_a_pool_that_breaks_costs_its_tasks(
    alone: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tightrope.parallel.ranking.score_group", Killer(tmp_path / "killed"))
    with process_pool() as pool, caplog.at_level(logging.INFO, "tightrope"):
        assert result_of(run(pool)) == alone
    lines = [record.message for record in caplog.records if record.message.startswith("[executor]")]
    assert len(lines) == 1
    assert "BrokenProcessPool" in lines[0] and "goes on in this process" in lines[0]


def test_a_pool_that_was_shut_down_is_done_without(alone: str) -> None:
    pool = process_pool()
    pool.shutdown()
    assert result_of(run(pool)) == alone


def fails(*_: Any) -> float:
    raise ValueError("no memory")


def test_a_task_that_fails_is_done_here(
    alone: str, processes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tightrope.parallel.ranking.score_group", fails)
    with caplog.at_level(logging.INFO, "tightrope"):
        assert result_of(run(processes)) == alone
    assert "ValueError: no memory on a worker; this process does it" in caplog.text
    lines = [record.message for record in caplog.records if record.message.startswith("[executor]")]
    assert "no worker is of use (ValueError: no memory); the run goes on in this process" in lines[-1]
    assert len(lines) == 3  # not one for each group


def test_a_worker_with_another_version_is_of_no_use(
    alone: str, processes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tightrope.parallel.contents._versions", lambda: "Tightrope 0 with OpenVINO 2020.1")
    with caplog.at_level(logging.INFO, "tightrope"):
        assert result_of(run(processes)) == alone
    assert "Tightrope 0 with OpenVINO 2020.1 is needed" in caplog.text


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"executor: found builtins\.int.*client\.get_executor\(\)"):
        run(2)


def raises(model: Any, items: Any) -> float:
    raise KeyError("of the user")


def test_an_exception_of_the_function_reaches_the_caller_unchanged(processes: Any) -> None:
    with pytest.raises(KeyError, match="of the user"):
        run(processes, raises)


def test_a_run_leaves_no_task_behind(processes: Any) -> None:
    run(processes)
    assert processes.submit(double, 2).result(timeout=30) == 4


# The command line.


def command_line(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-c", "import sys, tightrope_command; sys.exit(tightrope_command.main())"]
    return subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Arguments that rank the groups of a model."""
    folder = tmp_path_factory.mktemp("ranked")
    ov.save_model(parallel_job.network(), folder / "model.xml", compress_to_fp16=False)
    np.savez(folder / "data.npz", image=np.concatenate(small_models.images(8, size=16)))
    return ["sensitivity", folder / "model.xml", "--calibration", folder / "data.npz", "--json"]


def test_the_command_line_ranks_on_a_dask_cluster(ranked: list[Any], cluster: Any) -> None:
    alone = command_line(*ranked)
    assert alone.returncode == 0, alone.stderr
    shared = command_line(*ranked, "--dask", cluster.scheduler.address)
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout == alone.stdout
    assert "[executor]" not in shared.stderr


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(tightrope.parallel.cluster, "_SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(InvalidArgumentError, match=r"option 'dask' is 'tcp://127\.0\.0\.1:1', where no scheduler"):
        tightrope.parallel.cluster.connect("tcp://127.0.0.1:1")


def test_the_command_line_ends_where_there_is_no_cluster(ranked: list[Any]) -> None:
    result = command_line(*ranked, "--dask", "no address")
    assert result.returncode == 2
    has_dask = importlib.util.find_spec("distributed") is not None
    assert ("option 'dask' is 'no address'" if has_dask else "needs the package distributed") in result.stderr
