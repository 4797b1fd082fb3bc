# SPDX-License-Identifier: Apache-2.0
"""Range estimators: every statistic and aggregator, and the same ranges as NNCF's where NNCF is right."""

import logging
from typing import Any

import numpy as np
import openvino as ov
import pytest
import small_models
from small_models import Array, limits

import tightrope
from tightrope import AdvancedQuantizationParameters, Dataset
from tightrope.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    RangeEstimatorParametersSet,
    StatisticsCollectorParameters,
    StatisticsType,
)

SETS = [name for name in vars(RangeEstimatorParametersSet) if name.isupper() and name != "OUTPUT_ERROR"]


def estimator(statistic: Any, aggregator: Any, tool: Any = tightrope, **options: Any) -> Any:
    module = __import__(f"{tool.__name__}.quantization.range_estimator", fromlist=["x"])
    ends = [
        module.StatisticsCollectorParameters(module.StatisticsType(s.value), module.AggregatorType(a.value), **options)
        for s, a in zip(statistic, aggregator, strict=True)
    ]
    return module.RangeEstimatorParameters(*ends)


def quantized(
    model: Any, items: Any, activations: Any = None, tool: Any = tightrope, preset: str = "mixed", **advanced: Any
) -> Any:
    own = {"placement": "reference"} if tool is tightrope else {}
    if activations is not None:
        advanced["activations_range_estimator_params"] = activations
    return tool.quantize(
        model,
        items if isinstance(items, tool.Dataset) else tool.Dataset(items),
        preset=tool.QuantizationPreset(preset),
        advanced_parameters=tool.AdvancedQuantizationParameters(disable_bias_correction=True, **advanced),
        **own,
    )


def ranges(model: Any) -> dict[str, Array]:
    """The lowest and the highest value of each quantizer of activations."""
    if isinstance(model, ov.Model):
        return {name: np.array([low.ravel(), high.ravel()]) for name, (low, high) in limits(model).items()}
    import small_onnx_models

    constants = small_onnx_models.constants(model)
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            scale, zero = (constants[name] for name in node.input[1:])
            type_range = np.iinfo(zero.dtype)
            found[node.input[0]] = np.array([(end - float(zero)) * scale for end in (type_range.min, type_range.max)])
    return found


def items(count: int = 24, **options: Any) -> list[Array]:
    """Images of unlike sizes of values, with a few large ones, so that no two estimators agree."""
    found = small_models.images(count, **options)
    for i, image in enumerate(found):
        image *= 1 + 0.1 * i
        image.flat[i::97] *= 6
    return found


def model_of(framework: str) -> Any:
    if framework == "openvino":
        return small_models.classifier()
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import small_onnx_models

    return small_onnx_models.classifier()


def data_of(framework: str, arrays: list[Array]) -> list[Any]:
    return arrays if framework == "openvino" else [{"image": array} for array in arrays]


def assert_close(ours: dict[str, Array], theirs: dict[str, Array], tolerance: float) -> None:
    assert ours.keys() == theirs.keys() and ours
    for name, expected in theirs.items():
        width = np.max(expected[1] - expected[0])
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=tolerance * width, err_msg=name)


@pytest.fixture
def nncf() -> Any:
    module = pytest.importorskip("nncf", reason="NNCF is not installed, so there is nothing to compare with")
    module.set_log_level(logging.ERROR)
    return module


@pytest.mark.parametrize("framework", ["openvino", "onnx"])
@pytest.mark.parametrize("name", SETS)
def test_each_ready_made_estimator_gives_the_ranges_of_nncf(name: str, framework: str, nncf: Any) -> None:
    model, data = model_of(framework), data_of(framework, items())
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Theirs

    # Bins of a histogram are a 2048th of the range wide, and NNCF sorts values into them in single precision.
    tolerance = 2e-3 if name == "HISTOGRAM" else 1e-5
    ours = quantized(model, data, getattr(RangeEstimatorParametersSet, name))
    assert_close(ranges(ours), ranges(quantized(model, data, getattr(Theirs, name), tool=nncf)), tolerance)


