# SPDX-License-Identifier: Apache-2.0
"""The two jobs: 8-bit quantization, and 8-bit quantization that keeps the user's metric."""

import concurrent.futures
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

import openvino

from tightrope._runtime import _core
from tightrope.callbacks import Callback, event_function
from tightrope.data.dataset import Dataset
from tightrope.data.fingerprint import fingerprint
from tightrope.errors import AccuracyNotReachedError, InvalidArgumentError
from tightrope.frameworks import Base, is_onnx, make_base
from tightrope.model_inputs import named_arrays
from tightrope.onnx.quantization.backend_parameters import BackendParameters
from tightrope.options import accuracy_options, quantize_options
from tightrope.parallel.ranking import score_elsewhere
from tightrope.parallel.validation import ValidationElsewhere
from tightrope.parallel.workers import working_with
from tightrope.parameters import (
    DropType,
    ModelType,
    Objective,
    Placement,
    QuantizationMode,
    QuantizationPreset,
    TargetDevice,
)
from tightrope.progress import ProgressBars
from tightrope.quantization.advanced_parameters import (
    AdvancedAccuracyRestorerParameters,
    AdvancedQuantizationParameters,
)
from tightrope.quantization.validation import Evaluation, ValidationFunction
from tightrope.reporting import Report, attach_report
from tightrope.scopes import IgnoredScope

if TYPE_CHECKING:
    import onnx

Model = TypeVar("Model", openvino.Model, "onnx.ModelProto")


def quantize(
    model: Model,
    calibration_dataset: Dataset[Any, Any],
    *,
    mode: QuantizationMode | None = None,
    preset: QuantizationPreset | None = None,
    target_device: TargetDevice = TargetDevice.ANY,
    subset_size: int = 300,
    fast_bias_correction: bool = True,
    model_type: ModelType | None = None,
    ignored_scope: IgnoredScope | None = None,
    advanced_parameters: AdvancedQuantizationParameters | None = None,
    placement: str = Placement.LEAN,
    statistics_path: str | PathLike[str] | None = None,
    weight_rounding: bool | None = None,
) -> Model:
    """Quantizes a model to 8 bits with ranges observed on calibration data; returns a new model.

    model: the floating-point model, an `openvino.Model` or an `onnx.ModelProto`; it is not changed, and the result is
        of the same kind. FP32 is recommended, weights compressed to FP16 are accepted. ONNX Runtime runs ONNX models.
    calibration_dataset: representative inputs, without labels.
    mode: FP8_E4M3 or FP8_E5M2 for 8-bit floating point instead of integers; of OpenVINO models, with symmetric
        activations, for TargetDevice ANY or CPU.
    preset: PERFORMANCE quantizes activations symmetrically, MIXED asymmetrically; weights are symmetric. The default
        is MIXED for transformers, else asymmetric where values are lopsided and it costs no time.
    target_device: the device that the model will run on.
    subset_size: how many items of the calibration data are used at most.
    fast_bias_correction: False to measure what biases need on the quantized model, instead of predicting it.
    model_type: TRANSFORMER makes MIXED the default preset and leaves normalization, operations like it, and the matrix
        product behind a softmax in floating point.
    ignored_scope: operations that stay in floating point.
    advanced_parameters: see `AdvancedQuantizationParameters`. Of an ONNX model whose tensors are in files that aren't
        loaded, `backend_params={"external_data_dir": folder}` says where they are.
    placement: LEAN puts quantizers only where an operation runs faster in 8 bits thanks to them, REFERENCE where NNCF
        puts them.
    statistics_path: file for what calibration observes. It is written where it does not exist; otherwise what it holds
        is reused, and what it lacks is added. The data are read then, too, since a file of other data, another model or
        another `subset_size` is refused with InvalidArgumentError.
    weight_rounding: True to round the weights of all convolutions and matrix products so that their errors cancel each
        other on the calibration data, where that lowers the error of the layer's outputs on other items; False for the
        nearest levels everywhere. By default it is done for the layers that nearest levels cost much.

    Raises InvalidArgumentError for arguments or data that can't be used, UnsupportedError for options that don't work
    yet, QuantizationError if nothing in the model can be quantized.
    """
    options = quantize_options(
        mode=mode,
        preset=preset,
        target_device=target_device,
        subset_size=subset_size,
        fast_bias_correction=fast_bias_correction,
        model_type=model_type,
        ignored_scope=ignored_scope,
        advanced_parameters=advanced_parameters,
        placement=placement,
        statistics_path=statistics_path,
        weight_rounding=weight_rounding,
    )
    _check_dataset(calibration_dataset, "calibration_dataset")
    _tell_samples_apart(options, "advanced_parameters", calibration_dataset)
    base = _make_base(model, "quantize", options, "advanced_parameters")
    _core.check_options(json.dumps(options), None, base.framework)
    with ProgressBars():
        plan, report = _core.make_plan(base.core, *_calibration(calibration_dataset, base), json.dumps(options))
    quantized: Model = _apply(base, plan, report)
    return quantized


