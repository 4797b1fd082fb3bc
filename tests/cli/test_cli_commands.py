# SPDX-License-Identifier: Apache-2.0
"""The commands beside quantize, configuration files, several metrics, and what the shell sees."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import openvino as ov
import pytest
from program import BAD_ARGUMENTS, BINARY, CANNOT_READ, DONE, LIMIT_NOT_MET, OUT_OF_TIME, check_refused, run
from test_cli import control, out, quantize, work  # noqa: F401

COMMANDS = ["quantize", "validate", "inspect", "sensitivity", "compare", "bench", "apply", "report"]


@pytest.fixture(scope="module")
def quantized(work):  # noqa: F811
    """The model in 8 bits."""
    assert quantize(work, work / "int8.xml").returncode == DONE
    return work / "int8.xml"


def test_validate_measures_models_quantized_or_not(work, quantized):  # noqa: F811
    data = ["--validation", work / "labeled.npz", "--labels", "label"]
    result = run("validate", work / "model.xml", *data, "--metric", "top1", "--metric", "f1_macro", "--json")
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["metrics"] == {"f1_macro": 1, "top1": 1}
    result = run("validate", quantized, *data, "--metric", "sqnr", "--original", work / "model.xml", "--json")
    assert result.returncode == DONE, result.stderr
    assert 10 < json.loads(result.stdout)["metrics"]["sqnr"] < 60


def test_compare_shows_outputs_operations_and_latency(work, quantized):  # noqa: F811
    arguments = [work / "model.xml", quantized, "--data", work / "data.npz", "--seconds", "0.1"]
    result = run("compare", *arguments, "--json")
    assert result.returncode == DONE, result.stderr
    found = json.loads(result.stdout)
    assert 0.9 < found["cosine"] < 1 and 10 < found["sqnr"] < 60
    assert found["first"]["int8"] == 0 and "conv1" in found["second"]["only_here"]
    assert 0 < found["first"]["latency_min_ms"] <= found["first"]["latency_median_ms"]
    text = run("compare", *arguments).stdout
    assert "in 8 bits in the second only" in text and "  conv1" in text
    same = json.loads(run("compare", quantized, quantized, "--seconds", "0.1", "--json").stdout)
    assert same["sqnr"] == 120 and same["second"]["only_here"] == []


def test_bench_measures_models_side_by_side(work, quantized):  # noqa: F811
    result = run("bench", work / "model.xml", quantized, "--seconds", "0.2", "--json")
    assert result.returncode == DONE, result.stderr
    models = json.loads(result.stdout)["models"]
    assert [model["model"] for model in models] == [str(work / "model.xml"), str(quantized)]
    assert all(0 < model["latency_min_ms"] <= model["latency_median_ms"] for model in models)
    assert all(model["throughput"] > 1 for model in models)
    assert len(run("bench", quantized, "--seconds", "0.1").stdout.splitlines()) == 2


def test_sensitivity_ranks_as_accuracy_control_does(work, out):  # noqa: F811
    result = run("sensitivity", work / "model.xml", "--calibration", work / "data.npz", "--json")
    assert result.returncode == DONE, result.stderr
    groups = json.loads(result.stdout)["groups"]
    scores = [group["score"] for group in groups]
    assert scores == sorted(scores, reverse=True) and 0 < scores[0] < 1
    validation = ["--validation", work / "data.npz", "--metric", "sqnr", "--max-drop", "0"]
    ranked = json.loads(quantize(work, out / "o.xml", *validation, "--json").stdout)["report"]["groups"]
    assert {tuple(g["operations"]): g["score"] for g in groups} == {tuple(g["operations"]): g["score"] for g in ranked}


def test_workers_change_nothing_but_the_time(work, out):  # noqa: F811
    ranked = [
        run("sensitivity", work / "model.xml", "--calibration", work / "data.npz", "--json", *more)
        for more in ([], ["--workers", "2"])
    ]
    assert [result.returncode for result in ranked] == [DONE, DONE], ranked[1].stderr
    assert ranked[0].stdout == ranked[1].stdout
    models = []
    for workers in ("1", "3"):
        limit = ["--validation", work / "data.npz", "--metric", "sqnr", "--max-drop", "0", "--workers", workers]
        assert quantize(work, out / f"{workers}.xml", *limit).returncode in (DONE, LIMIT_NOT_MET)
        models.append([(out / workers).with_suffix(ending).read_bytes() for ending in (".xml", ".bin")])
    assert models[0] == models[1]


def test_workers_that_make_no_sense_are_refused(work, out):  # noqa: F811
    for number in ("0", "-1", "many"):
        check_refused(quantize(work, out / "o.xml", "--workers", number), BAD_ARGUMENTS, "--workers")
    both = ["--workers", "2", "--dask", "tcp://127.0.0.1:1"]
    check_refused(quantize(work, out / "o.xml", *both), BAD_ARGUMENTS, "--dask", "--workers")


def test_the_program_without_python_says_what_dask_needs(work, out):  # noqa: F811
    dask = ["--dask", "tcp://127.0.0.1:1"]
    check_refused(quantize(work, out / "o.xml", *dask), BAD_ARGUMENTS, "pip install tightrope distributed")


def test_several_metrics_have_limits_by_name(work, out):  # noqa: F811
    both = ["--metric", "f1_macro", "--max-drop", "top1=0.5,f1_macro=0.5"]
    result = control(work, out / "met.xml", *both, "--json")
    assert result.returncode == DONE, result.stderr
    report = json.loads(result.stdout)["report"]
    assert {record["name"] for record in report["final_metrics"]} == {"top1", "f1_macro"}
    unmet = control(work, out / "o.xml", "--metric", "sqnr", "--max-drop", "sqnr=0,top1=1", "--max-validations", "0")
    assert unmet.returncode == LIMIT_NOT_MET, unmet.stderr
    assert "the limits were not met" in unmet.stderr and (out / "o.xml").exists()
    check_refused(control(work, out / "a.xml", "--metric", "f1_macro"), BAD_ARGUMENTS, "by name", "top1=0.01")
    mistyped = control(work, out / "a.xml", "--max-drop", "tpo1=0.1")
    check_refused(mistyped, BAD_ARGUMENTS, "'tpo1'", "not measured")
    one_by_name = control(work, out / "one.xml", "--max-drop", "top1=0.5", "--drop-type", "top1=relative", "--json")
    assert json.loads(one_by_name.stdout)["report"]["drop_type"] == "relative", one_by_name.stderr


def test_a_program_decides_on_the_limit(work, out, tmp_path):  # noqa: F811
    program = tmp_path / "metric.py"
    program.write_text(
        "import sys, pathlib\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "print(path.with_suffix('.bin').stat().st_size / 1000)  # kB: 8 bits are fewer, and that is worse here\n"
    )
    arguments = ["--metric", f"cmd:{sys.executable} {program} {{model}}", "--max-drop", "0.1", "--json"]
    result = quantize(work, out / "float.xml", *arguments)
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["report"]["quantized"] == []
    result = quantize(work, out / "int8.xml", *arguments, "--higher-is-better", "false")
    assert result.returncode == DONE, result.stderr
    assert len(json.loads(result.stdout)["report"]["quantized"]) >= 3
    failing = quantize(work, out / "none.xml", "--metric", "cmd:exit 7", "--max-drop", "0.1")
    check_refused(failing, CANNOT_READ, "exit 7", "exit code 7")


def test_options_come_from_a_file_and_the_command_line_wins(work, out, tmp_path):  # noqa: F811
    config = tmp_path / "run.toml"
    config.write_text(
        f"""# the same names, with hyphens or underscores
