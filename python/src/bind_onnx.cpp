// SPDX-License-Identifier: Apache-2.0
// ONNX models come and go as bytes: the messages of Python's onnx package belong to another library.
#include "bind.h"
#include "onnx/onnx_model.h"
#include "tightrope/onnx.h"

namespace tightrope::python {

void bind_onnx(py::module_& module) {
  module.def(
      "read_onnx",
      [](const py::bytes& model, const std::string& folder) {
        const std::string_view bytes = model;
        const py::gil_scoped_release release;
        return from_onnx({bytes.data(), bytes.size()}, folder);
      },
      py::arg("model"), py::arg("folder"),
      "A model of a serialized ModelProto, whose external data lie in this folder.");
  module.def(
      "apply_onnx",
      [](const Model& model, const Plan& plan) {
        std::string bytes;
        {
          const py::gil_scoped_release release;
          bytes = to_onnx(*model.apply(plan));
        }
        return py::bytes(bytes);
      },
      py::arg("model"), py::arg("plan"), "The serialized ModelProto of the model under the plan.");
  module.def(
      "save_onnx",
      [](const Model& model, const Plan& plan, const std::string& path) {
        const py::gil_scoped_release release;
        model.apply(plan)->save(path);
      },
      py::arg("model"), py::arg("plan"), py::arg("path"), "Writes all files of the model under the plan, or none.");
  module.def(
      "onnx_base",
      [](const py::bytes& model, const std::string& folder) {
        const std::string_view bytes = model;
        std::string base;
        {
          const py::gil_scoped_release release;
          onnx::Network network = onnx::parse_network({bytes.data(), bytes.size()}, folder);
          onnx::normalize(network);
          base = onnx::to_bytes(network);
        }
        return py::bytes(base);
      },
      py::arg("model"), py::arg("folder"), "The base of a serialized ONNX model, serialized.");
}

}  // namespace tightrope::python