def quantize_with_accuracy_control(
    model: Model,
    calibration_dataset: Dataset[Any, Any],
    validation_dataset: Dataset[Any, Any],
    validation_fn: ValidationFunction,
    *,
    max_drop: float | Mapping[str, float] = 0.01,
    drop_type: DropType | Mapping[str, DropType] = DropType.ABSOLUTE,
    preset: QuantizationPreset | None = None,
    target_device: TargetDevice = TargetDevice.ANY,
    subset_size: int = 300,
    fast_bias_correction: bool = True,
    model_type: ModelType | None = None,
    ignored_scope: IgnoredScope | None = None,
    advanced_quantization_parameters: AdvancedQuantizationParameters | None = None,
    advanced_accuracy_restorer_parameters: AdvancedAccuracyRestorerParameters | None = None,
    higher_is_better: bool | Mapping[str, bool] = True,
    validation_device: str = "CPU",
    validation_precision: str = "f32",
    placement: str = Placement.LEAN,
    statistics_path: str | PathLike[str] | None = None,
    weight_rounding: bool | None = None,
    objective: str = Objective.OPERATIONS,
    repair: bool = True,
    time_budget: float | None = None,
    work_dir: str | PathLike[str] | None = None,
    early_stopping: bool = True,
    measure_deployed: bool = False,
    executor: concurrent.futures.Executor | None = None,
    callbacks: Callback | Sequence[Callback] | None = None,
) -> Model:
    """Quantizes a model to 8 bits, and reverts what must be reverted for the metric to drop by `max_drop` at most.

    The metric of the returned model was measured on all of the validation data; `tightrope.report(model)` tells it.

    model, calibration_dataset, preset, target_device, subset_size, fast_bias_correction, model_type, ignored_scope,
        placement, statistics_path, weight_rounding: as for `quantize`.
    validation_dataset: what the metric is computed on; its items reach `validation_fn` as they are. It is read several
        times, so it must start over at each iteration.
    validation_fn: gets an `openvino.CompiledModel`, or an `onnx.ModelProto` for ONNX models, and an iterable over all
        items of the validation dataset; returns the metric as a number, or several as a dict by name; or a tuple of
        that and a list with one value per item (or None). First it is tried out on a few items. Where the metric is the
        mean of the values per item, candidates are judged on a part of the items, and the report has an interval.
    max_drop: how much the metric may drop, at least 0. Of several metrics: a dict of limits by name, all of which hold
        in the result; metrics without a limit don't count.
    drop_type: ABSOLUTE, in the unit of the metric, or RELATIVE to the metric of the original model. One for all
        metrics, or a dict by name, in which missing ones are ABSOLUTE.
    advanced_quantization_parameters: see `AdvancedQuantizationParameters`.
    advanced_accuracy_restorer_parameters: see `AdvancedAccuracyRestorerParameters`.
    higher_is_better: False for metrics such as error rates, which get worse by rising. One for all metrics, or a dict
        by name, in which missing ones are True.
    validation_device, validation_precision: where and in which precision the validated models run; an empty precision
        leaves the choice to the device. For ONNX models the device is an execution provider of ONNX Runtime, such as
        "CUDA"; it is used for the ranking, since the validation function makes its own session.

    objective: OPERATIONS to keep the most operations in 8 bits, LATENCY to keep those that save most time. What a group
        of operations saves is measured on this machine, so two runs may differ. With LATENCY, operations that are
        slower in 8 bits are reverted, too, and the original is returned where nothing is faster than that.
    repair: where the limit is broken, try to quantize operations in another way before any is reverted: with other
        ranges, roundings and biases that lower the errors of the layers' outputs. One validation tells whether that
        lowers the drop. False: only reverting.
    time_budget: seconds for the whole job. The original and the fully quantized model are measured in any case; then
        nothing begins that is not expected to end in time, and the best model so far is the result.
    work_dir: folder that keeps the plan, the scores and each evaluation as soon as they are known; it is created where
        it is missing. The same call goes on where an earlier one ended, however it ended, and gives the same result;
        another `max_drop` uses the same evaluations. Another model, other data or options are recognized, and nothing
        is reused; of the data by the first item, the length and, with random access, the last item. `validation_fn` is
        your code: use another folder when you change it.
    early_stopping: False to validate every candidate on all items. The returned model is in any case.
    measure_deployed: True to measure the result once more in the precision that the device chooses by itself, such as
        bf16, where that is another than `validation_precision`; `report(model).deployed` tells it.
    executor: workers for the ranking and for validations: a thread or process pool, `Client.get_executor()` of Dask,
        `MPIPoolExecutor` of mpi4py, or any other; it is not shut down. The result is the same with any, on processors
        of one kind. Workers need Tightrope; each process gets the model, the function and the data once. A function or
        data that can't be pickled stay in this process, and only the ranking uses the workers. A task whose worker is
        lost is done again.
    callbacks: a function, or a list of functions, called with a `tightrope.Event` where a stage begins or ends, goes
        on, or a model was measured. One that returns True or raises `tightrope.StopSearch` ends the run as soon as the
        quantized model is measured, with the best model so far.

    Raises what `quantize` raises; IoError if the `work_dir` can't be used; InvalidArgumentError if a metric is not a
    finite number or missing, or the data are used up; AccuracyNotReachedError, with the best model, if the limit can't
    be met. An exception of `validation_fn` reaches the caller unchanged, with a note on what was being evaluated; so
    does one of a callback.
    """
    options = quantize_options(
        mode=None,
        preset=preset,
        target_device=target_device,
        subset_size=subset_size,
        fast_bias_correction=fast_bias_correction,
        model_type=model_type,
        ignored_scope=ignored_scope,
        advanced_parameters=advanced_quantization_parameters,
        placement=placement,
        statistics_path=statistics_path,
        weight_rounding=weight_rounding,
        advanced_argument="advanced_quantization_parameters",
    )
    backend_params = (options["advanced_quantization_parameters"] or {}).get("backend_params") or {}
    accuracy = accuracy_options(
        max_drop=max_drop,
        drop_type=drop_type,
        higher_is_better=higher_is_better,
        advanced_accuracy_restorer_parameters=advanced_accuracy_restorer_parameters,
        validation_device=validation_device,
        validation_precision=validation_precision,
        objective=objective,
        repair=repair,
        time_budget=time_budget,
        work_dir=work_dir,
        early_stopping=early_stopping,
        measure_deployed=measure_deployed,
        eval_requests_number=backend_params.get("eval_requests_number"),
    )
    on_event = event_function(callbacks)
    _check_dataset(calibration_dataset, "calibration_dataset")
    _tell_samples_apart(options, "advanced_quantization_parameters", calibration_dataset)
    base = _make_base(model, "quantize_with_accuracy_control", options, "advanced_quantization_parameters")
    if not callable(validation_fn):
        raise InvalidArgumentError(f"[options] validation_fn: found {type(validation_fn).__name__}; needs a function.")
    _check_dataset(validation_dataset, "validation_dataset")
    if validation_dataset.is_one_shot:
        raise InvalidArgumentError(
            "[validation] validation_dataset: its source is an iterator such as a generator, which can be read only "
            "once; needs a list, a data loader or another object that starts over at each iteration, or the function "
            "that makes the iterator: Dataset(make) instead of Dataset(make())."
        )
    if work_dir is not None and calibration_dataset.is_one_shot:
        raise InvalidArgumentError(
            "[options] work_dir: the calibration dataset can be read only once; needs a list, a data loader or another "
            "object that starts over at each iteration, or the function that makes the iterator, since a run that goes "
            "on reads the data again."
        )
    _core.check_options(json.dumps(options), json.dumps(accuracy), base.framework)

    validation = base, validation_dataset, validation_fn, validation_device, validation_precision
    with ProgressBars(), working_with(executor) as workers:
        plan, report, met, shortfall, advice = _core.find_plan(
            base.core,
            *_calibration(calibration_dataset, base),
            Evaluation(*validation),
            validation_dataset.get_length(),
            validation_dataset.has_random_access,
            _saving(base, accuracy),
            lambda: _fingerprint(calibration_dataset),
            lambda: _fingerprint(validation_dataset),
            on_event,
            json.dumps(options),
            json.dumps(accuracy),
            workers and score_elsewhere(workers),
            workers and ValidationElsewhere(workers, *validation),
        )
    result: Model = _apply(base, plan, report)
    if met:
        return result
    facts = Report(report, result)
    raise AccuracyNotReachedError(
        shortfall,
        model=result,
        report=facts,
        drop=facts.drop,
        drop_reverted=facts.drop_reverted,
        advice=advice,
    )


