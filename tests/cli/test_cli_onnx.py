# SPDX-License-Identifier: Apache-2.0
"""ONNX models on the command line: calibrated, validated and saved as ONNX, or through OpenVINO and saved as IR."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from program import (
    BAD_ARGUMENTS,
    BINARY,
    CANNOT_QUANTIZE,
    CANNOT_READ,
    CANNOT_WRITE,
    DONE,
    ENVIRONMENT,
    INTERRUPTED,
    LIMIT_NOT_MET,
    WITHOUT_ONNXRUNTIME,
    check_refused,
    interrupt,
    run,
    run_with_full_disk,
)

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

ITEMS, CLASSES, WIDTH = 24, 4, 16
FLOAT = onnx.TensorProto.FLOAT


def model_of(nodes, constants, inputs, outputs, opset=17):
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info(*one) for one in inputs],
        [onnx.helper.make_tensor_value_info(*one) for one in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)


def make_classifier(batch=1, size=16, width=WIDTH, opset=17):
    """Two convolutions, the mean over positions, and a matrix product."""
    rng = np.random.default_rng(1)
    constants, nodes = {}, []

    def add(kind, inputs, name, **attributes):
        nodes.append(onnx.helper.make_node(kind, inputs, [f"{name}/y"], name=name, **attributes))
        return f"{name}/y"

    def normal(name, *shape):
        spread = np.sqrt(np.prod(shape[1:]), dtype=np.float32)
        constants[name] = rng.standard_normal(shape).astype(np.float32) / spread
        return name

    value = "image"
    for name, inputs in [("conv1", 3), ("conv2", width)]:
        weight, bias = normal(f"{name}/w", width, inputs, 3, 3), normal(f"{name}/b", width)
        value = add("Relu", [add("Conv", [value, weight, bias], name, pads=[1, 1, 1, 1])], f"{name}_relu")
    value = add("Flatten", [add("GlobalAveragePool", [value], "pool")], "flat")
    constants["classes/w"] = 20 * rng.standard_normal((width, CLASSES)).astype(np.float32)
    nodes.append(onnx.helper.make_node("MatMul", [value, "classes/w"], ["scores"], name="classes"))
    image = ("image", FLOAT, [batch, 3, size, size])
    return model_of(nodes, constants, [image], [("scores", FLOAT, [batch, CLASSES])], opset)


def answers(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.array([session.run(None, {"image": image[None]})[0][0] for image in images])


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A model in one file and in two, and data whose labels are the model's own answers."""
    folder = tmp_path_factory.mktemp("onnx")
    onnx.save(make_classifier(), folder / "model.onnx")
    (folder / "parts").mkdir()
    onnx.save(make_classifier(), folder / "parts" / "model.onnx", save_as_external_data=True, location="weights.bin",
              size_threshold=0)  # fmt: skip
    rng = np.random.default_rng(2)
    images = rng.random((ITEMS, 3, 16, 16), dtype=np.float32) + 2 * rng.standard_normal((ITEMS, 3, 1, 1)).astype("f4")
    scores = answers(folder / "model.onnx", images)
    assert len(set(scores.argmax(axis=1))) > 1
    np.savez(folder / "data.npz", image=images)
    np.savez(folder / "labeled.npz", image=images, label=scores.argmax(axis=1))
    np.savez(folder / "scored.npz", image=images, label=scores)
    return folder