@pytest.mark.parametrize("aggregator", [a for a in AggregatorType if a.value not in ("histogram", "output_error")])
@pytest.mark.parametrize("statistic", [s for s in StatisticsType if s.value != "raw"])
def test_each_statistic_with_each_aggregator_gives_the_range_of_nncf(
    statistic: StatisticsType, aggregator: AggregatorType, nncf: Any
) -> None:
    model, data = small_models.classifier(layers=1), items(12)
    both = (statistic, statistic), (aggregator, aggregator)
    ours = quantized(model, data, estimator(*both, quantile_outlier_prob=0.1))
    theirs = quantized(model, data, estimator(*both, nncf, quantile_outlier_prob=0.1), tool=nncf)
    assert_close(ranges(ours), ranges(theirs), 1e-5)


@pytest.mark.parametrize("framework", ["openvino", "onnx"])
def test_each_sample_of_a_batch_is_an_item_if_the_data_say_that_they_come_in_batches(framework: str, nncf: Any) -> None:
    model = model_of(framework)
    images = np.concatenate(items(24))

    def batches(tool: Any) -> Any:
        loader = small_models.Loader(images, np.zeros(len(images)), batch_size=6)
        return tool.Dataset(loader, lambda batch: data_of(framework, [batch[0]])[0])

    for name in ("MEAN_MINMAX", "MEDIAN_MINMAX", "MEAN_QUANTILE"):
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Theirs

        ours = quantized(model, batches(tightrope), getattr(RangeEstimatorParametersSet, name))
        theirs = quantized(model, batches(nncf), getattr(Theirs, name), tool=nncf)
        assert_close(ranges(ours), ranges(theirs), 1e-5)
        whole = quantized(
            model, batches(tightrope), getattr(RangeEstimatorParametersSet, name), batchwise_statistics=False
        )
        assert any(not np.allclose(ranges(whole)[key], found, rtol=1e-3) for key, found in ranges(ours).items())


def test_statistics_of_samples_warn_where_an_operation_may_mix_them(caplog: pytest.LogCaptureFixture) -> None:
    model, data = small_models.branching(), small_models.branching_items(4)
    with caplog.at_level(logging.WARNING):
        quantized(model, data, RangeEstimatorParametersSet.MEAN_MINMAX, batchwise_statistics=True)
    assert "node 'gate' (If) may mix the samples" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        quantized(model, data, RangeEstimatorParametersSet.MINMAX, batchwise_statistics=True)
    assert "samples" not in caplog.text  # extremes are the same either way


def test_a_symmetric_range_does_not_cut_off_the_longer_lower_end() -> None:
    data = [-np.abs(image) for image in items()]
    for name in ("MEAN_QUANTILE", "HISTOGRAM"):
        found = ranges(quantized(small_models.classifier(), data, getattr(RangeEstimatorParametersSet, name)))
        symmetric = ranges(
            quantized(small_models.classifier(), data, getattr(RangeEstimatorParametersSet, name), preset="performance")
        )
        image = next(name for name in found if "image" in name)
        assert symmetric[image][0] <= found[image][0] + 1e-3 < -1, name


@pytest.mark.parametrize("framework", ["openvino", "onnx"])
def test_statistics_outside_of_the_graph_are_the_same(framework: str) -> None:
    model, data = model_of(framework), data_of(framework, items(8))
    for name in ("MINMAX", "MEAN_MINMAX", "MEDIAN_MINMAX"):
        chosen = getattr(RangeEstimatorParametersSet, name)
        inside = ranges(quantized(model, data, chosen))
        outside = ranges(quantized(model, data, chosen, inplace_statistics=False))
        for key, found in inside.items():
            np.testing.assert_array_equal(outside[key], found)


def test_values_are_clipped_where_asked_for() -> None:
    end = StatisticsCollectorParameters(clipping_value=2.0)
    clipped = ranges(quantized(small_models.classifier(), items(), RangeEstimatorParameters(end, end)))
    free = ranges(quantized(small_models.classifier(), items()))
    assert all(np.abs(found).max() <= 2.02 for found in clipped.values())
    assert any(np.abs(found).max() > 3 for found in free.values())


def weight_scales(model: ov.Model) -> dict[str, Array]:
    """The scales of the weights, by the name of the operation."""
    found = {}
    for op in model.get_ops():
        if op.get_type_name() in ("Convolution", "MatMul"):
            found[op.get_friendly_name()] = op.input_value(1).get_node().input_value(1).get_node().get_data().ravel()
    return found