def _check_dataset(dataset: Any, argument: str) -> None:
    if not isinstance(dataset, Dataset):
        raise InvalidArgumentError(
            f"[dataset] {argument}: found an object of type {type(dataset).__name__}; needs a tightrope.Dataset."
        )


def _tell_samples_apart(options: dict[str, Any], advanced_argument: str, dataset: Dataset[Any, Any]) -> None:
    """Statistics of single samples, unless the user says otherwise, where the data come in batches."""
    if (dataset.get_batch_size() or 0) > 1:
        advanced = options[advanced_argument] = options[advanced_argument] or {}
        if advanced.get("batchwise_statistics") is None:
            advanced["batchwise_statistics"] = True


def _make_base(model: Any, function: str, options: dict[str, Any], advanced_argument: str) -> Base:
    """The base of the user's model; takes what only its reading needs out of the options."""
    backend_params = (options[advanced_argument] or {}).get("backend_params")
    folder = (
        backend_params.pop(BackendParameters.EXTERNAL_DATA_DIR, None) if is_onnx(model) and backend_params else None
    )
    return make_base(model, function, folder)


def _calibration(dataset: Dataset[Any, Any], base: Base) -> tuple[Callable[[], Iterator[Any]], int | None, int]:
    """What the core reads the items with, their number where it is known, and the samples of each, or 0."""
    inputs = base.core.inputs
    return (
        lambda: named_arrays(dataset.get_inference_data(), "calibration", inputs),
        dataset.get_length(),
        dataset.get_batch_size() or 0,
    )


def _fingerprint(dataset: Dataset[Any, Any]) -> str:
    """Of the first item and the length, and with random access of the last item."""
    length = dataset.get_length()
    indices = [] if length == 0 else [0]
    if length and dataset.has_random_access:
        indices.append(length - 1)
    return fingerprint(dataset.get_data(indices), length)


def _saving(base: Base, accuracy: dict[str, Any]) -> Callable[[Any], None] | None:
    """Saves the fully quantized model, where the options ask for it."""
    folder = (accuracy["advanced_accuracy_restorer_parameters"] or {}).get("intermediate_model_dir")
    if folder is None:
        return None
    path = _core.intermediate_model_path(folder, base.framework)
    return lambda plan: base.save(plan, path)


def _apply(base: Base, plan: Any, report: str) -> Any:
    result = base.rewritten(plan)
    attach_report(result, report)
    return result