model = "{work / "model.xml"}"
calibration = "{work / "labeled.npz"}"
validation = "{work / "labeled.npz"}"
labels = "label"
metric = ["top1", "f1_macro"]
max_drop = ["top1=0.5", "f1_macro=0.5"]
subset-size = 12
ignored_names = ["conv2"]
early_stopping = false
bias_correction_params = {{ threshold = 1000.0 }}
"""
    )
    result = run("quantize", "--config", config, "-o", out / "o.xml", "--json")
    assert result.returncode == DONE, result.stderr
    report = json.loads(result.stdout)["report"]
    assert report["calibration_items"] == 12 and "conv2" not in report["quantized"]
    result = run("quantize", "--config", config, "-o", out / "o.xml", "--json", "--subset_size", "6")
    assert json.loads(result.stdout)["report"]["calibration_items"] == 6


def test_subgraphs_between_operations_stay_in_floating_point(work):  # noqa: F811
    between = '[{"inputs": ["conv1"], "outputs": ["conv2"]}]'
    result = run("inspect", work / "model.xml", "--json", "--placement", "lean", "--ignored-subgraphs", between)
    assert result.returncode == DONE, result.stderr
    found = {operation["name"]: operation["lean"]["int8"] for operation in json.loads(result.stdout)["operations"]}
    assert (found["conv1"], found["conv2"], found["classes"]) == (False, False, True)
    check_refused(run("inspect", work / "model.xml", "--ignored-subgraphs", "conv1"), BAD_ARGUMENTS, "a JSON list")


def test_the_printed_configuration_gives_the_same_run(work, out, tmp_path):  # noqa: F811
    arguments = ["quantize", work / "model.xml", "--calibration", work / "labeled.npz", "--labels", "label"]
    arguments += ["-o", out / "first.xml", "--metric", "cmd:echo '1', # {model}", "--max-drop", "0.5"]
    arguments += ["--ignored-patterns", 'a"b\\d', "--no-ignored-validation", "--no-early-stopping", "--mean", "1,2.5"]
    printed = run(*arguments, "--print-config")
    assert printed.returncode == DONE, printed.stderr
    assert list(out.iterdir()) == []
    (tmp_path / "run.toml").write_text(printed.stdout)
    again = run("quantize", "--config", tmp_path / "run.toml", "--print-config", cwd=tmp_path)
    assert again.stdout == printed.stdout, again.stderr
    assert "metric = [\"cmd:echo '1', # {model}\"]" in printed.stdout
    assert "early_stopping = false" in printed.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_dorp = 1", ["'max_dorp'", "did you mean '--max-drop'?"]),
        ("colour = 1", ["'colour'", "did you mean '--color'?"]),
        ("metric = [", ["no TOML", "line 1"]),
        ("batch = 'many'", ["--batch", "many"]),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path, text, words):
    (tmp_path / "run.toml").write_text(text)
    arguments = ["m.xml", "--calibration", "d.npz", "-o", "o.xml", "--config", tmp_path / "run.toml"]
    check_refused(run("quantize", *arguments), BAD_ARGUMENTS, *words)


def test_resume_goes_on_with_what_a_run_kept(work, out, tmp_path):  # noqa: F811
    relative = ["quantize", "model.xml", "--calibration", "labeled.npz", "--validation", "labeled.npz"]
    relative += ["--labels", "label", "--metric", "top1", "--work-dir", tmp_path / "kept", "-o", out / "o.xml"]
    first = run(*relative, cwd=work)
    assert first.returncode == DONE, first.stderr
    result = (out / "o.bin").read_bytes()
    (out / "o.bin").unlink()
    again = run("resume", tmp_path / "kept", cwd=tmp_path)
    assert again.returncode == DONE, again.stderr
    assert "known from an earlier run" in again.stderr
    assert (out / "o.bin").read_bytes() == result
    other = run("resume", tmp_path / "kept", "-o", out / "other.xml", "--max-drop", "0.2", "--json")
    assert json.loads(other.stdout)["report"]["max_drop"] == 0.2, other.stderr
    check_refused(run("resume", tmp_path), CANNOT_READ, "quantize.toml", "--work-dir")
    check_refused(run("resume"), BAD_ARGUMENTS, "WORK_DIR")


def test_a_time_budget_that_ends_too_early_has_its_own_exit_code(work, out):  # noqa: F811
    arguments = ["--validation", work / "data.npz", "--metric", "sqnr", "--max-drop", "0", "--time-budget", "0.001"]
    result = quantize(work, out / "o.xml", *arguments)
    assert result.returncode == OUT_OF_TIME, result.stderr
    assert (out / "o.xml").exists()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["quantise"], "'quantize'"),
        (["benhc"], "'bench'"),
        (["inspect", "m.xml", "--plasement", "lean"], "'--placement'"),
        (["validate", "m.xml", "--metrics", "top1"], "'--metric'"),
        (["quantize", "m.xml", "--max_dorp=0.1"], "'--max-drop'"),
    ],
)
def test_what_was_meant_is_suggested(arguments, meant):
    check_refused(run(*arguments), BAD_ARGUMENTS, f"did you mean {meant}?")


def test_nothing_is_suggested_for_what_looks_like_nothing():
    result = run("xylophone")
    check_refused(result, BAD_ARGUMENTS, "no command 'xylophone'", "quantize, validate")
    assert "did you mean" not in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_knows_every_command(shell):
    result = run("completion", shell)
    assert result.returncode == DONE, result.stderr
    for word in [*COMMANDS, "resume", "max-drop", "original"]:
        assert word in result.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n", "/dev/stdin"], input=result.stdout, text=True, check=True)


def test_bash_completes_commands_options_and_files(tmp_path):
    (tmp_path / "model.xml").touch()

    def completions(*words):
        script = run("completion", "bash").stdout
        quoted = " ".join(f"'{word}'" for word in words)
        script += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tightrope; echo ${{COMPREPLY[@]}}"
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path).stdout.split()

    assert completions("tightrope", "va") == ["validate"]
    assert completions("tightrope", "quantize", "--max-d") == ["--max-drop"]
    assert completions("tightrope", "inspect", "mod") == ["model.xml"]
    assert completions("tightrope", "completion", "f") == ["fish"]


def test_an_unknown_shell_has_no_completion():
    check_refused(run("completion", "tcsh"), BAD_ARGUMENTS, "'tcsh'", "bash, zsh or fish")


def fastest(program, *arguments):
    """Milliseconds that the fastest of some runs had the processor: other programs on the machine don't count."""
    times = []
    for _ in range(5):
        with open(os.devnull, "w") as nothing:
            process = subprocess.Popen([*program, *arguments], stdout=nothing, stderr=nothing)
        _, _, usage = os.wait4(process.pid, 0)
        times.append(usage.ru_utime + usage.ru_stime)
    return min(times) * 1e3


@pytest.mark.parametrize("program", [[BINARY], [f"{sys.prefix}/bin/tightrope"]], ids=["binary", "python"])
@pytest.mark.parametrize("arguments", [["--help"], ["quantize", "--max-dorp"]], ids=["help", "mistake"])
def test_help_and_mistakes_appear_at_once(program, arguments):
    assert fastest(program, *arguments) < 150


def test_the_python_entry_point_imports_no_framework_for_help():
    code = "import sys; sys.argv[1:] = ['--version']; import tightrope_command; tightrope_command.main()"
    code += "; print([name for name in ('openvino', 'numpy', 'tightrope') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_models_of_both_frameworks_are_compared(work, out, tmp_path):  # noqa: F811
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    weights = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("x", 1, [1, 8])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 4])], [onnx.numpy_helper.from_array(weights, "w")]
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    ov.save_model(ov.convert_model(tmp_path / "model.onnx"), tmp_path / "model.xml", compress_to_fp16=False)
    result = run("compare", tmp_path / "model.onnx", tmp_path / "model.xml", "--seconds", "0.1", "--json")
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["sqnr"] > 100
