// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "bind.h"
#include "tightrope/plan.h"

namespace tightrope::python {

void bind_plan(py::module_& module) {
  py::class_<Plan>(module, "Plan", "The quantization as data.")
      .def_static("from_json", &plan_from_json, py::arg("json"))
      .def("to_json", [](const Plan& plan) { return to_json(plan); })
      .def_property_readonly("empty", &Plan::empty)
      .def_property_readonly("operations", &quantized_operations, "Names of the operations that run in 8 bits, sorted.")
      .def("__eq__", [](const Plan& a, const Plan& b) { return a == b; }, py::is_operator());
}

}  // namespace tightrope::python
