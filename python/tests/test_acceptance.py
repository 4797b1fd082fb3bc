# SPDX-License-Identifier: Apache-2.0
"""What accuracy control promises, end to end; the numbers are those of the list of acceptance tests.

T01 to T30 that are not here are tests of the part that they concern, with the number in their name.
"""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
import small_onnx_models
from onnx import TensorProto, helper, numpy_helper
from small_models import F32, Array, accuracy

import tightrope
from tightrope import AdvancedAccuracyRestorerParameters, Dataset, RestoreMode


@pytest.fixture
def control(fragile: ov.Model, vectors: Dataset, labeled: Dataset) -> Callable[..., ov.Model]:
    def run(validation_fn: Any = accuracy, **changes: Any) -> ov.Model:
        return tightrope.quantize_with_accuracy_control(
            changes.pop("model", fragile),
            changes.pop("calibration", vectors),
            changes.pop("validation", labeled),
            validation_fn,
            **{"max_drop": 0.05, "repair": False, **changes},
        )

    return run


def independent(model: ov.Model, items: Any) -> float:
    return accuracy(ov.compile_model(model, "CPU", F32), items)


# Validation functions.


def test_T05_a_function_that_returns_outputs_leads_to_the_culprit(control: Any) -> None:
    def with_outputs(model: ov.CompiledModel, items: Iterable[Any]) -> tuple[float, list[Array]]:
        outputs = [(np.array(model(vector)[0]), label) for vector, label in items]
        return float(np.mean([scores.argmax() == label for scores, label in outputs])), [each[0] for each in outputs]

    report = tightrope.report(control(with_outputs))
    assert report.reverted == ["fragile"]
    assert report.evaluations[2]["reverted"] == ["fragile"]  # the first that was tried


def area_under_curve(positive: Array, negative: Array) -> float:
    if not len(positive) or not len(negative):
        raise ValueError("the area under the curve needs items of both kinds")
    return float(np.mean([(positive[:, None] > negative[None, :]).mean()]))


def test_T07_a_metric_of_all_items_together_works_for_onnx_models(vectors: Dataset, labeled: Dataset) -> None:
    calls = []

    def validate(model: onnx.ModelProto, items: Iterable[Any]) -> float:
        items = list(items)
        calls.append(len(items))
        scores = np.concatenate([small_onnx_models.run(model, vector)[:, :1] for vector, _ in items])[:, 0]
        labels = np.array([label == 0 for _, label in items])
        return area_under_curve(scores[labels], scores[~labels])

    result = tightrope.quantize_with_accuracy_control(
        small_onnx_models.fragile(), vectors, labeled, validate, max_drop=0.005, repair=False
    )
    report = tightrope.report(result)
    assert report.status == "met"
    assert report.drop <= 0.005 < report.evaluations[1]["drop"]
    assert calls.count(64) == len(report.evaluations)


def test_T12_outputs_that_are_always_zero_do_not_break_the_ranking(control: Any) -> None:
    network = small_models.fragile()
    scores = network.get_results()[0].input_value(0)
    zeros = ops.multiply(scores, ops.constant(np.float32(0)), name="zeros")
    zeros.output(0).set_names({"zeros"})
    model = ov.Model([*network.get_results(), ops.result(zeros)], network.get_parameters(), "with zeros")
    report = tightrope.report(control(model=model))
    assert report.reverted == ["fragile"]
    assert all(np.isfinite(group["score"]) for group in report.groups)


def test_T08_the_ranking_scores_what_reverting_does(fragile: ov.Model, vectors: Dataset, control: Any) -> None:
    options = AdvancedAccuracyRestorerParameters(restore_mode=RestoreMode.ONLY_ACTIVATIONS, ranking_subset_size=32)
    report = tightrope.report(control(advanced_accuracy_restorer_parameters=options))
    restored = {group["operations"][0]: group["score"] for group in report.groups}
    whole = tightrope.report(
        control(advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(ranking_subset_size=32))
    )
    both = {group["operations"][0]: group["score"] for group in whole.groups}
    # Weights stay in 8 bits in either of the models that are compared, so their errors don't count.
    assert restored.keys() == both.keys()
    assert restored["fragile"] == pytest.approx(both["fragile"], rel=0.2)
    assert restored["last"] < both["last"]


# The search.

WIDTH, CLASSES, GROUPS = 12, 4, 7


