# SPDX-License-Identifier: Apache-2.0
"""What workers get once: the model, a ranking, the user's function with its data."""

import pickle
import tempfile
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import openvino

from tightrope._runtime import _core
from tightrope.data.dataset import Dataset
from tightrope.errors import InstallationError
from tightrope.frameworks import Base, make_base
from tightrope.quantization.validation import Evaluation, ValidationFunction

_lock = threading.Lock()


def pickled(value: Any) -> bytes:
    """With cloudpickle where it is installed: it takes functions along that no module has.

    Raises what pickle raises for values that can't be pickled.
    """
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    data: bytes = cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return data


class ModelHere(NamedTuple):
    """The model for threads of this process."""

    core: _core.Model
    base: Base | None


def _versions() -> str:
    return f"Tightrope {_core.__version__} with OpenVINO {openvino.get_version()}"


class ModelFiles:
    """The model as it was given, as the contents of its files.

    Raises InstallationError where it is read by other versions than it was written by: results could differ.
    """

    def __init__(self, core: _core.Model) -> None:
        self._versions = _versions()
        self._framework = core.framework
        self._name = "model.onnx" if self._framework == "onnx" else "model.xml"
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(file) for file in _core.save_original(core, str(Path(folder, self._name)))]
            self._files = {file.name: file.read_bytes() for file in files}

    def _unpack(self, folder: str) -> str:
        if self._versions != _versions():
            raise InstallationError(f"[executor] found {_versions()}; {self._versions} is needed")
        for name, data in self._files.items():
            Path(folder, name).write_bytes(data)
        return str(Path(folder, self._name))

    @cached_property
    def core(self) -> _core.Model:
        with tempfile.TemporaryDirectory() as folder:
            return _core.read_model(self._unpack(folder), self._framework)

    @cached_property
    def base(self) -> Base:
        with tempfile.TemporaryDirectory() as folder:
            path = self._unpack(folder)
            if self._framework == "onnx":
                import onnx

                return make_base(onnx.load(path), "executor", None)
            return make_base(openvino.Core().read_model(path), "executor", None)


class RankedPlan:
    """All but the model that the scores of a plan's groups depend on."""

    def __init__(self, ranking: _core.Ranking) -> None:
        self._plan = ranking.plan.to_json()
        self._samples = ranking.samples
        self._settings = ranking.settings
        self._scorer: tuple[ModelHere | ModelFiles, _core.Scorer] | None = None

    def scorer(self, model: ModelHere | ModelFiles) -> _core.Scorer:
        with _lock:  # threads share it, and what it has computed once
            if self._scorer is None or self._scorer[0] is not model:
                plan = _core.Plan.from_json(self._plan)
                self._scorer = model, _core.Scorer(model.core, plan, self._samples, self._settings)
            return self._scorer[1]


class SentValidation:
    """The user's function and data, and how the models run that it gets."""

    def __init__(self, function: ValidationFunction, dataset: Dataset[Any, Any], device: str, precision: str) -> None:
        self._arguments = dataset, function, device, precision
        self._evaluations: dict[int, tuple[ModelHere | ModelFiles, Evaluation]] = {}  # by thread

    def evaluate(self, model: ModelHere | ModelFiles, plan: str, name: str, positions: list[int] | None) -> Any:
        return self._evaluation(model)(_core.Plan.from_json(plan), name, positions, False)

    def _evaluation(self, model: ModelHere | ModelFiles) -> Evaluation:
        """Of each thread its own, since it keeps a compiled model."""
        thread = threading.get_ident()
        with _lock:
            if thread not in self._evaluations or self._evaluations[thread][0] is not model:
                base = model.base
                assert base is not None
                self._evaluations[thread] = model, Evaluation(base, *self._arguments)
            return self._evaluations[thread][1]
