# SPDX-License-Identifier: Apache-2.0
"""Drives the tightrope program as a user would: results, exit codes, and what errors leave behind."""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from program import (
    BAD_ARGUMENTS,
    BINARY,
    CANNOT_QUANTIZE,
    CANNOT_READ,
    CANNOT_WRITE,
    DONE,
    INTERRUPTED,
    LIMIT_NOT_MET,
    ROOT,
    check_refused,
    interrupt,
    run,
    run_with_full_disk,
)

ITEMS, CLASSES = 24, 4


def convolution(data, rng, inputs, outputs, name):
    weights = rng.standard_normal((outputs, inputs, 3, 3)).astype(np.float32) / np.sqrt(9 * inputs, dtype=np.float32)
    node = ops.convolution(data, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1], name=name)
    bias = rng.standard_normal((1, outputs, 1, 1)).astype(np.float32) / 10
    return ops.relu(ops.add(node, ops.constant(bias), name=f"{name}_bias"), name=f"{name}_relu")


def make_classifier(batch=1, size=16, width=16):
    rng = np.random.default_rng(1)
    image = ops.parameter([batch, 3, size, size], np.float32, name="image")
    image.output(0).set_names({"image"})
    data = convolution(image, rng, 3, width, "conv1")
    data = convolution(data, rng, width, width, "conv2")
    data = ops.reduce_mean(data, ops.constant(np.array([2, 3])), False, name="pool")
    weights = rng.standard_normal((width, CLASSES)).astype(np.float32)
    data = ops.matmul(data, ops.constant(weights), False, False, name="classes")
    return ov.Model([ops.result(data)], [image], "classifier")


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A model, data whose labels are the model's own answers, and what the tests spoil."""
    folder = tmp_path_factory.mktemp("cli")
    model = make_classifier()
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    images = np.random.default_rng(2).random((ITEMS, 3, 16, 16), dtype=np.float32)
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    labels = np.array([compiled(image[None])[0].argmax() for image in images])
    np.savez(folder / "data.npz", image=images)
    np.savez_compressed(folder / "labeled.npz", image=images, label=labels)
    return folder


