// SPDX-License-Identifier: Apache-2.0
#include <pybind11/functional.h>

#include "bind.h"
#include "tightrope/log.h"

namespace tightrope::python {

void bind_log(py::module_& module) {
  module.def(
      "set_log_sink",
      [](py::object sink) {
        const auto kept = keep(std::move(sink));
        set_log_sink([kept](LogLevel level, std::string_view message) {
          const py::gil_scoped_acquire gil;
          constexpr int kLevels[] = {10, 20, 30, 40};  // of Python's logging module
          (*kept)(kLevels[static_cast<int>(level)], py::str(message.data(), message.size()));
        });
      },
      py::arg("sink"), "Sends log messages to sink(level, message), with the levels of the logging module.");
  module.def(
      "set_progress_sink",
      [](py::object sink) {
        const auto kept = keep(std::move(sink));
        set_progress_sink([kept](std::string_view stage, std::size_t done, std::size_t total) {
          const py::gil_scoped_acquire gil;
          if (PyErr_CheckSignals() != 0) throw py::error_already_set();
          (*kept)(py::str(stage.data(), stage.size()), done, total);
        });
      },
      py::arg("sink"), "Sends progress to sink(stage, done, total); total is 0 where it is not known.");
}

}  // namespace tightrope::python
