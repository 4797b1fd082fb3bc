# SPDX-License-Identifier: Apache-2.0
"""Models with If: their branches are quantized too."""

import logging

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import F32, limits

import tightrope
from tightrope import Dataset


def branches_of(model: ov.Model) -> list[ov.Model]:
    (gate,) = (node for node in model.get_ordered_ops() if node.get_type_name() == "If")
    return [gate.get_function(0), gate.get_function(1)]


def test_both_branches_run_in_8_bits_and_stay_close_to_the_original() -> None:
    model = small_models.branching()
    result = tightrope.quantize(model, Dataset(small_models.branching_items(8)))
    assert tightrope.report(result).quantized == ["classes", "classes_1", "conv", "conv_1", "pool", "pool_1"]
    assert [sorted(limits(branch)) for branch in branches_of(result)] == [
        ["conv/relu/fq_output_0", "image_1/fq_output_0", "pool/fq_output_0"],
        ["conv/relu_1/fq_output_0", "image_2/fq_output_0", "pool_1/fq_output_0"],
    ]
    assert [limits(branch) for branch in branches_of(model)] == [{}, {}]
    ours, original = (ov.compile_model(network, "CPU", F32) for network in (result, model))
    for item in small_models.branching_items(8):
        expected = original(item)[0]
        found = ours(item)[0]
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
        assert np.abs(found - expected).max() > 0


def test_a_branch_that_no_item_takes_is_named_in_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    items = [item for item in small_models.branching_items(8) if not item["take"]]
    with caplog.at_level(logging.WARNING, "tightrope"):
        result = tightrope.quantize(small_models.branching(), Dataset(items))
    (warning,) = (record.getMessage() for record in caplog.records)
    assert "node 'gate' (If): none of the 4 items gives values to its then branch" in warning
    then, other = branches_of(result)
    assert limits(then) == {}
    assert len(limits(other)) == 3
    assert "conv/fq_weights_1/quantized" in {node.get_friendly_name() for node in then.get_ordered_ops()}


def test_accuracy_control_reverts_operations_of_a_branch() -> None:
    model = small_models.branching()
    items = small_models.branching_items(16)
    targets = [ov.compile_model(model, "CPU", F32)(item)[0] for item in items]

    def fidelity(candidate: ov.CompiledModel, data: object) -> float:
        errors = [np.abs(candidate(item)[0] - target).max() for item, target in zip(items, targets, strict=True)]
        return float(-np.mean(errors))

    drop = -fidelity(ov.compile_model(tightrope.quantize(model, Dataset(items)), "CPU", F32), None)
    result = tightrope.quantize_with_accuracy_control(
        model, Dataset(items), Dataset(items), fidelity, max_drop=0.7 * drop
    )
    report = tightrope.report(result)
    assert 0 < len(report.reverted) < 4
    assert set(report.reverted).isdisjoint(report.quantized)
    assert -fidelity(ov.compile_model(result, "CPU", F32), None) <= 0.7 * drop