def test_weights_have_an_estimator_of_their_own(nncf: Any) -> None:
    model, data = small_models.classifier(width=16), items(4)
    none = {"overflow_fix": "disable"}
    for statistic in (StatisticsType.MAX, StatisticsType.QUANTILE, StatisticsType.ABS_QUANTILE):
        both = (StatisticsType.MIN, statistic), (AggregatorType.MIN, AggregatorType.MAX)
        ours = quantized(
            model, data, weights_range_estimator_params=estimator(*both, quantile_outlier_prob=0.1), **none
        )
        theirs = quantized(
            model,
            data,
            tool=nncf,
            weights_range_estimator_params=estimator(*both, nncf, quantile_outlier_prob=0.1),
            overflow_fix=nncf.OverflowFix.DISABLE,
        )
        for name, scale in weight_scales(theirs).items():
            # A symmetric range reaches as far as the lower end; NNCF's goes as far as the upper end alone.
            assert (weight_scales(ours)[name] >= scale * (1 - 1e-5)).all(), name
        if statistic is not StatisticsType.QUANTILE:
            assert all(np.allclose(weight_scales(ours)[n], s, rtol=1e-5) for n, s in weight_scales(theirs).items())
    plain = weight_scales(quantized(model, data, **none))
    histogram = RangeEstimatorParametersSet.HISTOGRAM
    chosen = weight_scales(quantized(model, data, weights_range_estimator_params=histogram, **none))
    assert all((chosen[name] <= plain[name] * (1 + 1e-5)).all() for name in plain)


def test_channels_have_histograms_of_their_own() -> None:
    import openvino.opset13 as ops

    image = ops.parameter([1, 4, 8, 8], np.float32, name="image")
    weights = ops.constant(small_models.normal(1, (4, 1, 1, 3, 3)))
    output = ops.group_convolution(image, weights, [1, 1], [0, 0], [0, 0], [1, 1], name="depthwise")
    model = ov.Model([ops.result(output)], [image], "depthwise")
    scales = np.array([1, 10, 100, 1000], np.float32).reshape(1, 4, 1, 1)
    data = [small_models.normal(i, (1, 4, 8, 8)) * scales for i in range(8)]
    found = ranges(quantized(model, data, RangeEstimatorParametersSet.HISTOGRAM))
    (width,) = [high - low for low, high in found.values()]
    assert width.shape == (4,)
    np.testing.assert_allclose(np.log10(width), np.log10(width[0]) + np.arange(4), atol=0.2)


def test_data_that_can_be_read_only_once_are_enough_for_one_pass() -> None:
    result = quantized(small_models.classifier(), Dataset(iter(items(4))), RangeEstimatorParametersSet.HISTOGRAM)
    assert ranges(result).keys() == ranges(quantized(small_models.classifier(), items(4))).keys()


def test_an_accepted_estimator_reaches_the_plan() -> None:
    advanced = AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MEAN_QUANTILE
    )
    vectors = Dataset(small_models.vectors(16))
    plain = limits(tightrope.quantize(small_models.fragile(), vectors))
    chosen = limits(tightrope.quantize(small_models.fragile(), vectors, advanced_parameters=advanced))
    assert any(chosen[name] != plain[name] for name in plain)


@pytest.mark.parametrize("framework", ["openvino", "onnx"])
def test_ranges_by_output_error_keep_what_the_layers_look_at(framework: str) -> None:
    # One channel of what "fragile" reads is large, and has no weight.
    model: Any = small_models.fragile()
    vectors = small_models.vectors(40)
    data: list[Any] = list(vectors)
    if framework == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        import small_onnx_models

        model, data = small_onnx_models.fragile(), [{"vector": vector} for vector in vectors]

    def outputs(any_model: Any) -> Array:
        if framework == "onnx":
            return np.array([small_onnx_models.run(any_model, vector) for vector in vectors])
        compiled = ov.compile_model(any_model, "CPU", small_models.F32)
        return np.array([compiled(vector)[0] for vector in vectors])

    def error(estimator: Any) -> float:
        advanced = tightrope.AdvancedQuantizationParameters(activations_range_estimator_params=estimator)
        quantized_model = tightrope.quantize(model, tightrope.Dataset(data), advanced_parameters=advanced)
        return float(np.mean((outputs(quantized_model) - outputs(model)) ** 2))

    whole, chosen = (error(getattr(RangeEstimatorParametersSet, name)) for name in ("MINMAX", "OUTPUT_ERROR"))
    assert chosen < 0.05 * whole
