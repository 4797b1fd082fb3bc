# SPDX-License-Identifier: Apache-2.0
"""The scripts for zsh and fish complete words in these shells. That for bash: test_cli_commands.py."""

import shutil
import subprocess

import pytest
from program import DONE, run


def script_for(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    result = run("completion", shell)
    assert result.returncode == DONE, result.stderr
    return result.stdout


def output_of(command, folder):
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.fixture
def fish(tmp_path):
    (tmp_path / "tightrope.fish").write_text(script_for("fish"))
    (tmp_path / "model.xml").touch()

    def completions(line):
        lines = output_of(["fish", "--no-config", "-c", f"source tightrope.fish; complete -C '{line}'"], tmp_path)
        return [word.split("\t")[0] for word in lines]

    return completions


def test_fish_completes_commands_options_and_files(fish):
    assert fish("tightrope va") == ["validate"]
    assert fish("tightrope quantize --max-d") == ["--max-drop"]
    assert fish("tightrope inspect mod") == ["model.xml"]
    assert fish("tightrope completion f") == ["fish"]


# Stand-ins for the builtin and the function that may only be called while zsh completes: they print what matches.
ZSH = """
compadd() { shift; print -rl -- ${(M)@:#$PREFIX*} }
_files() { print -rl -- $PREFIX*(N) }
_complete() { words=("$@"); CURRENT=$#; PREFIX=$words[-1]; _tightrope; }
"""


@pytest.fixture
def zsh(tmp_path):
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_tightrope").write_text(script_for("zsh"))
    (tmp_path / "model.xml").touch()

    def completions(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        script = f"fpath=($PWD/functions $fpath); autoload -U _tightrope; {ZSH}; _complete {quoted}"
        return output_of(["zsh", "-f", "-c", script], tmp_path)

    return completions


def test_zsh_completes_commands_options_and_files(zsh):
    assert zsh("tightrope", "va") == ["validate"]
    assert zsh("tightrope", "quantize", "--max-d") == ["--max-drop"]
    assert zsh("tightrope", "inspect", "mod") == ["model.xml"]
    assert zsh("tightrope", "completion", "f") == ["fish"]


@pytest.mark.parametrize(
    "load",
    [
        "fpath=($PWD $fpath); compinit -u -D",
        "compinit -u -D; source ./_tightrope",
        'compinit -u -D; eval "$(<_tightrope)"',
    ],
    ids=["found", "sourced", "evaluated"],
)
def test_zsh_knows_the_completion_once_it_is_loaded(load, tmp_path):
    (tmp_path / "_tightrope").write_text(script_for("zsh"))
    script = f"autoload -U compinit; {load}; print $_comps[tightrope]"
    assert output_of(["zsh", "-f", "-c", script], tmp_path) == ["_tightrope"]
