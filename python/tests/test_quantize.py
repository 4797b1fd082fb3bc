# SPDX-License-Identifier: Apache-2.0
"""What `quantize` accepts, does and leaves alone."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
from small_models import F32, limits, picture, types

import tightrope
from tightrope import (
    AdvancedQuantizationParameters,
    Dataset,
    IgnoredScope,
    OverflowFix,
    QuantizationPreset,
    Subgraph,
    TargetDevice,
)


def saved_and_read(model: ov.Model, folder: Path) -> ov.Model:
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return ov.Core().read_model(folder / "model.xml")


def half_precision_classifier(folder: Path) -> ov.Model:
    ov.save_model(small_models.classifier(), folder / "half.xml", compress_to_fp16=True)
    return ov.Core().read_model(folder / "half.xml")


def classifier_with_equal_names(folder: Path) -> ov.Model:
    model = small_models.classifier()
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "Add", "Constant"):
            node.set_friendly_name("same")
    return model


def classifier_with_notes(folder: Path) -> ov.Model:
    model = small_models.classifier()
    model.set_rt_info("mine", ["tightrope", "report"])
    model.set_rt_info("1", ["conversion", "option"])
    model.get_ordered_ops()[0].get_rt_info()["origin"] = "test"
    return model


@pytest.mark.parametrize(
    "make",
    [
        half_precision_classifier,
        classifier_with_equal_names,
        classifier_with_notes,
        lambda _: small_models.classifier(),
    ],
)
def test_the_model_of_the_user_is_not_changed(make: Any, images: Dataset, tmp_path: Path) -> None:
    model = make(tmp_path)
    before = picture(model)
    result = tightrope.quantize(model, images)
    assert picture(model) == before
    assert "FakeQuantize" in types(result)
    assert result is not model


def test_the_result_keeps_inputs_outputs_and_their_names(classifier: ov.Model, images: Dataset) -> None:
    result = tightrope.quantize(classifier, images)
    for port in ("inputs", "outputs"):
        for ours, original in zip(getattr(result, port), getattr(classifier, port), strict=True):
            assert ours.get_names() == original.get_names()
            assert ours.get_partial_shape() == original.get_partial_shape()
            assert ours.get_element_type() == original.get_element_type()


def test_the_result_runs_and_stays_close_to_the_original(classifier: ov.Model, images: Dataset) -> None:
    result = ov.compile_model(tightrope.quantize(classifier, images), "CPU", F32)
    original = ov.compile_model(classifier, "CPU", F32)
    for image in small_models.images(8):
        expected = original(image)[0]
        np.testing.assert_allclose(result(image)[0], expected, atol=0.05 * np.abs(expected).max())


def test_convolutions_and_products_run_in_8_bits_with_weights_stored_as_int8(
    classifier: ov.Model, images: Dataset
) -> None:
    result = tightrope.quantize(classifier, images)
    assert tightrope.report(result).quantized == ["classes", "conv1", "conv2", "pool"]
    activations = ["conv1/relu/fq_output_0", "conv2/relu/fq_output_0", "image/fq_output_0", "pool/fq_output_0"]
    assert sorted(limits(result)) == activations
    stored = {
        str(node.get_element_type()) for node in result.get_ordered_ops() if "/quantized" in node.get_friendly_name()
    }
    assert stored == {str(ov.Type.i8)}


def test_the_result_can_be_saved_read_and_run(classifier: ov.Model, images: Dataset, tmp_path: Path) -> None:
    result = tightrope.quantize(classifier, images)
    again = saved_and_read(result, tmp_path)
    image = small_models.images(1)[0]
    ours, theirs = (ov.compile_model(model, "CPU", F32)(image)[0] for model in (result, again))
    np.testing.assert_array_equal(ours, theirs)


TWICE = """
import sys
sys.path.insert(0, sys.argv[1])
import openvino as ov
import small_models
import tightrope

model = ov.Core().read_model(sys.argv[2])
if sys.argv[4] == "quantize":
    result = tightrope.quantize(model, tightrope.Dataset(small_models.vectors(32)))
else:
    result = tightrope.quantize_with_accuracy_control(
        model, tightrope.Dataset(small_models.vectors(32)), tightrope.Dataset(small_models.labeled_vectors(32)),
        small_models.accuracy, max_drop=0.05,
    )
