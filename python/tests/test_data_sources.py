# SPDX-License-Identifier: Apache-2.0
"""Whatever holds the data, and however they come in batches, the result is the same."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import normal, picture
from stand_ins import (
    DatasetDict,
    EagerTensor,
    HuggingFaceDataset,
    Prefetched,
    Tensor,
    TensorFlowDataset,
    TorchDataset,
    TorchLoader,
)

import tightrope
from tightrope import AdvancedQuantizationParameters, Dataset, InvalidArgumentError, RangeEstimatorParametersSet

SAMPLES = 36
INPUTS = normal(77, (SAMPLES, 8))
LABELS = np.zeros(SAMPLES, np.int64)
MODEL = small_models.fragile()  # names that OpenVINO makes up differ from model to model


def quantized(dataset: Any, model: ov.Model | None = None, **changes: Any) -> ov.Model:
    return tightrope.quantize(model or MODEL, dataset, **changes)


def pictures(dataset: Any, **changes: Any) -> Any:
    return picture(quantized(dataset, **changes))


@pytest.fixture(scope="module")
def expected() -> Any:
    return pictures(Dataset([row[None] for row in INPUTS]))


def first_of(pair: Any) -> Any:
    return pair[0]


def per_sample(**more: Any) -> dict[str, Any]:
    return {"advanced_parameters": AdvancedQuantizationParameters(batchwise_statistics=True, **more)}


def batches_of(size: int) -> list[Any]:
    return [INPUTS[i : i + size] for i in range(0, SAMPLES, size)]


def rows() -> Iterator[Any]:
    return (row[None] for row in INPUTS)


SOURCES: dict[str, Callable[[], Dataset[Any, Any]]] = {
    "array": lambda: Dataset(INPUTS),
    "array with a transform": lambda: Dataset(INPUTS, lambda row: row[None]),
    "list of dicts by name": lambda: Dataset([{"vector": row[None]} for row in INPUTS]),
    "list of tuples": lambda: Dataset([(row[None],) for row in INPUTS]),
    "a function that makes a generator": lambda: Dataset(rows),
    "a lambda": lambda: Dataset(lambda: iter(INPUTS)),
    "torch loader of single samples": lambda: Dataset(TorchLoader(INPUTS, LABELS, 1), first_of),
    "torch loader": lambda: Dataset(TorchLoader(INPUTS, LABELS, 12), first_of),
    "torch loader with a smaller last batch": lambda: Dataset(TorchLoader(INPUTS, LABELS, 32), first_of),
    "torch loader with more than all in a batch": lambda: Dataset(TorchLoader(INPUTS, LABELS, 64), first_of),
    "tensors that require gradients": lambda: Dataset(TorchLoader(INPUTS, LABELS, 4, requires_grad=True), first_of),
    "tensors on another device": lambda: Dataset(TorchLoader(INPUTS, LABELS, 4, device="cuda:0"), first_of),
    "torch dataset": lambda: Dataset(TorchDataset(INPUTS)),
    "TensorFlow dataset": lambda: Dataset(TensorFlowDataset(INPUTS)),
    "TensorFlow dataset in batches": lambda: Dataset(Prefetched(Prefetched(TensorFlowDataset(INPUTS, 5)))),
    "Hugging Face dataset": lambda: Dataset(HuggingFaceDataset(vector=INPUTS)),
    "Hugging Face dataset with a transform": lambda: Dataset(
        HuggingFaceDataset(vector=INPUTS, label=LABELS), lambda row: {"vector": row["vector"]}
    ),
    "Hugging Face dataset of lists": lambda: Dataset(HuggingFaceDataset(vector=INPUTS), lambda row: row["vector"]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_model_as_a_list_of_arrays(source: str, expected: Any) -> None:
    assert pictures(SOURCES[source]()) == expected


@pytest.mark.parametrize("size", [2, 5, 32, 64])
@pytest.mark.parametrize("name", ["MINMAX", "MEAN_MINMAX", "MEDIAN_MINMAX", "MEAN_QUANTILE", "HISTOGRAM"])
def test_a_batch_counts_as_its_samples(size: int, name: str) -> None:
    estimator = {"activations_range_estimator_params": getattr(RangeEstimatorParametersSet, name)}
    single = pictures(Dataset(list(rows())), advanced_parameters=AdvancedQuantizationParameters(**estimator))
    assert pictures(Dataset(batches_of(size)), **per_sample(**estimator)) == single


def test_convolutions_see_single_samples_too() -> None:
    images = normal(78, (20, 3, 8, 8))
    model = small_models.classifier()
    changes = {"model": model, "fast_bias_correction": False, "weight_rounding": True}
    single = pictures(Dataset([image[None] for image in images]), **changes)
    assert pictures(Dataset(small_models.Loader(images, LABELS[:20], 8), first_of), **changes) == single


def test_onnx_models_see_single_samples_too() -> None:
    small_onnx_models = pytest.importorskip("small_onnx_models", reason="the onnx package is not installed")
    estimator = {"activations_range_estimator_params": RangeEstimatorParametersSet.MEAN_MINMAX}
    advanced = {"advanced_parameters": AdvancedQuantizationParameters(**estimator)}
    single = tightrope.quantize(small_onnx_models.fragile(), Dataset(list(rows())), **advanced)
    for size in (5, 32):
        data = Dataset(small_models.Loader(INPUTS, LABELS, size), first_of)
        batched = tightrope.quantize(small_onnx_models.fragile(), data, **advanced)
        assert batched.SerializeToString() == single.SerializeToString()


def test_a_model_with_a_fixed_batch_has_statistics_of_single_samples() -> None:
    images = normal(79, (16, 3, 8, 8))
    estimator = RangeEstimatorParametersSet.MEAN_MINMAX
    single = quantized(
        Dataset(list(images)),
        small_models.classifier(),
        advanced_parameters=AdvancedQuantizationParameters(activations_range_estimator_params=estimator),
    )
    fixed = quantized(
        Dataset([images[i : i + 4] for i in range(0, 16, 4)]),
        small_models.classifier(batch=4),
        **per_sample(activations_range_estimator_params=estimator),
    )
    ranges = [small_models.limits(model) for model in (single, fixed)]
    assert ranges[0].keys() == ranges[1].keys()
    for name, (low, high) in ranges[0].items():
        np.testing.assert_allclose(ranges[1][name][0], low, rtol=1e-5)
        np.testing.assert_allclose(ranges[1][name][1], high, rtol=1e-5)


def test_batches_count_as_single_items_where_that_is_asked_for() -> None:
    estimator = {"activations_range_estimator_params": RangeEstimatorParametersSet.MEAN_MINMAX}
    loader = Dataset(TorchLoader(INPUTS, LABELS, 12), first_of)
    advanced = AdvancedQuantizationParameters(batchwise_statistics=False, **estimator)
    whole = quantized(loader, advanced_parameters=advanced)
    assert tightrope.report(whole).calibration_items == 3
    single = quantized(loader, advanced_parameters=AdvancedQuantizationParameters(**estimator))
    assert tightrope.report(single).calibration_items == SAMPLES
    assert str(small_models.limits(whole)) != str(small_models.limits(single))


def test_subset_size_counts_batches() -> None:
    loader = Dataset(TorchLoader(INPUTS, LABELS, 8), first_of)
    expected = pictures(Dataset([row[None] for row in INPUTS[:16]]))
    assert pictures(loader, subset_size=2) == expected


def test_accuracy_control_ranks_on_single_samples_of_batches() -> None:
    items = small_models.labeled_vectors(64)

    def result(calibration: Any) -> Any:
        return picture(
            tightrope.quantize_with_accuracy_control(
                MODEL, calibration, Dataset(items), small_models.accuracy, max_drop=0.05
            )
        )

    single = result(Dataset(list(rows())))
    assert result(Dataset(TorchLoader(INPUTS, LABELS, 8), first_of)) == single


def test_a_run_that_goes_on_finds_the_samples_of_its_batches(tmp_path: Any) -> None:
    def run(**more: Any) -> Any:
        return tightrope.quantize_with_accuracy_control(
            MODEL,
            Dataset(TorchLoader(INPUTS, LABELS, 8), first_of),
            Dataset(small_models.labeled_vectors(64)),
            small_models.accuracy,
            max_drop=0.05,
            repair=False,
            **more,
        )

    def stop(event: tightrope.Event) -> None:
        if event.kind == "stage_started" and event.stage == "ranking":
            raise KeyError("enough")

    with pytest.raises(KeyError):
        run(work_dir=tmp_path, callbacks=stop)
    assert tightrope.report(run(work_dir=tmp_path)).reverted == tightrope.report(run()).reverted


# One sample in many forms: whole numbers, which all types can hold.

WHOLE = np.arange(-4, 4, dtype=np.float32)[None]
FORMS: dict[str, Any] = {
    "float64": WHOLE.astype(np.float64),
    "float16": WHOLE.astype(np.float16),
    "int64": WHOLE.astype(np.int64),
    "int8": WHOLE.astype(np.int8),
    "big endian": WHOLE.astype(">f4"),
    "not contiguous": np.asfortranarray(np.repeat(WHOLE, 2, axis=0))[::2],
    "no batch axis": WHOLE[0],
    "nested lists": WHOLE.tolist(),
    "list of numbers": WHOLE[0].tolist(),
    "dict of lists": {"vector": WHOLE.tolist()},
    "dict by position": {0: WHOLE},
    "list of one": [WHOLE],
    "tuple of one": (WHOLE,),
    "tensor of OpenVINO": ov.Tensor(WHOLE),
    "tensor": Tensor(WHOLE),
    "tensor in half precision of the other kind": Tensor(WHOLE, dtype="torch.bfloat16"),
    "tensor on a device with a gradient": Tensor(WHOLE, requires_grad=True, device="cuda:0"),
    "list of tensors of one sample each": {"vector": [Tensor(WHOLE[0], requires_grad=True)]},
    "tensor of TensorFlow": EagerTensor(WHOLE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_sample_gives_the_same_model(form: str) -> None:
    assert pictures(Dataset([FORMS[form]])) == pictures(Dataset([WHOLE]))


def test_a_half_precision_array_of_other_packages_is_read() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    assert pictures(Dataset([WHOLE.astype(bfloat16)])) == pictures(Dataset([WHOLE]))


BAD_ITEMS: dict[str, tuple[Any, str]] = {
    "text": ("hello", "input '0': found str with elements of type <U5; numbers are needed"),
    "None": ([None], "input '0': found NoneType with elements of type object; numbers are needed"),
    "complex numbers": (WHOLE.astype(np.complex64), "elements of type complex64; numbers are needed"),
    "rows of unequal length": ({"vector": [[1.0, 2.0], [3.0]]}, "input 'vector': no array can be made of it"),
    "data and label": ((WHOLE, 3), "has 2 inputs; the model needs 1: 'vector' f32"),
    "an unknown name": ({"image": WHOLE}, "the model has no input 'image'; it needs 'vector' f32"),
    "two axes too few": (np.float32(1), r"input '0': shape \[\] came; \[\?,8\] is needed"),
    "an axis too many": (WHOLE[None], r"input '0': shape \[1,1,8\] came; \[\?,8\] is needed"),
    "another size": (WHOLE[:, :5], r"input '0': shape \[1,5\] came; \[\?,8\] is needed"),
}


@pytest.mark.parametrize("item", BAD_ITEMS)
def test_what_does_not_fit_is_said_with_the_item_the_input_and_what_is_needed(item: str) -> None:
    value, message = BAD_ITEMS[item]
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        quantized(Dataset([WHOLE, value]))
    assert "calibration item 1" in str(caught.value) or "[calibration] item 1" in str(caught.value)


def test_two_inputs_by_position_may_be_lists_of_numbers() -> None:
    items = [[[1.0, 2, 3, 4]], [[5.0, 6, 7, 8]]]
    arrays = tuple(np.array(entry, np.float32) for entry in items)
    model = small_models.two_inputs()
    assert picture(quantized(Dataset([items]), model)) == picture(quantized(Dataset([arrays]), model))


# Sources that don't do.


def test_a_generator_is_read_once_where_once_is_enough() -> None:
    assert pictures(Dataset(rows())) == pictures(Dataset(rows))


def test_a_generator_for_validation_is_refused_with_what_to_do() -> None:
    labeled = small_models.labeled_vectors(64)
    with pytest.raises(InvalidArgumentError, match=r"read only once.*Dataset\(make\) instead of Dataset\(make\(\)\)"):
        tightrope.quantize_with_accuracy_control(
            small_models.fragile(), Dataset(rows), Dataset(iter(labeled)), small_models.accuracy
        )


def test_a_function_that_makes_a_generator_serves_validation() -> None:
    labeled = small_models.labeled_vectors(64)
    model = tightrope.quantize_with_accuracy_control(
        small_models.fragile(), Dataset(rows), Dataset(lambda: iter(labeled)), small_models.accuracy, max_drop=0.05
    )
    assert tightrope.report(model).status == "met"


def test_a_function_that_returns_no_iterable_is_told() -> None:
    with pytest.raises(InvalidArgumentError, match="the function returned an object of type int"):
        quantized(Dataset(lambda: 5))  # type: ignore[arg-type,return-value]


def test_splits_of_hugging_face_are_told_apart_from_a_dataset() -> None:
    splits = DatasetDict(train=HuggingFaceDataset(vector=INPUTS), test=HuggingFaceDataset(vector=INPUTS))
    with pytest.raises(InvalidArgumentError, match=r"DatasetDict of the splits 'train', 'test'.*data\['train'\]"):
        Dataset(splits)


def test_a_dict_of_arrays_is_no_sequence_of_samples() -> None:
    with pytest.raises(InvalidArgumentError, match="found a dict, whose items are its keys"):
        Dataset({"vector": INPUTS})


# The packages themselves, where they are installed.


def test_real_torch_loaders_and_tensors(expected: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed; a stand-in is tested above")
    inputs, labels = torch.from_numpy(INPUTS), torch.from_numpy(LABELS)
    dataset = torch.utils.data.TensorDataset(inputs, labels)
    for size in (1, 8, 32):
        loader = torch.utils.data.DataLoader(dataset, batch_size=size)
        assert pictures(Dataset(loader, first_of)) == expected
        for convert in (torch.Tensor.double, torch.Tensor.requires_grad_):
            assert pictures(Dataset(loader, lambda pair, to=convert: to(pair[0].clone()))) == expected
    assert pictures(Dataset(dataset, first_of)) == expected
    assert pictures(Dataset(torch.utils.data.DataLoader(dataset, batch_sampler=[[0, 1], list(range(2, 36))]), first_of))

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc,name-defined]
        def __iter__(self) -> Any:
            return iter(inputs)

    assert not Dataset(Stream()).has_random_access
    assert pictures(Dataset(Stream())) == expected
    assert pictures(Dataset([torch.tensor(WHOLE).bfloat16()])) == pictures(Dataset([WHOLE]))


def test_real_tensorflow_datasets(expected: Any) -> None:
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed; a stand-in is tested above")
    data = tf.data.Dataset.from_tensor_slices(INPUTS)
    assert pictures(Dataset(data)) == expected
    for size in (1, 8, 32):
        batched = data.batch(size).map(lambda rows: rows * 1).prefetch(2)
        assert Dataset(batched).get_batch_size() == size
        assert pictures(Dataset(batched)) == expected
    assert pictures(Dataset(tf.data.Dataset.from_tensor_slices({"vector": INPUTS}).batch(8))) == expected


def test_real_hugging_face_datasets(expected: Any) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed; a stand-in is tested above")
    if not hasattr(datasets, "Features"):
        pytest.skip("another package called datasets is installed")
    features = datasets.Features({"vector": datasets.List(datasets.Value("float32"), 8)})
    data = datasets.Dataset.from_dict({"vector": INPUTS.tolist()}, features=features)
    assert pictures(Dataset(data)) == expected
    assert pictures(Dataset(data.with_format("numpy"))) == expected
    assert pictures(Dataset(data, lambda row: row["vector"])) == expected
    assert pictures(Dataset(data.to_iterable_dataset())) == expected
    with pytest.raises(InvalidArgumentError, match="DatasetDict of the splits 'train'"):
        Dataset(datasets.DatasetDict(train=data))
