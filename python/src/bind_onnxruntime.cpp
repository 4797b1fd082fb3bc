// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "bind.h"
#include "onnx/runtime.h"

namespace tightrope::python {

void bind_onnxruntime(py::module_& module) {
  module.def(
      "set_onnxruntime_library", [](const std::string& path) { onnx::set_onnxruntime_library(path); }, py::arg("path"),
      "Tells where the library of ONNX Runtime is: its path, or a folder that may hold it.");
  module.def(
      "onnxruntime_version",
      [] {
        const py::gil_scoped_release release;
        return onnx::runtime_version();
      },
      "Version of the library that runs ONNX models; opens it.");
}

}  // namespace tightrope::python