def network_with_outliers(seed: int) -> tuple[ov.Model, list[Array]]:
    """Seven products in a row; in some of them one channel is so large that the others lose their levels."""
    rng = np.random.default_rng(seed)
    vector = ops.parameter([-1, WIDTH], np.float32, name="vector")
    vector.output(0).set_names({"vector"})
    data: ov.Node = vector
    for layer in range(GROUPS):
        outputs = CLASSES if layer == GROUPS - 1 else WIDTH
        weights = rng.normal(0, (2 / WIDTH) ** 0.5, (WIDTH, outputs)).astype(np.float32)
        if rng.random() < 0.5:
            factors = np.ones(WIDTH, np.float32)
            factors[0] = rng.choice([30, 100, 300])
            weights[0] = 0
            offset = np.zeros(WIDTH, np.float32)
            offset[0] = 1
            data = ops.multiply(ops.add(data, ops.constant(offset)), ops.constant(factors), name=f"outlier{layer}")
        data = ops.matmul(data, ops.constant(weights), False, False, name=f"product{layer}")
        if layer < GROUPS - 1:
            data = ops.relu(data, name=f"relu{layer}")
    data.output(0).set_names({"scores"})
    items = [rng.normal(0, 1, (1, WIDTH)).astype(np.float32) for _ in range(200)]
    return ov.Model([ops.result(data)], [vector], f"outliers {seed}"), items


@pytest.mark.parametrize("seed", [1, 3])
def test_T14_no_smaller_set_of_operations_meets_the_limit(seed: int) -> None:
    model, items = network_with_outliers(seed)
    compiled = ov.compile_model(model, "CPU", F32)
    labeled = [(item, int(compiled(item)[0].argmax())) for item in items]

    def drop(candidate: ov.Model) -> float:
        return round(1 - independent(candidate, labeled), 6)

    result = tightrope.quantize_with_accuracy_control(
        model, Dataset(items[:64]), Dataset(labeled), accuracy, max_drop=0.02, repair=False
    )
    report = tightrope.report(result)
    assert report.evaluations[1]["drop"] > 0.02, "int8 has to break the limit for this to say anything"
    assert drop(result) <= 0.02
    names = [group["operations"] for group in report.groups]
    for count in range(len(report.reverted)):
        for chosen in itertools.combinations(names, count):
            scope = tightrope.IgnoredScope(names=[name for group in chosen for name in group])
            candidate = tightrope.quantize(model, Dataset(items[:64]), ignored_scope=scope)
            assert drop(candidate) > 0.02, chosen


# Models and data.


def half_precision(proto: onnx.ModelProto) -> onnx.ModelProto:
    """With weights of 16 bits, which are widened in the graph."""
    for tensor in list(proto.graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32:
            continue
        proto.graph.initializer.remove(tensor)
        proto.graph.initializer.append(numpy_helper.from_array(array.astype(np.float16), tensor.name + "/half"))
        proto.graph.node.insert(
            0, helper.make_node("Cast", [tensor.name + "/half"], [tensor.name], tensor.name + "/cast", to=1)
        )
    return proto


def half_precision_throughout(proto: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), tensor.name))
    for port in [*proto.graph.input, *proto.graph.output]:
        port.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


@pytest.mark.parametrize("opset", [9, 13, 21])
@pytest.mark.parametrize("ir_version", [3, 8, 10])
def test_T21_files_of_any_age_are_read_and_what_is_written_is_valid(
    opset: int, ir_version: int, images: Dataset, tmp_path: Path
) -> None:
    proto = small_onnx_models.classifier(opset)
    proto.ir_version = ir_version
    if ir_version < 4:  # constants had to be inputs, too
        for tensor in proto.graph.initializer:
            proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    result = tightrope.quantize(proto, images)
    onnx.save(result, tmp_path / "int8.onnx")
    onnx.checker.check_model(str(tmp_path / "int8.onnx"), full_check=True)
    image = small_models.images(1)[0]
    np.testing.assert_allclose(small_onnx_models.run(result, image), small_onnx_models.run(proto, image), atol=0.3)
    assert tightrope.report(result).quantized == ["classes", "conv1", "conv2", "pool"]


def test_T21_weights_of_16_bits_are_read(images: Dataset) -> None:
    result = tightrope.quantize(half_precision(small_onnx_models.classifier(17)), images)
    onnx.checker.check_model(result, full_check=True)
    assert tightrope.report(result).quantized == ["classes", "conv1", "conv2", "pool"]


