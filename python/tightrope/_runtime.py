# SPDX-License-Identifier: Apache-2.0
"""Loads the compiled core onto the OpenVINO that the process uses, and connects it to ONNX Runtime and logging."""

import ctypes
import importlib.util
import os
from typing import Any

import openvino

from tightrope.errors import InstallationError
from tightrope.log import get_logger


def _promote_openvino() -> None:
    """Makes the symbols of the libopenvino that `import openvino` has loaded visible to the core.

    The core is built without a dependency on one file name, which changes even with a patch release. A second copy of
    the library must never be loaded.
    """
    with open("/proc/self/maps") as maps:
        path = next((line.split()[-1] for line in maps if "/libopenvino.so" in line), None)
    if path is None:
        raise InstallationError(
            "[import] the openvino package has loaded no libopenvino.so; a Linux package of it is needed"
        )
    ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_GLOBAL | os.RTLD_NOLOAD)


def _check_version(built: tuple[int, int]) -> None:
    installed = openvino.get_version().split("-")[0]
    if tuple(int(part) for part in installed.split(".")[:2]) != built and not os.environ.get("TIGHTROPE_ANY_OPENVINO"):
        raise InstallationError(
            f"[import] openvino {installed} is installed; tightrope was built for {built[0]}.{built[1]} "
            f"(install openvino=={built[0]}.{built[1]}.*, or set TIGHTROPE_ANY_OPENVINO=1 to try)"
        )


def _tell_onnxruntime() -> None:
    """Tells the core where the library of an installed onnxruntime package is, which it opens only to run ONNX models.

    The package itself is not imported: its extension holds a copy of the library that the core cannot use.
    """
    package = importlib.util.find_spec("onnxruntime")
    for folder in (package and package.submodule_search_locations) or ():
        _core.set_onnxruntime_library(os.path.join(folder, "capi"))


_promote_openvino()
try:
    from tightrope import _core as _core
except ImportError as error:
    raise InstallationError(
        f"[import] the compiled core does not load with openvino {openvino.get_version()}: {error}"
    ) from error
_check_version(_core.openvino_versions())
_tell_onnxruntime()


def handle(model: openvino.Model) -> Any:
    """The object inside an `openvino.Model` that the core can share."""
    inner = getattr(model, "_Model__model", None)
    if inner is None:
        raise InstallationError(f"[model] openvino {openvino.get_version()} keeps its models in an unknown way")
    return inner


def write_log(level: int, message: str) -> None:
    get_logger().log(level, "%s", message)


_core.set_log_sink(write_log)
