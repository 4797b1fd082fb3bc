// SPDX-License-Identifier: Apache-2.0
// What the binding's sources share.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>

#include "accuracy/ranking.h"

namespace tightrope::python {

namespace py = pybind11;

// A Python object that C++ holds on to and may let go of on any thread.
inline std::shared_ptr<py::object> keep(py::object object) {
  return {new py::object(std::move(object)), [](py::object* kept) {
            if (Py_IsInitialized() == 0) return;  // the process ends: nothing is left to release it to
            const py::gil_scoped_acquire gil;
            delete kept;
          }};
}

// Scores by a Python function of (ranking, done), where done(group, score) says whether it wants more. Empty for None.
ScoreElsewhere scores_with(const std::optional<py::object>& function);

void bind_command_line(py::module_& module);
void bind_errors(py::module_& module);
void bind_log(py::module_& module);
void bind_model(py::module_& module);
void bind_onnxruntime(py::module_& module);
void bind_onnx(py::module_& module);
void bind_plan(py::module_& module);
void bind_quantize(py::module_& module);
void bind_ranking(py::module_& module);
void bind_report(py::module_& module);

}  // namespace tightrope::python
