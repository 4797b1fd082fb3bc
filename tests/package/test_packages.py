# SPDX-License-Identifier: Apache-2.0
"""What the packages hold. scripts/check_packages.sh runs this in an environment that has the wheel only."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

DIST = Path(os.environ.get("TIGHTROPE_DIST", "dist"))
ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()


def output_of(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, **options).stdout


def the_only(pattern):
    (path,) = DIST.glob(pattern)
    return path


@pytest.fixture(scope="module")
def wheel():
    return the_only("tightrope-*.whl")


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """The Debian packages, unpacked into one folder."""
    folder = tmp_path_factory.mktemp("debian")
    for package in DIST.glob("*.deb"):
        output_of("dpkg-deb", "-x", package, folder)
    return folder / "usr"


def test_the_sdist_has_what_building_needs_and_nothing_else():
    with tarfile.open(the_only("tightrope-*.tar.gz")) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames()]
    first = {name.split("/")[0] for name in names}
    assert first == {
        *("CHANGELOG.md", "CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "VERSION", "pyproject.toml"),
        *("cli", "cmake", "include", "packaging", "python", "scripts", "src", "third_party"),
    }
    assert not [name for name in names if name.startswith("python/tests") or name.endswith((".xml", ".bin", ".png"))]


def test_the_installed_package_is_the_wheel():
    import tightrope

    assert Path(tightrope.__file__).is_relative_to(sys.prefix)
    assert tightrope.__version__ == importlib.metadata.version("tightrope") == VERSION
    assert output_of(f"{sys.prefix}/bin/tightrope", "--version") == f"tightrope {VERSION}\n"


def test_the_wheel_says_what_it_needs():
    metadata = importlib.metadata.metadata("tightrope")
    required = importlib.metadata.requires("tightrope")
    assert "openvino<2026.5,>=2026.4" in required
    assert {"onnx", "dask", "mpi"} <= set(metadata.get_all("Provides-Extra"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_wheel_has_licenses_and_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("LICENSE", "third_party/NOTICES.txt", "third_party/d3/LICENSE"):
        assert f"tightrope-{VERSION}.dist-info/licenses/{name}" in names
    assert {"tightrope/py.typed", "tightrope/_core.pyi", "tightrope_command/__init__.py"} <= set(names)
    assert not [name for name in names if "tests" in name]


def test_the_wheel_needs_only_libraries_that_every_linux_has(wheel, tmp_path):
    assert re.search(r"manylinux_2_\d+_x86_64|manylinux_2_\d+_aarch64", wheel.name)
    zipfile.ZipFile(wheel).extractall(tmp_path)
    libraries = list(tmp_path.rglob("*.so*"))
    inside = {path.name for path in libraries}
    needed = {name for path in libraries for name in re.findall(r"NEEDED.*\[(.*)\]", output_of("readelf", "-d", path))}
    assert any(name.startswith("libprotobuf-lite") for name in inside)
    outside = {name.split(".so")[0] for name in needed - inside}
    assert outside <= {"libc", "libm", "libgcc_s", "libstdc++", "libz", "ld-linux-x86-64", "ld-linux-aarch64"}


def test_debian_packages_depend_on_what_debian_has():
    fields = {path.name.split("_")[0]: output_of("dpkg-deb", "-f", path) for path in DIST.glob("*.deb")}
    assert fields.keys() == {"tightrope", "libtightrope-dev"}
    assert re.search(r"^Depends: .*libprotobuf-lite32.*libsqlite3-0", fields["tightrope"], re.M)
    assert re.search(r"^Depends: .*zlib1g-dev, libsqlite3-dev, libprotobuf-dev", fields["libtightrope-dev"], re.M)
    for text in fields.values():
        assert f"Version: {VERSION}-1\n" in text


def test_the_debian_command_line_runs_and_has_its_manual_and_completions(debian):
    environment = {**os.environ, "TIGHTROPE_OPENVINO": sys.prefix}
    program = debian / "bin" / "tightrope"
    assert output_of(program, "--version", env=environment) == f"tightrope {VERSION}\n"
    for name in (
        *("bash-completion/completions/tightrope", "zsh/vendor-completions/_tightrope"),
        *("fish/vendor_completions.d/tightrope.fish", "doc/tightrope/copyright", "doc/libtightrope-dev/copyright"),
    ):
        assert (debian / "share" / name).stat().st_size > 0
    commands = re.findall(r"^Usage: tightrope (\w+) ", output_of(program, "--help", env=environment), re.M)
    pages = {page.name for page in (debian / "share/man/man1").iterdir()}
    assert pages == {"tightrope.1.gz", *(f"tightrope-{command}.1.gz" for command in commands)}
    manual = output_of("zcat", debian / "share/man/man1/tightrope.1.gz")
    assert "TIGHTROPE_OPENVINO" in manual and ".SH EXAMPLES" in manual


def test_a_project_finds_the_debian_library(debian, tmp_path):
    import openvino

    openvino_dir = Path(openvino.__file__).parent / "cmake"
    options = [f"-DCMAKE_PREFIX_PATH={debian}", f"-DOpenVINO_DIR={openvino_dir}"]
    output_of("cmake", "-S", ROOT / "examples/cpp", "-B", tmp_path, *options)
    cache = (tmp_path / "CMakeCache.txt").read_text()
    assert f"tightrope_DIR:PATH={debian}/lib/" in cache


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")
def test_lintian_has_nothing_to_say():
    found = output_of(
        "lintian", "--fail-on=none", "--suppress-tags", "initial-upload-closes-no-bugs", *DIST.glob("*.deb")
    )
    assert [line for line in found.splitlines() if line[:2] in ("E:", "W:")] == []
