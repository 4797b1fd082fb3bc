# SPDX-License-Identifier: Apache-2.0
"""The command line as a Python entry point: the same code as the binary.

A package of its own, because `import tightrope` takes OpenVINO's Python package and numpy with it, which is longer than
anybody wants to wait for a help text.
"""

import ctypes
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def _folder(package: str) -> Path | None:
    """Where a package is installed; nothing is imported."""
    found = importlib.util.find_spec(package)
    locations = (found and found.submodule_search_locations) or ()
    return next(map(Path, locations), None)


def _load_openvino() -> None:
    """The library inside the openvino package, for the core to find its symbols in."""
    folder = _folder("openvino")
    library = next(folder.glob("libs/libopenvino.so*"), None) if folder else None
    if library is None:
        raise ImportError("the openvino package was not found, or is not the one for Linux")
    ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_GLOBAL)


def _load_core() -> ModuleType:
    folder = _folder("tightrope")
    assert folder is not None
    path = next(
        folder / f"_core{end}" for end in importlib.machinery.EXTENSION_SUFFIXES if (folder / f"_core{end}").exists()
    )
    loader = importlib.machinery.ExtensionFileLoader("tightrope._core", str(path))
    spec = importlib.util.spec_from_file_location("tightrope._core", path, loader=loader)
    assert spec is not None
    core = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = core  # for `tightrope`, should it be imported later
    loader.exec_module(core)
    return core


def _check_version(built: tuple[int, int]) -> None:
    installed = importlib.metadata.version("openvino")
    if tuple(int(part) for part in installed.split(".")[:2]) != built and not os.environ.get("TIGHTROPE_ANY_OPENVINO"):
        raise ImportError(
            f"openvino {installed} is installed; tightrope was built for {built[0]}.{built[1]} "
            f"(install openvino=={built[0]}.{built[1]}.*, or set TIGHTROPE_ANY_OPENVINO=1 to try)"
        )


def _cluster(address: str) -> Any:
    """Of --dask, which is worth the time to import `tightrope`."""
    from tightrope.parallel.cluster import connect

    return connect(address)


def main() -> int:
    try:
        _load_openvino()
        core = _load_core()
        _check_version(core.openvino_versions())
    except (ImportError, OSError) as error:
        print(f"tightrope: error: {error}", file=sys.stderr)
        return 1
    onnxruntime = _folder("onnxruntime")
    if onnxruntime is not None:
        core.set_onnxruntime_library(str(onnxruntime / "capi"))
    code: int = core.run_command_line(sys.argv[1:], _cluster)
    return code