@pytest.fixture
def out(tmp_path):
    """An empty folder for results."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def quantize(work, output, *more, model="model.onnx", data="data.npz", **options):
    """Quantizes with files of `work`, unless others are given."""
    return run("quantize", work / model, "--calibration", work / data, "-o", output, *more, **options)


def control(work, output, *more, metric="top1", data="labeled.npz", **options):
    arguments = ["--metric", metric, "--validation", work / data, "--labels", "label", *more]
    return quantize(work, output, *arguments, data=data, **options)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_notes(path):
    model = onnx.load(path)
    del model.metadata_props[:]
    return model.SerializeToString(deterministic=True)


def types_in(path):
    return [node.op_type for node in onnx.load(path).graph.node]


# What works


def test_quantize_saves_a_smaller_onnx_model_that_answers_alike_everywhere(work, out):
    result = quantize(work, out / "int8.onnx")
    assert result.returncode == DONE, result.stderr
    assert str(out / "int8.onnx") in result.stdout
    assert [path.name for path in out.iterdir()] == ["int8.onnx"]
    assert (out / "int8.onnx").stat().st_size < (work / "model.onnx").stat().st_size * 0.7
    onnx.checker.check_model(out / "int8.onnx", full_check=True)
    assert {"QuantizeLinear", "DequantizeLinear"} < set(types_in(out / "int8.onnx"))

    images = np.load(work / "data.npz")["image"]
    expected = answers(work / "model.onnx", images)
    np.testing.assert_allclose(answers(out / "int8.onnx", images), expected, atol=0.03 * np.abs(expected).max())
    converted = ov.compile_model(ov.convert_model(out / "int8.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    through_openvino = np.array([converted(image[None])[0][0] for image in images])
    np.testing.assert_allclose(through_openvino, expected, atol=0.03 * np.abs(expected).max())


def test_two_runs_give_the_same_bytes(work, out):
    for name in ["first", "second"]:
        assert quantize(work, out / f"{name}.onnx").returncode == DONE
    assert (out / "first.onnx").read_bytes() == (out / "second.onnx").read_bytes()


def test_json_is_one_object_on_standard_output(work, out):
    result = quantize(work, out / "int8.onnx", "--json", "--quiet")
    assert (result.returncode, result.stderr) == (DONE, "")
    answer = json.loads(result.stdout)
    assert answer["status"] == "quantized"
    assert answer["files"] == [str(out / "int8.onnx")]
    assert answer["bytes"] == (out / "int8.onnx").stat().st_size
    assert answer["original_bytes"] == (work / "model.onnx").stat().st_size
    assert answer["report"]["framework"] == "onnx"
    assert "conv1" in answer["report"]["quantized"]


def test_a_model_with_external_data_is_compared_with_all_of_its_files(work, out):
    result = quantize(work, out / "int8.onnx", "--json", model="parts/model.onnx")
    assert result.returncode == DONE, result.stderr
    files = [work / "parts" / name for name in ["model.onnx", "weights.bin"]]
    assert json.loads(result.stdout)["original_bytes"] == sum(path.stat().st_size for path in files)
    assert quantize(work, out / "of_one_file.onnx").returncode == DONE
    assert (out / "int8.onnx").read_bytes() == (out / "of_one_file.onnx").read_bytes()


@pytest.mark.parametrize(("metric", "data", "original"), [("top1", "labeled.npz", 1), ("mse", "scored.npz", 0)])
def test_accuracy_control_reports_metrics_and_limit(work, out, metric, data, original):
    more = ["--max-drop", "0.5", "--json", "--report", out / "report.json"]
    result = control(work, out / "int8.onnx", *more, metric=metric, data=data)
    assert result.returncode == DONE, result.stderr
    report = json.loads(result.stdout)["report"]
    assert report["status"] == "met"
    assert report["original_metric"] == pytest.approx(original, abs=1e-9)
    assert report["drop"] <= 0.5
    assert json.loads((out / "report.json").read_text())["final_metric"] == report["final_metric"]
    if metric == "top1":
        items = np.load(work / data)
        right = answers(out / "int8.onnx", items["image"]).argmax(axis=1) == items["label"]
        assert report["final_metric"] == pytest.approx(right.mean())


def test_operations_are_reverted_until_the_limit_is_met(work, out):
    arguments = ["--metric", "cosine", "--validation", work / "data.npz"]
    all_int8 = json.loads(quantize(work, out / "all.onnx", "--json", *arguments, "--max-drop", "1").stdout)["report"]
    limit = all_int8["drop"] / 2
    result = quantize(work, out / "int8.onnx", "--json", *arguments, "--max-drop", f"{limit:.3g}", "--no-repair")
    assert result.returncode == DONE, result.stderr
    report = json.loads(result.stdout)["report"]
    assert report["reverted"]
    assert report["drop"] <= limit * 1.01
    onnx.checker.check_model(out / "int8.onnx", full_check=True)
    assert answers(out / "int8.onnx", np.load(work / "data.npz")["image"]).shape == (ITEMS, CLASSES)


def test_an_unmet_limit_saves_the_best_model_with_its_own_exit_code(work, out):
    arguments = ["--validation", work / "data.npz", "--metric", "cosine", "--max-drop", "0", "--max-validations", "0"]
    result = quantize(work, out / "int8.onnx", *arguments)
    assert result.returncode == LIMIT_NOT_MET, result.stderr
    assert "tightrope: error: the limit was not met" in result.stderr
    assert [path.name for path in out.iterdir()] == ["int8.onnx"]
    assert "QuantizeLinear" in types_in(out / "int8.onnx")


@pytest.mark.parametrize("batch", ["2", "5"])
def test_batches_are_taken_from_the_arrays(work, out, tmp_path, batch):
    onnx.save(make_classifier(batch="N"), tmp_path / "dynamic.onnx")
    result = control(work, out / "int8.onnx", "--batch", batch, "--max-drop", "1", "--json",
                     model=tmp_path / "dynamic.onnx")  # fmt: skip
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["report"]["original_metric"] == 1


@pytest.mark.parametrize("opset", [9, 11, 13, 21])
def test_models_of_older_and_newer_operator_sets_are_quantized(work, out, tmp_path, opset):
    model = make_classifier(opset=opset)
    model.ir_version = 10
    onnx.save(model, tmp_path / "model.onnx")
    result = quantize(work, out / "int8.onnx", "--quiet", model=tmp_path / "model.onnx")
    assert (result.returncode, result.stderr) == (DONE, "")
    onnx.checker.check_model(out / "int8.onnx", full_check=True)
    images = np.load(work / "data.npz")["image"]
    expected = answers(work / "model.onnx", images)
    np.testing.assert_allclose(answers(out / "int8.onnx", images), expected, atol=0.03 * np.abs(expected).max())


def test_the_precision_may_be_that_of_the_model(work, out):
    assert control(work, out / "int8.onnx", "--max-drop", "1", "--precision", "default").returncode == DONE


def test_the_python_entry_point_uses_the_library_of_the_installed_package(work, out):
    pytest.importorskip("tightrope", reason="the Python package is not installed")
    program = [sys.executable, "-c", "import sys; from tightrope_command import main; sys.exit(main())"]
    arguments = ["quantize", work / "model.onnx", "--calibration", work / "data.npz", "-o", out / "python.onnx"]
    result = run(*arguments, program=program, env=WITHOUT_ONNXRUNTIME)
    assert result.returncode == DONE, result.stderr
    assert quantize(work, out / "binary.onnx").returncode == DONE
    assert (out / "python.onnx").read_bytes() == (out / "binary.onnx").read_bytes()


# inspect and apply


def test_inspect_shows_the_operations_of_the_format_of_the_result(work):
    as_onnx = run("inspect", work / "model.onnx")
    assert as_onnx.returncode == DONE, as_onnx.stderr
    assert "conv1 (Conv)" in as_onnx.stdout
    assert "classes (MatMul)" in as_onnx.stdout
    assert "\nlean: " in as_onnx.stdout and "\nreference: " in as_onnx.stdout
    as_openvino = run("inspect", work / "model.onnx", "--to", "openvino")
    assert "(Convolution)" in as_openvino.stdout
    assert "(Conv)" not in as_openvino.stdout
    for to, framework in [([], "onnx"), (["--to", "onnx"], "onnx"), (["--to", "openvino"], "openvino")]:
        answer = json.loads(run("inspect", work / "model.onnx", "--json", *to).stdout)
        assert answer["framework"] == framework
        assert list(answer["quantizers"]) == ["lean", "reference"]


def test_inspect_explains_which_rule_decided(work):
    result = run("inspect", work / "model.onnx", "--explain", "conv1")
    assert result.returncode == DONE, result.stderr
    assert result.stdout.startswith("conv1 (Conv)\n")
    for word in ["lean: int8", "reference: int8", "input of the model"]:
        assert word in result.stdout
    ignored = run("inspect", work / "model.onnx", "--explain", "conv1", "--ignored-types", "Conv")
    assert "rule 'ignored scope'" in ignored.stdout
    check_refused(run("inspect", work / "model.onnx", "--explain", "conf1"), BAD_ARGUMENTS, "'conf1'", "'conv1'")


def test_ignored_operations_stay_in_floating_point(work, out):
    result = quantize(work, out / "int8.onnx", "--json", "--ignored-names", "conv2")
    assert result.returncode == DONE, result.stderr
    quantized = json.loads(result.stdout)["report"]["quantized"]
    assert "conv2" not in quantized and "classes" in quantized


@pytest.mark.parametrize("model", ["model.onnx", "parts/model.onnx"])
def test_an_applied_plan_gives_the_same_model_but_for_the_report(work, out, model):
    assert quantize(work, out / "int8.onnx", "--plan", out / "plan.json", model=model).returncode == DONE
    result = run("apply", work / model, out / "plan.json", "-o", out / "again.onnx", "--json")
    assert result.returncode == DONE, result.stderr
    answer = json.loads(result.stdout)
    assert answer["files"] == [str(out / "again.onnx")]
    assert "conv1" in answer["quantized"]
    assert without_notes(out / "again.onnx") == without_notes(out / "int8.onnx")


def test_a_plan_of_the_other_reading_is_refused_with_a_hint(work, out):
    for ending, to in [("onnx", "onnx"), ("xml", "openvino")]:
        plan = ["--plan", out / f"{to}.json", "--placement", "reference"]
        assert quantize(work, out / f"int8.{ending}", *plan).returncode == DONE
    before = contents(out)
    for ending, to in [("xml", "onnx"), ("onnx", "openvino")]:
        result = run("apply", work / "model.onnx", out / f"{to}.json", "-o", out / f"again.{ending}")
        check_refused(result, BAD_ARGUMENTS, "[plan] node", f"made with --to {to}")
    assert contents(out) == before


# --to


def test_an_onnx_model_becomes_an_ir_in_openvino_without_onnx_runtime(work, out):
    for name, to in [("named", ["--to", "openvino"]), ("by_ending", [])]:
        more = [*to, "--max-drop", "0.5", "--json", "--plan", out / f"{name}.json"]
        result = control(work, out / f"{name}.xml", *more, env=WITHOUT_ONNXRUNTIME)
        assert result.returncode == DONE, result.stderr
        answer = json.loads(result.stdout)
        assert answer["report"]["framework"] == "openvino"
        assert answer["files"] == [str(out / f"{name}.xml"), str(out / f"{name}.bin")]
    assert (out / "named.bin").read_bytes() == (out / "by_ending.bin").read_bytes()
    again = run("apply", work / "model.onnx", out / "named.json", "-o", out / "again.xml", "--to", "openvino")
    assert again.returncode == DONE, again.stderr
    assert (out / "again.bin").read_bytes() == (out / "named.bin").read_bytes()
    ov.compile_model(out / "named.xml", "CPU")


@pytest.mark.parametrize(
    ("model", "output", "to", "words"),
    [
        ("model.xml", "o.onnx", None, ["'{model}'", "OpenVINO model", "not an ONNX file"]),
        ("model.xml", "o.onnx", "openvino", ["'{model}'", "not an ONNX file"]),
        ("model.xml", "o.xml", "onnx", ["'{model}'", "not an ONNX file"]),
        ("model.onnx", "o.xml", "onnx", ["'{output}'", ".onnx", "--to onnx"]),
        ("model.onnx", "o.onnx", "openvino", ["'{output}'", ".xml", "--to openvino"]),
        ("model.onnx", "o", None, ["'{output}'", "neither .onnx nor .xml"]),
        ("model.onnx", "o.bin", "openvino", ["'{output}'", "neither .onnx nor .xml", "model_int8.xml"]),
        ("model.onnx", "o.bin", "onnx", ["'{output}'", "neither .onnx nor .xml", "model_int8.onnx"]),
        ("model.onnx", "o.onnx", "tflite", ["'tflite'", "onnx or openvino"]),
        ("model.onnx", "o.onnx", "ONNX", ["'ONNX'", "onnx or openvino"]),
    ],
)
def test_what_does_not_go_together_is_refused(work, out, tmp_path, model, output, to, words):
    ov.save_model(ov.convert_model(work / "model.onnx"), tmp_path / "model.xml")
    path = tmp_path / model if model.endswith(".xml") else work / model
    (tmp_path / "plan.json").write_text("{}")
    words = [word.format(model=path, output=out / output) for word in words]
    option = ["--to", to] if to else []
    for command in [["quantize", path, "--calibration", work / "data.npz"], ["apply", path, tmp_path / "plan.json"]]:
        check_refused(run(*command, "-o", out / output, *option), BAD_ARGUMENTS, *words, left=[out])


def test_an_ir_is_not_inspected_as_onnx(work, tmp_path):
    ov.save_model(ov.convert_model(work / "model.onnx"), tmp_path / "model.xml")
    check_refused(run("inspect", tmp_path / "model.xml", "--to", "onnx"), BAD_ARGUMENTS, "OpenVINO model", "ONNX file")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--precision", "bf16"], BAD_ARGUMENTS, ["'bf16'", "f32 or default"]),
        (["--precision", "f16"], BAD_ARGUMENTS, ["'f16'", "f32 or default"]),
        (["--device", "TPU"], BAD_ARGUMENTS, ["'TPU'", "CPU"]),
        (["--target-device", "CPU_SPR"], CANNOT_QUANTIZE, ["CPU_SPR", "ONNX"]),
    ],
)
def test_devices_and_precisions_are_those_of_onnx_runtime(work, out, arguments, code, words):
    check_refused(control(work, out / "o.onnx", *arguments), code, *words, left=[out])


# Without the library of ONNX Runtime


@pytest.fixture(scope="module")
def no_library():
    """An environment in which no library is found."""
    code = "import ctypes; ctypes.CDLL('libonnxruntime.so.1')"
    alone = [subprocess.run([sys.executable, "-c", code.replace(".so.1", ending)], capture_output=True, check=False)
             for ending in [".so.1", ".so"]]  # fmt: skip
    if any(result.returncode == 0 for result in alone):
        pytest.skip("the loader finds a library of ONNX Runtime on this machine")
    return WITHOUT_ONNXRUNTIME


def test_without_the_library_the_error_says_what_to_install(work, out, no_library):
    words = ["libonnxruntime.so", "pip install onnxruntime", "TIGHTROPE_ONNXRUNTIME"]
    more = ["--report", out / "report.json", "--plan", out / "plan.json"]
    check_refused(quantize(work, out / "o.onnx", *more, env=no_library), CANNOT_READ, *words, left=[out])
    check_refused(control(work, out / "o.onnx", *more, env=no_library), CANNOT_READ, *words, left=[out])
    cosine = ["--metric", "cosine", "--validation", work / "data.npz"]
    check_refused(quantize(work, out / "o.onnx", *cosine, env=no_library), CANNOT_READ, *words, left=[out])


def test_without_the_library_everything_works_that_runs_no_onnx_model(work, out, no_library):
    assert quantize(work, out / "int8.onnx", "--plan", out / "plan.json").returncode == DONE
    ov.save_model(ov.convert_model(work / "model.onnx"), out / "model.xml")
    for arguments in [
        ["inspect", work / "model.onnx"],
        ["inspect", work / "model.onnx", "--explain", "conv1"],
        ["apply", work / "model.onnx", out / "plan.json", "-o", out / "again.onnx"],
        ["inspect", out / "model.xml"],
        ["quantize", out / "model.xml", "--calibration", work / "data.npz", "-o", out / "int8.xml"],
    ]:
        result = run(*arguments, env=no_library)
        assert result.returncode == DONE, result.stderr
    assert without_notes(out / "again.onnx") == without_notes(out / "int8.onnx")


def test_a_library_that_is_none_is_named(work, out):
    environment = {**ENVIRONMENT, "TIGHTROPE_ONNXRUNTIME": str(BINARY)}
    result = quantize(work, out / "o.onnx", env=environment)
    check_refused(result, CANNOT_READ, "TIGHTROPE_ONNXRUNTIME", str(BINARY), "pip install onnxruntime", left=[out])
    assert run("inspect", work / "model.onnx", env=environment).returncode == DONE


# Inputs


@pytest.mark.parametrize("content", [b"", b"this is not a model", b"\xff" * 100])
def test_a_file_that_is_no_model_is_named(work, out, tmp_path, content):
    (tmp_path / "damaged.onnx").write_bytes(content)
    result = quantize(work, out / "o.onnx", model=tmp_path / "damaged.onnx")
    check_refused(result, CANNOT_READ, "damaged.onnx", left=[out])
    check_refused(run("inspect", tmp_path / "damaged.onnx"), CANNOT_READ, "damaged.onnx")


@pytest.mark.parametrize("model", ["model.onnx", "parts/model.onnx"])
def test_a_model_that_was_cut_is_named_wherever_the_cut_is(work, tmp_path, model):
    content = (work / model).read_bytes()
    for length in range(1, len(content), max(1, len(content) // 40)):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        check_refused(run("inspect", tmp_path / "cut.onnx"), CANNOT_READ, "cut.onnx")


def test_a_model_with_flipped_bytes_never_crashes(work, out, tmp_path):
    content = (work / "parts" / "model.onnx").read_bytes()
    (tmp_path / "weights.bin").write_bytes((work / "parts" / "weights.bin").read_bytes())
    rng = np.random.default_rng(5)
    for _ in range(40):
        spoiled = bytearray(content)
        spoiled[rng.integers(len(spoiled))] ^= int(rng.integers(1, 256))
        (tmp_path / "spoiled.onnx").write_bytes(spoiled)
        result = quantize(work, out / "o.onnx", model=tmp_path / "spoiled.onnx")
        if result.returncode != DONE:
            check_refused(result, result.returncode)
            assert result.returncode in [BAD_ARGUMENTS, CANNOT_READ, CANNOT_QUANTIZE], result.stderr


def test_missing_or_short_external_data_is_named(work, out, tmp_path):
    (tmp_path / "model.onnx").write_bytes((work / "parts" / "model.onnx").read_bytes())
    for content in [None, b"", b"short"]:
        if content is not None:
            (tmp_path / "weights.bin").write_bytes(content)
        result = quantize(work, out / "o.onnx", model=tmp_path / "model.onnx")
        check_refused(result, CANNOT_READ, "model.onnx", "weights.bin", left=[out])
        check_refused(run("inspect", tmp_path / "model.onnx"), CANNOT_READ, "weights.bin")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "."])
def test_external_data_outside_of_the_models_folder_is_refused(work, out, tmp_path, location):
    model = onnx.load(work / "parts" / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    (tmp_path / "weights.bin").write_bytes((work / "parts" / "weights.bin").read_bytes())
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "model.onnx").write_bytes(model.SerializeToString())
    result = quantize(work, out / "o.onnx", model=tmp_path / "inner" / "model.onnx")
    check_refused(result, CANNOT_READ, "model.onnx", f"'{location}'", left=[out])


@pytest.mark.parametrize("opset", [5, 100])
def test_an_operator_set_out_of_range_is_refused(work, out, tmp_path, opset):
    model = make_classifier()
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "model.onnx")
    result = quantize(work, out / "o.onnx", model=tmp_path / "model.onnx")
    check_refused(result, CANNOT_QUANTIZE, "model.onnx", f"version {opset}", left=[out])


def test_a_quantized_model_is_not_quantized_again(work, out):
    assert quantize(work, out / "int8.onnx").returncode == DONE
    result = quantize(work, out / "again.onnx", model=out / "int8.onnx")
    check_refused(result, CANNOT_QUANTIZE, "quantized already")
    assert [path.name for path in out.iterdir()] == ["int8.onnx"]


def test_a_model_with_nothing_to_quantize_is_refused(work, out, tmp_path):
    relu = onnx.helper.make_node("Relu", ["image"], ["y"], name="relu")
    shape = [1, 3, 16, 16]
    onnx.save(model_of([relu], {}, [("image", FLOAT, shape)], [("y", FLOAT, shape)]), tmp_path / "relu.onnx")
    result = quantize(work, out / "o.onnx", model=tmp_path / "relu.onnx")
    check_refused(result, CANNOT_QUANTIZE, "nothing in the model can be quantized", left=[out])
    result = run("inspect", tmp_path / "relu.onnx")
    assert (result.returncode, result.stderr) == (DONE, "")
    assert "lean: 0 of 1 operations" in result.stdout


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.zeros((0, 3, 16, 16), np.float32)}, []),
        ({"picture": np.zeros((2, 3, 16, 16), np.float32)}, ["item 0", "'picture'", "'image'"]),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, ["item 0", "'image'", "[1,3,8,8]"]),
        ({"image": np.zeros((2, 3, 16, 16), np.float32), "more": np.zeros((2, 1))}, ["item 0", "2 inputs"]),
    ],
)
def test_data_that_does_not_fit_the_model_is_refused(work, out, tmp_path, arrays, words):
    np.savez(tmp_path / "data.npz", **arrays)
    result = quantize(work, out / "o.onnx", data=tmp_path / "data.npz")
    check_refused(result, BAD_ARGUMENTS, *words, left=[out])


def test_an_item_on_which_the_model_fails_is_named_by_its_number(work, out, tmp_path):
    rng = np.random.default_rng(3)
    constants = {name: rng.standard_normal((10, 10)).astype(np.float32) for name in ["table", "weight"]}
    nodes = [
        onnx.helper.make_node("Gather", ["table", "index"], ["rows"], name="rows"),
        onnx.helper.make_node("MatMul", ["rows", "weight"], ["y"], name="product"),
    ]
    inputs, outputs = [("index", onnx.TensorProto.INT64, [1, 4])], [("y", FLOAT, [1, 4, 10])]
    onnx.save(model_of(nodes, constants, inputs, outputs), tmp_path / "table.onnx")
    index = np.zeros((30, 4), np.int64)
    np.savez(tmp_path / "good.npz", index=index)
    index[21] = 10
    np.savez(tmp_path / "bad.npz", index=index)
    result = quantize(work, out / "o.onnx", model=tmp_path / "table.onnx", data=tmp_path / "bad.npz")
    check_refused(result, CANNOT_QUANTIZE, "calibration item 21", left=[out])
    more = ["--metric", "cosine", "--validation", tmp_path / "bad.npz"]
    result = quantize(work, out / "o.onnx", *more, model=tmp_path / "table.onnx", data=tmp_path / "good.npz")
    check_refused(result, CANNOT_QUANTIZE, "validation item 21", left=[out])


# Outputs


def test_an_existing_output_is_replaced(work, out):
    (out / "o.onnx").write_text("old")
    assert quantize(work, out / "o.onnx").returncode == DONE
    onnx.checker.check_model(out / "o.onnx")
    assert [path.name for path in out.iterdir()] == ["o.onnx"]


def test_an_output_that_cannot_be_written_is_found_before_the_work(work, out, tmp_path):
    (tmp_path / "file").write_text("")
    for target in [tmp_path / "missing" / "o.onnx", tmp_path / "file" / "o.onnx", Path("/proc/o.onnx")]:
        result = quantize(work, target, env=WITHOUT_ONNXRUNTIME)  # which the work would need
        check_refused(result, CANNOT_WRITE, str(target))
    (out / "o.onnx").mkdir()
    check_refused(quantize(work, out / "o.onnx"), CANNOT_WRITE, "not a regular file")


def test_an_output_equal_to_an_input_is_refused(work, tmp_path):
    before = contents(work)
    (tmp_path / "link.onnx").symlink_to(work / "model.onnx")
    for target in [work / "model.onnx", tmp_path / "link.onnx", work / "parts" / ".." / "model.onnx"]:
        check_refused(quantize(work, target), BAD_ARGUMENTS, "overwrite the input")
    assert contents(work) == before


@pytest.mark.parametrize("option", ["--report", "--plan"])
def test_the_external_data_of_the_model_are_an_input(work, out, option):
    before = contents(work)
    weights = work / "parts" / "weights.bin"
    result = quantize(work, out / "o.onnx", option, weights, model="parts/model.onnx")
    check_refused(result, BAD_ARGUMENTS, "overwrite the input", "weights.bin", left=[out])
    assert contents(work) == before


def test_external_data_are_found_wherever_the_model_keeps_them(work, out, tmp_path):
    """In bodies of operations, too, and however large the model is."""
    values = {name: onnx.numpy_helper.from_array(np.full(4, 2, np.float32), name) for name in "ab"}
    for name, tensor in values.items():
        onnx.external_data_helper.set_external_data(tensor, f"{name}.bin", offset=0, length=16)
        (tmp_path / f"{name}.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
    branches = {}
    for branch, tensor in zip(["then_branch", "else_branch"], values.values(), strict=True):
        node = onnx.helper.make_node("Identity", [tensor.name], [branch], name=f"of_{branch}")
        info = onnx.helper.make_tensor_value_info(branch, FLOAT, [4])
        branches[branch] = onnx.helper.make_graph([node], branch, [], [info], [tensor])
    model = make_classifier()
    choice = onnx.helper.make_node("If", ["condition"], ["chosen"], name="choice", **branches)
    model.graph.node.append(choice)
    model.graph.node.append(onnx.helper.make_node("Add", ["scores", "chosen"], ["sum"], name="sum"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "condition"))
    model.graph.output[0].name = "sum"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    for name in values:
        plan = ["--plan", tmp_path / f"{name}.bin"]
        result = quantize(work, out / "o.onnx", *plan, model=tmp_path / "model.onnx")
        check_refused(result, BAD_ARGUMENTS, "overwrite the input", f"{name}.bin", left=[out])


def test_the_second_file_of_a_result_that_is_too_large_for_one_is_an_output(work, out, tmp_path):
    rows, size = 64, 9_000_000  # 2.3 GB, which the disk does not hold
    weight = onnx.TensorProto(name="w", data_type=FLOAT, dims=[rows, size], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="weights.bin")
    (tmp_path / "weights.bin").touch()
    os.truncate(tmp_path / "weights.bin", 4 * rows * size)
    product = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    model = model_of([product], {}, [("x", FLOAT, [1, rows])], [("y", FLOAT, [1, size])])
    model.graph.initializer.append(weight)
    (tmp_path / "large.onnx").write_bytes(model.SerializeToString())
    second = out / "o.onnx.data"
    for option in ["--report", "--plan"]:
        result = quantize(work, out / "o.onnx", option, second, model=tmp_path / "large.onnx")
        check_refused(result, BAD_ARGUMENTS, "two outputs", str(second), left=[out])
    second.mkdir()
    result = quantize(work, out / "o.onnx", model=tmp_path / "large.onnx")
    check_refused(result, CANNOT_WRITE, str(second), "not a regular file")


def test_one_path_for_two_outputs_is_refused(work, out):
    for option in ["--report", "--plan"]:
        result = quantize(work, out / "o.onnx", option, out / "o.onnx")
        check_refused(result, BAD_ARGUMENTS, "two outputs", left=[out])


@pytest.mark.parametrize("limit", [0, 2000, 5000])
def test_a_full_disk_leaves_nothing_behind_and_the_old_result_as_it_was(work, out, tmp_path, limit):
    arguments = ["quantize", work / "model.onnx", "--calibration", work / "data.npz"]
    check_refused(run_with_full_disk(limit, *arguments, "-o", out / "o.onnx"), CANNOT_WRITE, "cannot write", left=[out])
    (tmp_path / "old.onnx").write_text("old")
    result = run_with_full_disk(limit, *arguments, "-o", tmp_path / "old.onnx", "--report", out / "report.json")
    check_refused(result, CANNOT_WRITE, "cannot write", left=[out])
    assert contents(tmp_path) == {tmp_path / "old.onnx": b"old"}


def test_an_interrupt_stops_within_two_seconds_and_leaves_nothing(out, tmp_path):
    onnx.save(make_classifier(size=64, width=64), tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", image=np.zeros((4000, 3, 64, 64), np.float32))
    arguments = ["--calibration", tmp_path / "data.npz", "--subset-size", "4000", "-o", out / "o.onnx"]
    code, output, errors, seconds = interrupt("quantize", tmp_path / "model.onnx", *arguments)
    assert seconds < 2
    assert code == INTERRUPTED, errors
    assert "interrupted" in errors
    assert output == ""
    assert list(out.iterdir()) == []
