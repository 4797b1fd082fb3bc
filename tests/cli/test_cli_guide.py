# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/command-line.md run, one after the other, as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import BINARY, ENVIRONMENT, ROOT, run

PAGE = (ROOT / "docs" / "command-line.md").read_text()
METRIC = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    place = tmp_path_factory.mktemp("guide")
    shutil.copytree(ROOT / "examples" / "models", place / "models")
    subprocess.run([sys.executable, ROOT / "examples" / "demo_data.py", place / "data"], check=True)
    (place / "metric.py").write_text(METRIC)
    return place


def test_every_example_of_the_page_runs(folder: Path) -> None:
    examples = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 8
    path = os.pathsep.join([str(BINARY.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    script = "set -eu\n" + "".join(examples)
    result = subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**ENVIRONMENT, "PATH": path}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "known from an earlier run" in result.stderr
    for name in [
        "photo_int8.xml",
        "photo_kept.xml",
        "photo_loose.xml",
        "photo.html",
        "photo_small.xml",
        "photo_both.xml",
    ]:
        assert (folder / name).exists(), name


def test_every_option_and_metric_that_the_page_names_is_there() -> None:
    help_text = run("-h").stdout
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)):
        assert option in help_text or option in ("--json", "--config"), option
    for name in re.findall(r"`(top1|top5|f1\w*|map|miou|psnr|ssim|mse|wer|cer|pearson|spearman|cosine|sqnr)`", PAGE):
        assert name in help_text


def test_every_exit_code_of_the_page_is_in_the_help() -> None:
    help_text = " ".join(run("-h").stdout.split())
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "130"]
    listed = help_text[help_text.index("Exit codes") :]
    assert all(f" {code} " in listed for code in codes)