ov.save_model(result, sys.argv[3], compress_to_fp16=False)
"""


@pytest.mark.parametrize("function", ["quantize", "quantize_with_accuracy_control"])
def test_two_whole_runs_give_identical_files(function: str, fragile: ov.Model, tmp_path: Path) -> None:
    ov.save_model(fragile, tmp_path / "original.xml", compress_to_fp16=False)
    runs = []
    for name in ("first", "second"):
        command = [sys.executable, "-c", TWICE, str(Path(__file__).parent)]
        command += [str(tmp_path / "original.xml"), str(tmp_path / f"{name}.xml"), function]
        environment = {**os.environ, "PYTHONHASHSEED": str(len(runs) + 1)}
        runs.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for run in runs:
        assert run.wait(60) == 0, run.stderr and run.stderr.read()
        assert run.stderr
        run.stderr.close()
    for suffix in (".xml", ".bin"):
        first, second = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("first", "second"))
        assert first == second
        assert b"FakeQuantize" in first or suffix == ".bin"


# Data: what an item may be.


def as_float64(array: np.ndarray) -> Any:
    return array.astype(np.float64)


ITEM_KINDS = {
    "array": lambda array: array,
    "array in another order": lambda array: np.asfortranarray(array),
    "array of another byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "float64 array": as_float64,
    "list": lambda array: [array],
    "tuple": lambda array: (array,),
    "dict by name": lambda array: {"vector": array},
    "dict by index": lambda array: {0: array},
    "dict by index of numpy": lambda array: {np.int64(0): array},
    "openvino.Tensor": lambda array: ov.Tensor(array),
    "tuple of openvino.Tensor": lambda array: (ov.Tensor(array),),
}


@pytest.mark.parametrize("kind", ITEM_KINDS)
def test_an_item_may_be(kind: str, fragile: ov.Model, vectors: Dataset) -> None:
    result = tightrope.quantize(fragile, Dataset(small_models.vectors(32), ITEM_KINDS[kind]))
    assert limits(result) == limits(tightrope.quantize(fragile, vectors))


def test_an_item_may_be_a_dict_by_the_input_itself(fragile: ov.Model, vectors: Dataset) -> None:
    result = tightrope.quantize(fragile, Dataset(small_models.vectors(32), lambda array: {fragile.input(0): array}))
    assert limits(result) == limits(tightrope.quantize(fragile, vectors))


def test_an_item_may_be_a_torch_tensor(fragile: ov.Model, vectors: Dataset) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    result = tightrope.quantize(fragile, Dataset(small_models.vectors(32), torch.from_numpy))
    assert limits(result) == limits(tightrope.quantize(fragile, vectors))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda left, right: [left, right],
        lambda left, right: (left, right),
        lambda left, right: {"right": right, "left": left},
        lambda left, right: {1: right, 0: left},
    ],
    ids=["list", "tuple", "dict by name", "dict by index"],
)
def test_several_inputs_reach_the_inputs_that_they_are_meant_for(arrange: Any) -> None:
    pairs = [(small_models.normal(i, (1, 4)), 10 * small_models.normal(i, (1, 4))) for i in range(8)]
    result = tightrope.quantize(small_models.two_inputs(), Dataset([arrange(*pair) for pair in pairs]))
    reach = {name: float(high) for name, (low, high) in limits(result).items()}
    assert reach["right/fq_output_0"] == pytest.approx(10 * reach["left/fq_output_0"])


def test_a_loader_of_batches_works_and_so_does_an_uneven_last_batch(fragile: ov.Model) -> None:
    inputs = np.concatenate(small_models.vectors(32))
    loader = small_models.Loader(inputs, np.zeros(32), batch_size=5)
    assert Dataset(loader).get_batch_size() == 5
    result = tightrope.quantize(fragile, Dataset(loader, lambda batch: batch[0]))
    assert tightrope.report(result).calibration_items == 32
    low, high = limits(result)["vector/fq_output_0"]
    assert max(-low, high) == pytest.approx(np.abs(inputs).max(), rel=0.01)


def test_a_generator_is_enough_for_calibration_which_reads_its_data_once(fragile: ov.Model, vectors: Dataset) -> None:
    result = tightrope.quantize(fragile, Dataset(vector for vector in small_models.vectors(32)))
    assert limits(result) == limits(tightrope.quantize(fragile, vectors))


@pytest.mark.parametrize(("size", "read"), [(1, 1), (5, 5), (100, 32)])
def test_no_more_than_subset_size_items_are_read(size: int, read: int, fragile: ov.Model) -> None:
    stream = small_models.Stream(small_models.vectors(32))
    result = tightrope.quantize(fragile, Dataset(stream), subset_size=size)
    assert stream.read == read
    assert tightrope.report(result).calibration_items == read


def test_data_without_an_end_work_thanks_to_subset_size(fragile: ov.Model) -> None:
    def endless() -> Any:
        while True:
            yield from small_models.vectors(4)

    assert tightrope.report(tightrope.quantize(fragile, Dataset(endless()))).calibration_items == 300


# Models.


def test_weights_compressed_to_16_bits_are_accepted_with_a_warning(
    images: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = half_precision_classifier(tmp_path)
    with caplog.at_level(logging.WARNING, "tightrope"):
        result = tightrope.quantize(model, images)
    assert "compressed to 16 bits" in caplog.text
    assert "FP32" in caplog.text
    assert tightrope.report(result).quantized == ["classes", "conv1", "conv2", "pool"]
    image = small_models.images(1)[0]
    expected, found = (ov.compile_model(each, "CPU", F32)(image)[0] for each in (model, result))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_an_fp32_model_gives_no_warning(
    classifier: ov.Model, images: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tightrope"):
        tightrope.quantize(classifier, images)
    assert caplog.text == ""


def test_a_model_of_fixed_shape_works_too(images: Dataset) -> None:
    result = tightrope.quantize(small_models.classifier(batch=1), images)
    assert tightrope.report(result).quantized == ["classes", "conv1", "conv2", "pool"]


def test_depthwise_grouped_and_transposed_convolutions_are_quantized() -> None:
    image = ops.parameter([1, 4, 8, 8], np.float32, name="image")
    data = image
    for name, make, shape in (
        ("depthwise", ops.group_convolution, (4, 1, 1, 3, 3)),
        ("grouped", ops.group_convolution, (2, 2, 2, 3, 3)),
        ("transposed", ops.convolution_backprop_data, (4, 4, 3, 3)),
    ):
        weights = ops.constant(small_models.normal(len(name), shape, 0.3))
        if make is ops.convolution_backprop_data:
            data = make(data, weights, [1, 1], pads_begin=[1, 1], pads_end=[1, 1], name=name)
        else:
            data = make(data, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=name)
        data = ops.relu(data)
    model = ov.Model([ops.result(data)], [image], "convolutions")
    items = [small_models.normal(i, (1, 4, 8, 8)) for i in range(4)]
    result = tightrope.quantize(model, Dataset(items))
    assert tightrope.report(result).quantized == ["depthwise", "grouped", "transposed"]
    expected, found = (ov.compile_model(each, "CPU", F32)(items[0])[0] for each in (model, result))
    np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())


# Options that work.


def test_the_preset_mixed_quantizes_activations_asymmetrically(classifier: ov.Model) -> None:
    positive = Dataset([np.abs(image) - 0.5 for image in small_models.images(8)])
    symmetric, mixed = (
        limits(tightrope.quantize(classifier, positive, preset=preset))["image/fq_output_0"]
        for preset in (QuantizationPreset.PERFORMANCE, QuantizationPreset.MIXED)
    )
    assert symmetric[0] == pytest.approx(-symmetric[1] * 128 / 127)
    assert mixed[0] == pytest.approx(-0.5, abs=0.05)
    assert mixed[1] == pytest.approx(symmetric[1], rel=0.05)


@pytest.mark.parametrize("device", [TargetDevice.ANY, TargetDevice.CPU, TargetDevice.GPU, TargetDevice.NPU])
def test_target_devices_are_accepted(device: TargetDevice, fragile: ov.Model, vectors: Dataset) -> None:
    result = tightrope.quantize(fragile, vectors, target_device=device)
    assert tightrope.report(result).quantized == small_models.FRAGILE_OPERATIONS


def scale_of(model: ov.Model, operation: str) -> np.ndarray:
    names = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    return names[f"{operation}/fq_weights_1/scale"].get_data()


@pytest.mark.parametrize(
    ("fix", "factor"),
    [
        (None, {"conv1": 2, "conv2": 1}),
        (OverflowFix.FIRST_LAYER, {"conv1": 2, "conv2": 1}),
        (OverflowFix.ENABLE, {"conv1": 2, "conv2": 2}),
    ],
)
def test_the_overflow_fix_halves_the_range_of_weights(
    fix: Any, factor: dict[str, int], classifier: ov.Model, images: Dataset
) -> None:
    def quantized(overflow_fix: OverflowFix | None) -> ov.Model:
        parameters = AdvancedQuantizationParameters(overflow_fix=overflow_fix)
        return tightrope.quantize(classifier, images, advanced_parameters=parameters)

    fixed, plain = quantized(fix), quantized(OverflowFix.DISABLE)
    for operation, expected in factor.items():
        ratio = scale_of(fixed, operation) / scale_of(plain, operation)
        np.testing.assert_allclose(ratio, expected, rtol=0.02)


def test_disabling_bias_correction_leaves_the_biases_as_they_are(classifier: ov.Model, images: Dataset) -> None:
    def biases(**options: Any) -> list[Any]:
        result = tightrope.quantize(classifier, images, advanced_parameters=AdvancedQuantizationParameters(**options))
        return [
            node.input_value(1).get_node().get_data().tolist()
            for node in result.get_ordered_ops()
            if node.get_type_name() == "Add" and node.get_friendly_name().startswith("conv")
        ]

    original = [small_models.normal(seed, (1, 8, 1, 1), 0.1).tolist() for seed in (101, 102)]
    assert biases(disable_bias_correction=True) == original
    assert biases() != original


def test_aggregators_decide_how_ranges_of_items_become_one(fragile: ov.Model, vectors: Dataset) -> None:
    def reach(aggregator: str | None) -> float:
        estimator = tightrope.RangeEstimatorParameters(
            min=tightrope.StatisticsCollectorParameters(aggregator_type=aggregator),  # type: ignore[arg-type]
            max=tightrope.StatisticsCollectorParameters(aggregator_type=aggregator),  # type: ignore[arg-type]
        )
        parameters = AdvancedQuantizationParameters(activations_range_estimator_params=estimator)
        result = tightrope.quantize(fragile, vectors, advanced_parameters=parameters)
        return float(limits(result)["vector/fq_output_0"][1])

    highest = [float(np.abs(vector).max()) for vector in small_models.vectors(32)]
    assert reach(None) == pytest.approx(max(highest), rel=0.01)
    assert reach("max") == pytest.approx(max(highest), rel=0.01)
    assert reach("mean") == pytest.approx(np.mean(highest), rel=0.01)


# The ignored scope.


@pytest.mark.parametrize(
    ("scope", "quantized"),
    [
        (IgnoredScope(names=["fragile"]), ["first", "last"]),
        (IgnoredScope(patterns=["f.*"]), ["last"]),
        (IgnoredScope(patterns=["ragile"]), None),  # a match begins where the name does
        (IgnoredScope(patterns=[".*agile", "la"]), ["first"]),
        (IgnoredScope(types=["Relu"]), ["first", "fragile", "last"]),
        (IgnoredScope(subgraphs=[Subgraph(["first"], ["fragile"])]), ["last"]),
        (IgnoredScope(subgraphs=[Subgraph(["scaled"], ["fragile/relu"])]), ["first", "last"]),
        (IgnoredScope(names=["first"], patterns=["last"]), ["fragile"]),
        (IgnoredScope(), ["first", "fragile", "last"]),
        (
            IgnoredScope(names=["frgile"], types=["MatMull"], patterns=["x"], validate=False),
            ["first", "fragile", "last"],
        ),
        (IgnoredScope(names=["last"], subgraphs=[Subgraph(["a"], ["b"])], validate=False), ["first", "fragile"]),
    ],
)
def test_what_the_ignored_scope_matches_stays_in_floating_point(
    scope: IgnoredScope, quantized: list[str] | None, fragile: ov.Model, vectors: Dataset
) -> None:
    if quantized is None:
        with pytest.raises(tightrope.InvalidArgumentError, match="matches nothing"):
            tightrope.quantize(fragile, vectors, ignored_scope=scope)
        return
    result = tightrope.quantize(fragile, vectors, ignored_scope=scope)
    assert tightrope.report(result).quantized == quantized
    stored = [name for name in ("first", "fragile", "last") if f"{name}/fq_weights_1" in str(result.get_ordered_ops())]
    assert stored == quantized


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (IgnoredScope(names=["frgile"]), r"name 'frgile' matches nothing in the model; the nearest are 'fragile', '"),
        (IgnoredScope(patterns=["lst"]), r"pattern 'lst' matches nothing in the model; the nearest are 'last', '"),
        (IgnoredScope(types=["Matmul"]), r"type 'Matmul' matches nothing in the model; the nearest are 'MatMul', '"),
        (
            IgnoredScope(subgraphs=[Subgraph(["frist"], ["last"])]),
            r"subgraph end 'frist' .* the nearest are 'first', '",
        ),
        (
            IgnoredScope(subgraphs=[Subgraph(["last"], ["first"])]),
            r"no path leads from .* 'last' to its outputs 'first'",
        ),
        (IgnoredScope(patterns=["last["]), r"pattern 'last\[' is no regular expression"),
    ],
)
def test_T20_a_rule_that_matches_nothing_is_an_error_that_tells_the_nearest_names(
    scope: IgnoredScope, message: str, fragile: ov.Model, vectors: Dataset
) -> None:
    with pytest.raises(tightrope.InvalidArgumentError, match=message):
        tightrope.quantize(fragile, vectors, ignored_scope=scope)


def test_the_ignored_scope_of_a_report_repeats_what_accuracy_control_found(
    fragile: ov.Model, vectors: Dataset, labeled: Dataset
) -> None:
    controlled = tightrope.quantize_with_accuracy_control(
        fragile, vectors, labeled, small_models.accuracy, max_drop=0.05, repair=False
    )
    scope = tightrope.report(controlled).ignored_scope()
    assert scope == IgnoredScope(names=["fragile"])
    again = tightrope.quantize(fragile, vectors, ignored_scope=scope)
    assert tightrope.report(again).quantized == tightrope.report(controlled).quantized
