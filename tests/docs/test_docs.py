# SPDX-License-Identifier: Apache-2.0
"""Every example of the README and the pages in docs/ runs as it stands."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import openvino
import pytest
from pages import ROOT, Block, blocks_of, pages, pages_with

BUILD = Path(os.environ.get("TIGHTROPE_BINARY", ROOT / "build" / "tightrope")).resolve().parent
PATH = os.pathsep.join([str(BUILD), str(Path(sys.executable).parent), os.environ["PATH"]])
EXAMPLE = ROOT / "examples" / "cpp" / "quantize_photo.cpp"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("skimage", "sklearn"):
        pytest.importorskip(package, reason=f"the demo's data need {package}")
    folder = tmp_path_factory.mktemp("data")
    run([sys.executable, ROOT / "examples" / "demo_data.py", folder], folder)
    return folder


def copy_of_examples(data: Path, folder: Path) -> Path:
    """A copy of examples/ beside the build tree, with the data that `python demo_data.py data` makes."""
    place = folder / "examples"
    shutil.copytree(ROOT / "examples", place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(data, place / "data")
    (folder / "build").symlink_to(BUILD)
    return place


def run(command: list[object], folder: Path) -> str:
    environment = {**os.environ, "PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= onnxruntime_library()
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def onnxruntime_library() -> dict[str, str]:
    """Where build/tightrope finds the library that the Python package brings."""
    package = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (library,) = Path(package.__path__[0], "capi").glob("libonnxruntime.so.*")
    return {"TIGHTROPE_ONNXRUNTIME": str(library)}


@pytest.fixture(scope="session")
def outputs(
    data: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[Path, Future[str]]]:
    """What the pages of the chosen tests print; two run at a time, each in a folder of its own."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [item.callspec.params["page"] for item in items if item.originalname == RUN_PAGE]

    def run_page(page: Path) -> str:
        examples = copy_of_examples(data, tmp_path_factory.mktemp(page.stem))
        return run([sys.executable, ROOT / "tests" / "docs" / "run_page.py", page], examples)

    with ThreadPoolExecutor(2) as pool:
        yield {page: pool.submit(run_page, page) for page in chosen}


@pytest.mark.parametrize("page", pages_with("python", "sh"), ids=name_of)
def test_the_examples_of_a_page_run_one_after_the_other(page: Path, outputs: dict[Path, Future[str]]) -> None:
    blocks = [block for block in blocks_of(page) if block.language in ("python", "sh") and not block.file]
    output = outputs[page].result()
    assert output.count(f"--- {page.name}, line") == len(blocks)
    assert all(without_numbers(block.code) in without_numbers(output) for block in blocks_of(page) if block.printed)


def without_numbers(text: str) -> str:
    return re.sub(r"\d[\d.e-]*", "N", re.sub(r" +", " ", text))


RUN_PAGE = test_the_examples_of_a_page_run_one_after_the_other.__name__


def includes(code: str) -> tuple[str, str]:
    """The lines that include headers, and the others."""
    lines = code.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#include")), "".join(
        line for line in lines if not line.startswith("#include")
    )


def is_of_the_example(block: Block) -> bool:
    """True for a piece of the program in examples/, which is built and run by other tests."""
    return re.sub(r"\s+", " ", block.code.strip()) in re.sub(r"\s+", " ", EXAMPLE.read_text())


def test_the_cpp_examples_compile_and_run(data: Path, tmp_path: Path) -> None:
    examples = copy_of_examples(data, tmp_path)
    metric = re.search(r"^double psnr\(.*?^}\n", EXAMPLE.read_text(), re.MULTILINE | re.DOTALL)
    assert metric
    shown = {
        page: [each for each in blocks_of(page) if each.language == "cpp" and not each.not_run]
        for page in pages_with("cpp")
    }
    assert any(is_of_the_example(block) for blocks in shown.values() for block in blocks)
    rest = [block.code for blocks in shown.values() for block in blocks if not is_of_the_example(block)]
    assert len(rest) >= 2
    headers = "#include <algorithm>\n#include <cmath>\n" + "".join(includes(code)[0] for code in rest)
    bodies = "".join(f"{{\n{includes(code)[1]}}}\n" for code in rest)
    program = examples / "program"
    program.mkdir()
    (program / "quantize_photo.cpp").write_text(f"{headers}\n{metric[0]}\nint main() {{\n{bodies}}}\n")
    shutil.copy(EXAMPLE.with_name("CMakeLists.txt"), program)
    package = examples / "package"
    run(["cmake", "--install", BUILD, "--component", "cpp", "--prefix", package], examples)
    openvino_dir = Path(openvino.__path__[0]) / "cmake"
    run(
        ["cmake", "-S", program, "-B", program, f"-DCMAKE_PREFIX_PATH={package}", f"-DOpenVINO_DIR={openvino_dir}"],
        examples,
    )
    run(["cmake", "--build", program], examples)
    run([program / "quantize_photo"], examples)


def test_few_examples_are_not_run_and_each_says_why() -> None:
    left = [block for page in pages() for block in blocks_of(page) if block.not_run]
    assert len(left) <= 8
    assert all(len(block.not_run) > 5 for block in left)


def literals(path: Path) -> str:
    """The text of a source with string literals joined over line ends."""
    return re.sub(r'"\s*\n\s*f?"', "", path.read_text())


def test_every_message_of_the_page_on_errors_is_one_of_the_program() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "errors.md").read_text().split("## What messages")[1], re.M)
    assert len(rows) > 10
    sources = [*(ROOT / "src").rglob("*.cpp"), *(ROOT / "python" / "tightrope").rglob("*.py")]
    program = "\n".join(literals(source) for source in sources)
    assert [row for row in rows if row not in program] == []