@pytest.fixture
def out(tmp_path):
    """An empty folder for results."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def quantize(work, output, *more, model="model.xml", data="data.npz", **options):
    """Quantizes with files of `work`, unless others are given."""
    return run("quantize", work / model, "--calibration", work / data, "-o", output, *more, **options)


def control(work, output, *more, **options):
    arguments = ["--validation", work / "labeled.npz", "--labels", "label", "--metric", "top1", *more]
    return quantize(work, output, *arguments, data="labeled.npz", **options)


# What works


def test_without_arguments_ten_lines_of_help_come_on_standard_error():
    result = run()
    assert (result.returncode, result.stdout) == (BAD_ARGUMENTS, "")
    assert len(result.stderr.splitlines()) <= 10
    assert "tightrope quantize" in result.stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_every_command_and_option(flag):
    result = run(flag)
    assert (result.returncode, result.stderr) == (DONE, "")
    for word in ["quantize", "inspect", "apply", "--max-drop", "--ignored-names", "--restore-mode", "Exit codes"]:
        assert word in result.stdout


def test_help_of_one_command_shows_its_options_only():
    result = run("inspect", "-h")
    assert result.returncode == DONE
    assert "--preset" in result.stdout
    assert "--max-drop" not in result.stdout


def test_version_is_that_of_the_project():
    result = run("--version")
    assert (result.returncode, result.stdout) == (DONE, f"tightrope {(ROOT / 'VERSION').read_text().strip()}\n")


def test_quantize_saves_a_smaller_model_that_answers_alike(work, out):
    result = quantize(work, out / "int8.xml")
    assert result.returncode == DONE, result.stderr
    assert str(out / "int8.xml") in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["int8.bin", "int8.xml"]
    assert (out / "int8.bin").stat().st_size < (work / "model.bin").stat().st_size / 2
    images = np.load(work / "data.npz")["image"]
    original, quantized = (ov.compile_model(path, "CPU") for path in (work / "model.xml", out / "int8.xml"))
    for image in images[:4]:
        np.testing.assert_allclose(quantized(image[None])[0], original(image[None])[0], atol=0.3)


def test_two_runs_give_the_same_bytes(work, out):
    for name in ["first", "second"]:
        assert quantize(work, out / f"{name}.xml").returncode == DONE
    for kind in ["xml", "bin"]:
        assert (out / f"first.{kind}").read_bytes() == (out / f"second.{kind}").read_bytes()


def test_json_is_one_object_on_standard_output(work, out):
    result = quantize(work, out / "int8.xml", "--json", "--quiet")
    assert (result.returncode, result.stderr) == (DONE, "")
    answer = json.loads(result.stdout)
    assert answer["status"] == "quantized"
    assert answer["files"] == [str(out / "int8.xml"), str(out / "int8.bin")]
    assert answer["bytes"] == sum((out / name).stat().st_size for name in ["int8.xml", "int8.bin"])
    assert {"conv1", "conv2", "classes"} <= set(answer["report"]["quantized"])


def test_accuracy_control_reports_metrics_and_limit(work, out):
    result = control(work, out / "int8.xml", "--max-drop", "0.5", "--json", "--report", out / "report.json")
    assert result.returncode == DONE, result.stderr
    answer = json.loads(result.stdout)
    assert answer["status"] == "met"
    assert answer["report"]["original_metric"] == 1
    assert answer["report"]["drop"] <= 0.5
    assert json.loads((out / "report.json").read_text())["final_metric"] == answer["report"]["final_metric"]


@pytest.mark.parametrize("batch", ["2", "5"])
def test_batches_are_taken_from_the_arrays(work, out, batch):
    model = make_classifier(batch=-1)
    ov.save_model(model, out / "dynamic.xml", compress_to_fp16=False)
    arguments = ["--validation", work / "labeled.npz", "--labels", "label", "--metric", "top1", "--max-drop", "1"]
    result = run("quantize", out / "dynamic.xml", "--calibration", work / "labeled.npz", "-o", out / "int8.xml",
                 "--batch", batch, "--json", *arguments)  # fmt: skip
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["report"]["original_metric"] == 1


def test_weights_are_rounded_by_the_data_as_asked(work, out):
    def rounded(name, *options):
        plan = out / f"{name}.json"
        quantize(work, out / f"{name}.xml", "--plan", plan, *options)
        return '"rounding"' in plan.read_text()

    assert rounded("all", "--weight-rounding")
    assert not rounded("none", "--no-weight-rounding")


def test_statistics_are_kept_in_a_file_and_reused(work, out, tmp_path):
    file = tmp_path / "statistics.json"
    first = quantize(work, out / "first.xml", "--statistics", file)
    assert first.returncode == DONE, first.stderr
    kept = file.read_bytes()
    second = quantize(work, out / "second.xml", "--statistics", file)
    assert second.returncode == DONE, second.stderr
    assert "statistics were taken from" in second.stderr
    assert file.read_bytes() == kept
    assert (out / "first.bin").read_bytes() == (out / "second.bin").read_bytes()
    stale = quantize(work, out / "third.xml", "--statistics", file, "--batch", "2")
    check_refused(stale, BAD_ARGUMENTS, "on other data")
    assert file.read_bytes() == kept


def test_range_estimators_are_chosen_by_name(work, out):
    weights = set()
    for name in ("minmax", "mean_quantile", "histogram", "output_error"):
        result = quantize(work, out / f"{name}.xml", "--range-estimator", name)
        assert result.returncode == DONE, result.stderr
        weights.add((out / f"{name}.bin").read_bytes())
    assert len(weights) == 3
    unknown = quantize(work, out / "best.xml", "--range-estimator", "best")
    check_refused(unknown, BAD_ARGUMENTS, "'best'", "mean_quantile")


def test_an_unmet_limit_saves_the_best_model_with_its_own_exit_code(work, out):
    arguments = ["--validation", work / "data.npz", "--metric", "cosine", "--max-drop", "0", "--max-validations", "0"]
    result = quantize(work, out / "int8.xml", *arguments, "--report", out / "report.json")
    assert result.returncode == LIMIT_NOT_MET, result.stderr
    assert "tightrope: error: the limit was not met" in result.stderr
    assert str(out / "int8.xml") in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["int8.bin", "int8.xml", "report.json"]
    assert json.loads((out / "report.json").read_text())["status"] == "not met"


def inspect(model, *arguments, placement="lean"):
    """The operations by name, as one placement decides on them, and its quantizers."""
    result = run("inspect", model, "--json", "--placement", placement, *arguments)
    assert result.returncode == DONE, result.stderr
    answer = json.loads(result.stdout)
    operations = {operation["name"]: operation[placement] for operation in answer["operations"]}
    return operations, answer["quantizers"][placement]


def test_inspect_shows_both_placements_side_by_side(work):
    text = run("inspect", work / "model.xml")
    assert text.returncode == DONE, text.stderr
    assert "int8       int8       conv1 (Convolution)" in text.stdout
    assert "\nlean: 4 of" in text.stdout
    assert "\nreference: " in text.stdout
    answer = json.loads(run("inspect", work / "model.xml", "--json").stdout)
    assert list(answer["quantizers"]) == ["lean", "reference"]
    assert {"lean", "reference"} < set(answer["operations"][0])


def test_inspect_lists_the_quantizers_of_one_placement(work):
    text = run("inspect", work / "model.xml", "--placement", "reference")
    assert "weight 1 of conv2: 8 bits, symmetric, per channel" in text.stdout
    operations, quantizers = inspect(work / "model.xml")
    assert operations["conv2"]["int8"]
    assert {"weight"} < {quantizer["kind"] for quantizer in quantizers if "conv2" in quantizer["operations"]}


def test_inspect_explains_which_rule_decided(work):
    for name, words in [
        ("conv1", ["int8", "faster in 8 bits", "input of the model"]),
        ("conv1_relu", ["float", "'fused'"]),
    ]:
        result = run("inspect", work / "model.xml", "--explain", name)
        assert result.returncode == DONE, result.stderr
        assert result.stdout.startswith(f"{name} (")
        for word in ["lean:", "reference:", *words]:
            assert word in result.stdout
    ignored = run("inspect", work / "model.xml", "--explain", "conv1", "--ignored-names", "conv1")
    assert "rule 'ignored scope'" in ignored.stdout


def test_inspect_names_the_nearest_operations_to_one_that_is_not_there(work):
    result = run("inspect", work / "model.xml", "--explain", "conf1")
    check_refused(result, BAD_ARGUMENTS, "'conf1'", "'conv1'", "'conv2'")


def test_ignored_operations_stay_in_floating_point(work):
    for option, value in [("names", "conv2"), ("patterns", "conv2"), ("types", "Convolution")]:
        operations, _ = inspect(work / "model.xml", f"--ignored-{option}", value)
        assert not operations["conv2"]["int8"]
        assert operations["classes"]["int8"]


def test_every_option_of_placement_is_taken_in_any_case_of_letters(work):
    arguments = ["--model-type", "transformer", "--target-device", "cpu_spr"]
    arguments += ["--overflow-fix", "disable", "--propagation-rule", "merge_all_in_one", "--quantize-outputs"]
    operations, quantizers = inspect(work / "model.xml", *arguments)
    assert operations["conv1"]["int8"]
    assert not any(quantizer["half_range"] for quantizer in quantizers)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ([], "range"),
        (["--channel-alignment"], "factors"),
        (["--smooth-quant-alpha", "-1", "--smooth-quant-alpha-convolution", "0.5"], "smoothing"),
    ],
)
def test_an_applied_plan_gives_the_same_model(work, out, options, key):
    assert quantize(work, out / "int8.xml", "--plan", out / "plan.json", *options).returncode == DONE
    assert f'"{key}": ' in (out / "plan.json").read_text()
    result = run("apply", work / "model.xml", out / "plan.json", "-o", out / "again.xml")
    assert result.returncode == DONE, result.stderr
    assert (out / "again.bin").read_bytes() == (out / "int8.bin").read_bytes()


def test_a_plan_of_8_bit_floating_point_is_kept_and_applied(work, out):
    arguments = ["--mode", "fp8_e4m3", "--plan", out / "plan.json"]
    assert quantize(work, out / "fp8.xml", *arguments).returncode == DONE
    quantizers = json.loads((out / "plan.json").read_text())["quantizers"]
    assert {quantizer["config"]["format"] for quantizer in quantizers} == {"f8e4m3"}
    assert "FakeConvert" in (out / "fp8.xml").read_text()
    assert run("apply", work / "model.xml", out / "plan.json", "-o", out / "again.xml").returncode == DONE
    assert (out / "again.bin").read_bytes() == (out / "fp8.bin").read_bytes()


def test_accuracy_control_has_no_mode(work, out):
    arguments = ["--mode", "fp8_e4m3", "--metric", "top1", "--validation", work / "labeled.npz", "--labels", "label"]
    check_refused(quantize(work, out / "fp8.xml", *arguments), BAD_ARGUMENTS, "'mode'", "accuracy control", left=[out])


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quantise"], ["'quantise'", "did you mean 'quantize'?"]),
        (["--verzion"], ["--verzion"]),
        (["quantize"], ["tightrope quantize -h"]),
        (["quantize", "m.xml", "--calibration", "d.npz"], ["--output"]),
        (
            ["quantize", "m.xml", "--calibration", "d.npz", "-o", "o.xml", "--max-dorp", "1"],
            ["--max-dorp", "did you mean '--max-drop'?"],
        ),
        (["quantize", "m.xml", "--calibration", "d.npz", "-o", "o.xml", "--max-drop", "1"], ["--metric"]),
        (["quantize", "m.xml", "--calibration", "d.npz", "-o", "o.xml", "--metric", "top1"], ["--validation"]),
        (["quantize", "m.xml", "--calibration", "d.npz", "-o", "o.xml", "--subset-size", "many"], ["--subset-size"]),
        (["inspect", "m.xml", "--subset-size", "3"], ["--subset-size"]),
    ],
)
def test_mistyped_arguments_are_named(arguments, words, tmp_path):
    check_refused(run(*arguments, cwd=tmp_path), BAD_ARGUMENTS, *words, left=[tmp_path])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subset-size", "0"], ["subset_size", "0", "at least 1"]),
        (["--subset-size", "-3"], ["subset_size", "-3"]),
        (["--max-drop", "-0.1"], ["max_drop", "-0.1"]),
        (["--max-drop", "nan"], ["max_drop", "nan"]),
        (["--max-drop", "inf"], ["max_drop", "inf"]),
        (["--drop-type", "percent"], ["drop_type", "'percent'", "relative"]),
        (["--preset", "fast"], ["preset", "'fast'", "performance"]),
        (["--target-device", "TPU"], ["target_device", "'TPU'", "CPU_SPR"]),
        (["--placement", "full"], ["placement", "'full'", "reference"]),
        (["--model-type", "cnn"], ["model_type", "'cnn'", "transformer"]),
        (["--propagation-rule", "4"], ["quantizer_propagation_rule", "'4'", "MERGE_ALL_IN_ONE"]),
        (["--overflow-fix", "on"], ["overflow_fix", "'on'"]),
        (["--precision", "int8"], ["precision", "'int8'", "f32"]),
        (["--restore-mode", "all"], ["restore_mode", "'all'"]),
        (["--max-validations", "-1"], ["max_num_iterations", "-1"]),
        (["--ranking-subset-size", "0"], ["ranking_subset_size", "0"]),
        (["--batch", "0"], ["batch", "0"]),
        (["--ignored-names", "conv3"], ["'conv3'", "conv"]),
    ],
)
def test_values_that_cannot_be_used_are_named(work, out, arguments, words):
    check_refused(control(work, out / "int8.xml", *arguments), BAD_ARGUMENTS, *words, left=[out])


def test_an_unknown_metric_lists_the_known_ones(work, out):
    result = quantize(work, out / "int8.xml", "--metric", "best", "--validation", work / "data.npz")
    check_refused(result, BAD_ARGUMENTS, "'best'", "cosine, f1", "cmd:PROGRAM", left=[out])


def test_a_metric_that_compares_with_labels_asks_for_them(work, out):
    result = quantize(work, out / "int8.xml", "--metric", "top1", "--validation", work / "data.npz")
    check_refused(result, BAD_ARGUMENTS, "'top1'", "--labels", left=[out])


def test_a_missing_labels_array_lists_those_that_are_there(work, out):
    arguments = ["--metric", "top1", "--validation", work / "data.npz", "--labels", "label"]
    check_refused(quantize(work, out / "int8.xml", *arguments), BAD_ARGUMENTS, "'label'", "'image'", left=[out])


# Inputs


def test_a_missing_model_or_data_file_is_named(work, out):
    check_refused(quantize(work, out / "o.xml", model="no.xml"), CANNOT_READ, "no.xml", "no such file", left=[out])
    check_refused(quantize(work, out / "o.xml", data="no.npz"), CANNOT_READ, "no.npz", "no such file", left=[out])
    check_refused(run("inspect", work / "no.xml"), CANNOT_READ, "no.xml")
    check_refused(run("apply", work / "model.xml", work / "no.json", "-o", out / "o.xml"), CANNOT_READ, "no.json")


def test_a_folder_is_no_model(work, out):
    check_refused(quantize(work, out / "o.xml", model="."), CANNOT_READ, "folder", left=[out])


@pytest.mark.parametrize("name", ["text.xml", "text.onnx", "empty.xml"])
def test_a_file_that_is_no_model_is_named(work, out, tmp_path, name):
    (tmp_path / name).write_text("" if name.startswith("empty") else "this is not a model")
    result = run("quantize", tmp_path / name, "--calibration", work / "data.npz", "-o", out / "o.xml")
    check_refused(result, CANNOT_READ, name, left=[out])


def test_names_in_messages_cannot_steer_a_terminal(work, out):
    name = b"a\x1b[2J\x07\xff\xc3\xa9\xc2\x9b\xe2\x82".decode("utf-8", "surrogateescape")
    check_refused(quantize(work, out / "o.xml", model=f"{name}.xml"), CANNOT_READ, "a?[2J??\u00e9????.xml", left=[out])


@pytest.mark.parametrize("part", ["xml", "bin"])
def test_a_truncated_model_is_named(work, out, tmp_path, part):
    for kind in ["xml", "bin"]:
        content = (work / f"model.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(content[: len(content) // 2] if kind == part else content)
    result = run("quantize", tmp_path / "cut.xml", "--calibration", work / "data.npz", "-o", out / "o.xml")
    check_refused(result, CANNOT_READ, "cut.xml", left=[out])


def test_a_model_with_nothing_to_quantize_is_refused(work, out, tmp_path):
    image = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    image.output(0).set_names({"image"})
    ov.save_model(ov.Model([ops.result(ops.relu(image))], [image], "relu"), tmp_path / "relu.xml")
    result = run("quantize", tmp_path / "relu.xml", "--calibration", work / "data.npz", "-o", out / "o.xml")
    check_refused(result, CANNOT_QUANTIZE, left=[out])
    result = run("inspect", tmp_path / "relu.xml")  # shows why
    assert (result.returncode, result.stderr) == (DONE, "")
    assert "float      float      " in result.stdout
    assert "lean: 0 of 1 operations" in result.stdout


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.zeros((0, 3, 16, 16), np.float32)}, []),
        ({"picture": np.zeros((2, 3, 16, 16), np.float32)}, ["item 0", "'picture'", "'image'"]),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, ["item 0", "'image'", "[1,3,8,8]"]),
        ({"image": np.zeros((2, 3, 16, 16), np.float32), "more": np.zeros((2, 1))}, ["item 0", "2 inputs"]),
        ({"image": np.zeros((2, 3, 16, 16), np.float32), "more": np.zeros((3, 1))}, ["'image'", "'more'"]),
        ({"image": np.float32(1)}, ["'image'"]),
    ],
)
def test_data_that_does_not_fit_the_model_is_refused(work, out, tmp_path, arrays, words):
    np.savez(tmp_path / "data.npz", **arrays)
    result = run("quantize", work / "model.xml", "--calibration", tmp_path / "data.npz", "-o", out / "o.xml")
    check_refused(result, BAD_ARGUMENTS, *words, left=[out])


def test_floating_point_data_for_an_integer_input_is_refused(work, out, tmp_path):
    index = ops.parameter([1, 4], np.int64, name="index")
    index.output(0).set_names({"index"})
    rng = np.random.default_rng(3)
    table = ops.constant(rng.standard_normal((10, 8)).astype(np.float32))
    rows = ops.gather(table, index, ops.constant(np.int64(0)))
    answer = ops.matmul(rows, ops.constant(rng.standard_normal((8, 4)).astype(np.float32)), False, False)
    ov.save_model(ov.Model([ops.result(answer)], [index], "table"), tmp_path / "table.xml", compress_to_fp16=False)
    np.savez(tmp_path / "data.npz", index=np.full((2, 4), 0.5, np.float32))
    result = run("quantize", tmp_path / "table.xml", "--calibration", tmp_path / "data.npz", "-o", out / "o.xml")
    check_refused(result, BAD_ARGUMENTS, "item 0", "'index'", "f32", "i64", left=[out])


@pytest.mark.parametrize("content", [np.array(["a", "b"]), np.array([{}, None], dtype=object), np.array([1j, 2j])])
def test_arrays_that_hold_no_numbers_are_refused(work, out, tmp_path, content):
    np.savez(tmp_path / "data.npz", image=content)
    result = run("quantize", work / "model.xml", "--calibration", tmp_path / "data.npz", "-o", out / "o.xml")
    check_refused(result, CANNOT_READ, "'image'", "dtype", left=[out])


def test_damaged_data_is_refused(work, out, tmp_path):
    content = bytearray((work / "data.npz").read_bytes())
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.npz").write_bytes(content)
    (tmp_path / "none.npz").write_bytes(b"no archive")
    for name in ["cut.npz", "flipped.npz", "none.npz"]:
        result = run("quantize", work / "model.xml", "--calibration", tmp_path / name, "-o", out / "o.xml")
        check_refused(result, CANNOT_READ, name, left=[out])


@pytest.mark.parametrize(("label", "word"), [(CLASSES, "label is 4"), (-1, "label is -1"), (0.5, "label is 0.5")])
def test_labels_that_are_no_class_are_refused_with_their_item(work, out, tmp_path, label, word):
    images = np.load(work / "data.npz")["image"][:3]
    np.savez(tmp_path / "data.npz", image=images, label=np.array([0, label, 0]))
    arguments = ["--validation", tmp_path / "data.npz", "--labels", "label", "--metric", "top1"]
    check_refused(quantize(work, out / "o.xml", *arguments), BAD_ARGUMENTS, "item 1", word, left=[out])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "tightrope plan", "version": 99}'])
def test_a_file_that_is_no_plan_is_refused(work, out, tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    result = run("apply", work / "model.xml", tmp_path / "plan.json", "-o", out / "o.xml")
    check_refused(result, CANNOT_READ, "plan.json", left=[out])


# Outputs


def test_outputs_in_missing_folders_or_under_files_are_found_before_the_work(work, out, tmp_path):
    (tmp_path / "file").write_text("")
    started = time.monotonic()
    for target in [tmp_path / "missing" / "o.xml", tmp_path / "file" / "o.xml"]:
        check_refused(quantize(work, target), CANNOT_WRITE, str(target), left=[out])
        for option in ["--report", "--plan"]:
            check_refused(quantize(work, out / "o.xml", option, target), CANNOT_WRITE, str(target), left=[out])
    assert time.monotonic() - started < 60
    (out / "o.xml").mkdir()
    check_refused(quantize(work, out / "o.xml"), CANNOT_WRITE, "not a regular file")


def test_a_device_is_never_replaced(work, out):
    check_refused(quantize(work, out / "o.xml", "--report", "/dev/null"), CANNOT_WRITE, "/dev/null", left=[out])
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["model", "model.bin"])
def test_an_output_that_ends_like_no_model_is_refused(work, out, name):
    check_refused(quantize(work, out / name), BAD_ARGUMENTS, f"'{out / name}'", ".xml", left=[out])


def test_an_output_equal_to_an_input_is_refused(work, out, tmp_path):
    before = {path.name: path.read_bytes() for path in work.iterdir()}
    (tmp_path / "link.xml").symlink_to(work / "model.xml")
    spelled_otherwise = work / ".." / work.name / "model.xml"
    for target in [work / "model.xml", spelled_otherwise, tmp_path / "link.xml"]:
        check_refused(quantize(work, target), BAD_ARGUMENTS, "overwrite the input")
    for target in [work / "model.bin", work / "data.npz"]:
        result = quantize(work, out / "o.xml", "--report", target)
        check_refused(result, BAD_ARGUMENTS, "overwrite the input", left=[out])
    assert {path.name: path.read_bytes() for path in work.iterdir()} == before


def test_one_path_for_two_outputs_is_refused(work, out):
    arguments = ["--report", out / "same.json", "--plan", out / "same.json"]
    check_refused(quantize(work, out / "o.xml", *arguments), BAD_ARGUMENTS, "two outputs", left=[out])
    check_refused(quantize(work, out / "o.xml", "--report", out / "o.bin"), BAD_ARGUMENTS, "two outputs", left=[out])


@pytest.mark.parametrize("limit", [0, 2000])
def test_a_full_disk_leaves_nothing_behind(work, out, limit):
    arguments = ["quantize", work / "model.xml", "--calibration", work / "data.npz", "-o", out / "o.xml"]
    more = ["--report", out / "report.json", "--plan", out / "plan.json"]
    check_refused(run_with_full_disk(limit, *arguments, *more), CANNOT_WRITE, "cannot write", left=[out])


def test_results_that_cannot_be_printed_are_an_error(work):
    with open("/dev/full", "w") as full:
        command = [str(BINARY), "inspect", str(work / "model.xml")]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert result.returncode == CANNOT_WRITE
    assert "standard output" in result.stderr


# While it runs


def test_an_interrupt_stops_within_two_seconds_and_leaves_nothing(out, tmp_path):
    ov.save_model(make_classifier(size=64, width=64), tmp_path / "model.xml", compress_to_fp16=False)
    np.savez(tmp_path / "data.npz", image=np.zeros((4000, 3, 64, 64), np.float32))
    code, output, errors, seconds = interrupt(
        "quantize", tmp_path / "model.xml", "--calibration", tmp_path / "data.npz", "--subset-size", "4000",
        "-o", out / "o.xml"
    )  # fmt: skip
    assert seconds < 2
    assert code == INTERRUPTED, errors
    assert "interrupted" in errors
    assert output == ""
    assert list(out.iterdir()) == []


def test_without_a_terminal_there_are_no_control_characters(work, out):
    result = control(work, out / "int8.xml", "--max-drop", "0.5")
    assert result.returncode == DONE, result.stderr
    assert "\r" not in result.stderr + result.stdout
    assert "\033" not in result.stderr + result.stdout


@pytest.mark.parametrize("no_color", [False, True])
def test_on_a_terminal_colors_are_used_unless_forbidden(no_color):
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    if no_color:
        environment["NO_COLOR"] = "1"
    terminal, other_end = os.openpty()
    subprocess.run([str(BINARY), "quantise"], stderr=other_end, timeout=60, check=False, env=environment)
    os.close(other_end)
    text = os.read(terminal, 10000).decode()
    os.close(terminal)
    assert "no command 'quantise'" in text
    assert ("\033[" in text) != no_color


def test_a_work_dir_lets_the_same_call_go_on_and_a_time_budget_ends_it(work, out):
    folder = out / "measured"
    assert control(work, out / "a.xml", "--work-dir", folder).returncode == 0
    assert (folder / "tightrope.sqlite").is_file()
    again = control(work, out / "b.xml", "--work-dir", folder)
    assert again.returncode == 0 and "the plan is known from an earlier run" in again.stderr
    assert (out / "a.bin").read_bytes() == (out / "b.bin").read_bytes()
    check_refused(control(work, out / "c.xml", "--time-budget", "0"), BAD_ARGUMENTS, "time_budget", "0")