def test_T21_a_model_in_half_precision_is_quantized_or_refused_by_name(images: Dataset) -> None:
    halves = Dataset([image.astype(np.float16) for image in small_models.images(8)])
    proto = half_precision_throughout(small_onnx_models.classifier(21))
    image = small_models.images(1)[0].astype(np.float16)
    try:
        result = tightrope.quantize(proto, halves)
    except tightrope.UnsupportedError as refused:
        assert re.search("float16|half|16 bits", str(refused))
        return
    onnx.checker.check_model(result, full_check=True)
    difference = small_onnx_models.run(result, image) - small_onnx_models.run(proto, image)
    assert np.abs(difference.astype(np.float32)).max() < 0.3


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_T22_batches_of_any_size_with_a_smaller_last_one_give_the_ranges_of_single_items(form: str) -> None:
    items = small_models.images(19 + 32)
    make = small_models.classifier if form == "openvino" else small_onnx_models.classifier
    batches = [np.concatenate(items[:32]), np.concatenate(items[32:])]
    single, batched = (tightrope.quantize(make(), Dataset(data)) for data in (items, batches))
    if form == "onnx":
        scales = [
            {name: value for name, value in small_onnx_models.constants(model).items() if "scale" in name}
            for model in (single, batched)
        ]
    else:
        scales = [
            {name: np.stack(ends) for name, ends in small_models.limits(model).items()} for model in (single, batched)
        ]
    assert scales[0].keys() == scales[1].keys() != set()
    for name, expected in scales[0].items():
        np.testing.assert_allclose(scales[1][name], expected, rtol=1e-6)


@pytest.mark.parametrize("estimator", ["MEAN_QUANTILE", "HISTOGRAM"])
def test_T18_calibration_on_large_images_needs_at_most_a_gigabyte_more_than_inference(estimator: str) -> None:
    program = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    inference, calibration = (
        float(subprocess.run([sys.executable, program, case], capture_output=True, text=True, check=True).stdout)
        for case in ("inference", estimator)
    )
    assert calibration - inference < 1000  # megabytes


def test_T29_one_network_as_ir_and_as_onnx_has_the_same_groups_and_drop(vectors: Dataset, labeled: Dataset) -> None:
    options: dict[str, Any] = {"max_drop": 0.05, "repair": False}
    of_ir, of_onnx = (
        tightrope.report(tightrope.quantize_with_accuracy_control(model, vectors, labeled, metric, **options))
        for model, metric in [
            (small_models.fragile(), accuracy),
            (small_onnx_models.fragile(), small_onnx_models.accuracy),
        ]
    )
    assert [group["operations"] for group in of_ir.groups] == [group["operations"] for group in of_onnx.groups]
    assert of_ir.reverted == of_onnx.reverted == ["fragile"]
    assert of_ir.quantized_metric == pytest.approx(of_onnx.quantized_metric, abs=0.05)  # three of 64 items
    assert of_ir.drop == pytest.approx(of_onnx.drop, abs=0.05)


# The report.


def test_T30_the_report_holds_the_evidence_the_environment_and_every_point(control: Any, tmp_path: Path) -> None:
    result = control()
    report = tightrope.report(result)
    document = json.loads(report.to_json())
    assert document["format"] == "tightrope report"
    assert tightrope.Report(report.to_json()).to_json() == report.to_json()
    facts = {fact["name"]: fact["value"] for fact in document["environment"]}
    assert facts["Tightrope"] == tightrope.__version__
    assert facts["runtime"].startswith("OpenVINO 20")
    assert facts["processor"] and facts["precision of the validation"] == "f32"
    assert re.fullmatch("[0-9a-f]{16,}", facts["fingerprint of the model"])
    operations = [name for group in document["groups"] for name in group["operations"]]
    assert sorted(operations) == sorted([*report.quantized, *report.reverted])
    for group in document["groups"]:
        assert group["why"].endswith(".") and 0 <= group["score"] <= 1
    (reverted,) = [group for group in document["groups"] if group["reverted"]]
    assert "would be" in reverted["why"] or "return alone was not tried" in reverted["why"]
    assert [each["name"] for each in document["evaluations"]][:2] == ["original model", "quantized model"]
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search(r'(?:src|href)\s*=\s*"(?:https?:)?//', page)
