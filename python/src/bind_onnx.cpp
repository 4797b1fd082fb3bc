// SPDX-License-Identifier: Apache-2.0
// ONNX models come as bytes: the messages of Python's onnx package belong to another library.
#include "bind.h"
#include "onnx/onnx_model.h"
#include "tightrope/options.h"
#include "tightrope/quantize.h"

namespace tightrope::python {

namespace {

onnx::Network base_of(std::string_view bytes, const std::string& folder) {
  onnx::Network network = onnx::parse_network({bytes.data(), bytes.size()}, folder);
  onnx::normalize(network);
  return network;
}

}  // namespace

void bind_onnx(py::module_& module) {
  module.def(
      "place_onnx",
      [](const py::bytes& model, const std::string& folder, const std::string& options) {
        const std::string_view bytes = model;
        const py::gil_scoped_release release;
        return place(onnx::read_graph(base_of(bytes, folder)), quantize_options_from_json(options));
      },
      py::arg("model"), py::arg("folder"), py::arg("options"),
      "Where quantizers go in a serialized ONNX model whose external data lie in this folder.");
  module.def(
      "onnx_base",
      [](const py::bytes& model, const std::string& folder) {
        const std::string_view bytes = model;
        std::string base;
        {
          const py::gil_scoped_release release;
          base = onnx::to_bytes(base_of(bytes, folder));
        }
        return py::bytes(base);
      },
      py::arg("model"), py::arg("folder"), "The base of a serialized ONNX model, serialized.");
}

}  // namespace tightrope::python
