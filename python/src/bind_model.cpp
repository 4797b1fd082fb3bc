// SPDX-License-Identifier: Apache-2.0
// OpenVINO's Python objects are used as they are, without a copy: both extensions run on one libopenvino.
#include <pybind11/conduit/pybind11_conduit_v1.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "openvino/openvino_model.h"
#include "tightrope/data.h"

namespace tightrope::python {
namespace {

std::shared_ptr<ov::Model> shared_model(const py::handle& object) {
  auto* model = pybind11_conduit_v1::get_type_pointer_ephemeral<ov::Model>(object.ptr());
  if (model == nullptr) {
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    throw py::type_error("an object of OpenVINO's extension for models is needed");
  }
  return model->shared_from_this();
}

}  // namespace

void bind_model(py::module_& module) {
  py::class_<Model>(module, "Model",
                    "A model of the user's, which is never changed, and the base made of a clone of it.")
      .def(py::init([](const py::object& original, const py::object& clone) {
             const auto network = shared_model(original);
             const auto base = shared_model(clone);
             const py::gil_scoped_release release;
             return openvino::make_model(network, base);
           }),
           py::arg("original"), py::arg("clone"))
      .def_property_readonly("framework", &Model::framework)
      .def_property_readonly(
          "inputs", [](const Model& model) { return inputs_of(model.graph()).size(); }, "How many there are.");
  module.def(
      "rewrite",
      [](const py::object& clone, const Plan& plan) {
        const auto network = shared_model(clone);
        const py::gil_scoped_release release;
        openvino::rewrite(*network, plan);
      },
      py::arg("clone"), py::arg("plan"), "Rewrites a clone of a base by the plan.");
  module.def(
      "save_ir",
      [](const py::object& model, const std::string& path) {
        const auto network = shared_model(model);
        const py::gil_scoped_release release;
        openvino::save_ir(network, path);
      },
      py::arg("model"), py::arg("path"), "Writes both files of an IR, or none.");
  module.def(
      "openvino_versions", [] { return py::make_tuple(OPENVINO_VERSION_MAJOR, OPENVINO_VERSION_MINOR); },
      "Major and minor version of OpenVINO that the module was built for.");
}

}  // namespace tightrope::python
