# SPDX-License-Identifier: Apache-2.0
"""What can not be used is refused in one sentence that names it; options that do not work yet never pass silently."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models

import tightrope
from tightrope import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    AggregatorType,
    Dataset,
    InvalidArgumentError,
    QuantizationError,
    RangeEstimatorParameters,
    StatisticsCollectorParameters,
    StatisticsType,
    UnsupportedBackendError,
    UnsupportedError,
)
from tightrope.common.quantization.quantizer_propagation.structs import QuantizerPropagationRule
from tightrope.parameters import QuantizationScheme
from tightrope.quantization.advanced_parameters import (
    FP8QuantizationParameters,
    QuantizationParameters,
)

# Options that don't work yet, as (name in the message, arguments of quantize).


def advanced(**options: Any) -> dict[str, Any]:
    return {"advanced_parameters": AdvancedQuantizationParameters(**options)}


def ranges(kind: str, end: str, **options: Any) -> dict[str, Any]:
    estimator = RangeEstimatorParameters(**{end: StatisticsCollectorParameters(**options)})
    return advanced(**{f"{kind}_range_estimator_params": estimator})


UNSUPPORTED: list[tuple[str, dict[str, Any]]] = [
    *[
        (f"{kind}_quantization_params.{field}", advanced(**{f"{kind}_quantization_params": value}))
        for kind in ("activations", "weights")
        for field, value in (
            ("mode", QuantizationParameters(mode=QuantizationScheme.SYMMETRIC_LORA)),
            ("mode", QuantizationParameters(mode=QuantizationScheme.ASYMMETRIC_LORA_NLS)),
        )
    ],
    ("backend_params.weights", advanced(backend_params={"weights": {"level_low": -64}})),
]


@pytest.mark.parametrize(("name", "options"), UNSUPPORTED)
def test_an_option_that_does_not_work_yet_is_refused_by_name_before_any_work(
    name: str, options: dict[str, Any], fragile: ov.Model
) -> None:
    data = small_models.Stream(small_models.vectors(2))
    with pytest.raises(
        UnsupportedError, match=rf"option '[\w.]*{name}' = .* is not supported by this version; .* works"
    ):
        tightrope.quantize(fragile, Dataset(data), **options)
    controlled = {key.replace("advanced_param", "advanced_quantization_param"): options[key] for key in options}
    with pytest.raises(UnsupportedError, match=name):
        tightrope.quantize_with_accuracy_control(
            fragile, Dataset(data), Dataset(data), lambda model, items: 1.0, **controlled
        )
    assert data.read == 0


@pytest.mark.parametrize(
    "options",
    [
        advanced(),
        advanced(smooth_quant_alpha=-1.0),
        advanced(smooth_quant_alpha=0.5),
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=0.5)),
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)),
        advanced(smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=0.5)),
        advanced(activations_quantization_params=QuantizationParameters()),
        {"mode": "fp8_e4m3", **advanced(weights_quantization_params=FP8QuantizationParameters())},
        advanced(weights_quantization_params=QuantizationParameters(num_bits=8, mode=QuantizationScheme.SYMMETRIC)),
        *[advanced(quantizer_propagation_rule=rule) for rule in QuantizerPropagationRule],
        advanced(backend_params={}),
        advanced(batchwise_statistics=True),
        ranges("activations", "max", statistics_type=StatisticsType.ABS_MAX, aggregator_type=AggregatorType.MEAN),
        ranges("weights", "max", statistics_type=StatisticsType.MAX, aggregator_type=AggregatorType.MAX),
        {"preset": "mixed", "target_device": "cpu"},
        {"model_type": "transformer", "target_device": "cpu_spr", "placement": "lean"},
    ],
)
def test_what_says_the_same_as_the_default_or_works_is_accepted(
    options: dict[str, Any], fragile: ov.Model, vectors: Dataset
) -> None:
    assert tightrope.report(tightrope.quantize(fragile, vectors, **options)).quantized


# Models.


@pytest.mark.parametrize("model", [np.zeros(3), "model.xml", None, ov.Model], ids=str)
def test_an_object_that_is_no_openvino_model_is_refused_with_its_type(model: Any, vectors: Dataset) -> None:
    kind = f"{type(model).__module__}.{type(model).__name__}"
    with pytest.raises(
        UnsupportedBackendError, match=rf"quantize: found an object of type {kind}; needs an openvino.Model"
    ):
        tightrope.quantize(model, vectors)
    with pytest.raises(
        UnsupportedBackendError, match=f"quantize_with_accuracy_control: found an object of type {kind}"
    ):
        tightrope.quantize_with_accuracy_control(model, vectors, vectors, lambda model, items: 1.0)


def test_a_compiled_model_is_refused_with_its_type(fragile: ov.Model, vectors: Dataset) -> None:
    with pytest.raises(UnsupportedBackendError, match="CompiledModel"):
        tightrope.quantize(ov.compile_model(fragile, "CPU"), vectors)  # type: ignore[arg-type]


def test_a_model_without_anything_to_quantize_is_refused(vectors: Dataset) -> None:
    vector = ops.parameter([1, 8], np.float32)
    model = ov.Model([ops.result(ops.relu(vector))], [vector], "nothing")
    with pytest.raises(QuantizationError, match="nothing in the model can be quantized"):
        tightrope.quantize(model, vectors)


def test_a_model_that_is_quantized_already_is_refused(fragile: ov.Model, vectors: Dataset) -> None:
    quantized = tightrope.quantize(fragile, vectors)
    with pytest.raises(QuantizationError, match="quantized already: 3 quantizers, the first is 'vector/fq_output_0'"):
        tightrope.quantize(quantized, vectors)


# Datasets.


@pytest.mark.parametrize("data", [[], small_models.vectors(2), None], ids=["empty list", "list", "None"])
def test_data_that_are_no_dataset_are_refused_by_argument(data: Any, fragile: ov.Model, vectors: Dataset) -> None:
    message = "calibration_dataset: found an object of type .*; needs a tightrope.Dataset"
    with pytest.raises(InvalidArgumentError, match=message):
        tightrope.quantize(fragile, data)
    with pytest.raises(InvalidArgumentError, match=message):
        tightrope.quantize_with_accuracy_control(fragile, data, vectors, lambda model, items: 1.0)
    with pytest.raises(InvalidArgumentError, match="validation_dataset: found an object of type"):
        tightrope.quantize_with_accuracy_control(fragile, vectors, data, lambda model, items: 1.0)


def test_a_validation_function_that_is_none_is_refused(fragile: ov.Model, vectors: Dataset) -> None:
    with pytest.raises(InvalidArgumentError, match="validation_fn: found float; needs a function"):
        tightrope.quantize_with_accuracy_control(fragile, vectors, vectors, 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [[], small_models.Stream([]), iter([])], ids=["list", "stream", "iterator"])
def test_an_empty_calibration_dataset_is_refused(data: Any, fragile: ov.Model) -> None:
    with pytest.raises(InvalidArgumentError, match="calibration dataset yields no items; at least one is needed"):
        tightrope.quantize(fragile, Dataset(data))


@pytest.mark.parametrize("bits", [1, 17])
@pytest.mark.parametrize("kind", ["activations", "weights"])
def test_bits_out_of_range_are_refused_before_any_work(kind: str, bits: int, fragile: ov.Model) -> None:
    data = small_models.Stream(small_models.vectors(2))
    options = advanced(**{f"{kind}_quantization_params": QuantizationParameters(num_bits=bits)})
    with pytest.raises(InvalidArgumentError, match=rf"{kind}_quantization_params.num_bits' is {bits}; from 2 to 16"):
        tightrope.quantize(fragile, Dataset(data), **options)
    assert data.read == 0


@pytest.mark.parametrize("size", [0, -1, 1.5, None, True])
def test_a_subset_size_below_one_or_no_integer_is_refused_before_any_work(size: Any, fragile: ov.Model) -> None:
    data = small_models.Stream(small_models.vectors(2))
    with pytest.raises(InvalidArgumentError, match="subset_size"):
        tightrope.quantize(fragile, Dataset(data), subset_size=size)
    assert data.read == 0


ROW = np.zeros((1, 8), np.float32)
BAD_ITEMS = {
    "wrong name": ({"vectr": ROW}, r"the model has no input 'vectr'; it needs 'vector' f32 \[\?,8\]"),
    "wrong shape": (ROW[:, :7], r"input '0': shape \[1,7\] came; \[\?,8\] is needed"),
    "wrong shape by name": ({"vector": ROW[:, :7]}, r"input 'vector': shape \[1,7\] came; \[\?,8\] is needed"),
    "wrong rank": (ROW[None], r"input '0': shape \[1,1,8\] came; \[\?,8\] is needed"),
    "too many inputs": ((ROW, ROW), r"has 2 inputs; the model needs 1: 'vector' f32"),
    "too many names": ({"vector": ROW, "other": ROW}, r"has 2 inputs; the model needs 1: 'vector' f32"),
    "no input": ((), r"has 0 inputs; the model needs 1: 'vector' f32"),
    "position from 1": ({1: ROW}, r"the keys are \[1\]; input names are needed, or positions from 0 on"),
    "names and positions": ({0: ROW, "vector": ROW}, r"input names are needed, or positions from 0 on"),
    "another key": ({1.5: ROW}, r"1.5 is the key of an input; input names are needed"),
    "complex": (ROW.astype(np.complex64), r"input '0': found ndarray with elements of type complex64; numbers are"),
    "text": (np.array([["a"] * 8]), r"input '0': found ndarray with elements of type <U1; numbers are needed"),
    "text by name": ({"vector": "abc"}, r"input 'vector': found str with elements of type <U3; numbers are needed"),
    "objects": ([None], r"input '0': found NoneType with elements of type object; numbers are needed"),
    "None": (None, r"input '0': found NoneType with elements of type object; numbers are needed"),
    "ragged": ([[[1.0], [1.0, 2.0]]], r"input '0': no array can be made of it"),
}


@pytest.mark.parametrize("kind", BAD_ITEMS)
@pytest.mark.parametrize("at", [0, 3])
def test_an_item_that_does_not_fit_is_named_with_its_index_and_input(kind: str, at: int, fragile: ov.Model) -> None:
    item, message = BAD_ITEMS[kind]
    with pytest.raises(InvalidArgumentError, match=rf"item {at}\b.*{message}") as raised:
        tightrope.quantize(fragile, Dataset([*small_models.vectors(at), item, *small_models.vectors(2)]))
    assert "\n" not in str(raised.value)


def test_an_item_with_nan_is_named_with_its_index(fragile: ov.Model) -> None:
    with pytest.raises(InvalidArgumentError, match=r"node 'vector' \(Parameter\): .* item 3 holds NaN"):
        tightrope.quantize(fragile, Dataset([*small_models.vectors(3), ROW + np.nan]))


def test_an_operation_that_reads_infinity_stays_in_floating_point_with_a_warning(
    fragile: ov.Model, caplog: pytest.LogCaptureFixture
) -> None:
    result = tightrope.quantize(fragile, Dataset([*small_models.vectors(3), ROW + np.inf]))
    assert "first" not in tightrope.report(result).quantized
    assert "node 'vector' has values beyond any 8-bit range" in caplog.text


def test_numbers_with_a_fraction_for_an_integer_input_are_refused() -> None:
    indices = ops.parameter([1, 2], np.int64, name="indices")
    table = ops.gather(ops.constant(small_models.normal(1, (10, 4))), indices, ops.constant(0))
    data = ops.matmul(table, ops.constant(small_models.normal(2, (4, 4))), False, False)
    model = ov.Model([ops.result(data)], [indices], "lookup")
    integers = [np.array([[1, 2]]), np.array([[3, 4]], np.int32)]
    assert tightrope.report(tightrope.quantize(model, Dataset(integers))).quantized
    with pytest.raises(InvalidArgumentError, match=r"item 1, input '0': elements are f\w*32; i\w*64 is needed"):
        tightrope.quantize(model, Dataset([integers[0], np.array([[1.5, 2]], np.float32)]))


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyError, StopIteration])
def test_a_transform_function_that_raises_is_reported_with_the_index_of_the_item(
    kind: type[Exception], fragile: ov.Model
) -> None:
    def transform(item: int) -> np.ndarray:
        if item == 2:
            raise kind("broken image")
        return ROW + item

    with pytest.raises(InvalidArgumentError, match=r"^\[calibration\] item 2: .*") as raised:
        tightrope.quantize(fragile, Dataset([0, 1, 2, 3], transform))
    cause = raised.value.__cause__
    assert isinstance(cause, kind) or (isinstance(cause, RuntimeError) and isinstance(cause.__cause__, kind))
    if kind is not StopIteration:
        assert "broken image" in str(raised.value)


def test_data_that_raise_are_reported_with_the_index_of_the_item(fragile: ov.Model) -> None:
    def broken() -> Any:
        yield ROW
        raise OSError("the disk is gone")

    with pytest.raises(InvalidArgumentError, match=r"^\[calibration\] item 1: OSError: the disk is gone") as raised:
        tightrope.quantize(fragile, Dataset(broken()))
    assert isinstance(raised.value.__cause__, OSError)


def test_items_without_elements_say_nothing_and_are_refused_where_there_are_no_others(fragile: ov.Model) -> None:
    empty = np.zeros((0, 8), np.float32)
    full = small_models.vectors(3)
    with_empty = tightrope.quantize(fragile, Dataset([empty, *full]))
    without = tightrope.quantize(fragile, Dataset(full))
    assert small_models.limits(with_empty) == small_models.limits(without) != {}
    with pytest.raises(
        InvalidArgumentError, match=r"^\[calibration\] .*'vector' has no elements on any of the 2 items"
    ):
        tightrope.quantize(fragile, Dataset([empty, empty]))


def test_messages_name_the_argument_of_the_function_that_was_called(fragile: ov.Model, vectors: Dataset) -> None:
    estimator = RangeEstimatorParameters(min=StatisticsCollectorParameters(clipping_value=-1.0))
    advanced_parameters = AdvancedQuantizationParameters(activations_range_estimator_params=estimator)
    name = "'advanced_quantization_parameters.activations_range_estimator_params.min.clipping_value'"
    with pytest.raises(InvalidArgumentError, match=name):
        tightrope.quantize_with_accuracy_control(
            fragile, vectors, vectors, lambda model, data: 1.0, advanced_quantization_parameters=advanced_parameters
        )


def test_an_interrupt_in_the_data_is_not_taken_for_a_bad_item(fragile: ov.Model) -> None:
    def interrupted() -> Any:
        yield ROW
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tightrope.quantize(fragile, Dataset(interrupted()))


def test_everything_raised_here_is_caught_as_one_error(fragile: ov.Model) -> None:
    for arguments in ((None, Dataset([])), (fragile, None), (fragile, Dataset([])), (fragile, Dataset([None]))):
        with pytest.raises(tightrope.Error):
            tightrope.quantize(*arguments)  # type: ignore[arg-type]
