// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <iostream>

#include "bind.h"
#include "cli.h"

PYBIND11_MODULE(_core, module) {
  using namespace tightrope::python;
  module.doc() = "The compiled core of Tightrope. Not for direct use: the package's own modules are the interface.";
  module.attr("__version__") = TIGHTROPE_VERSION;
  bind_errors(module);
  bind_log(module);
  bind_plan(module);
  bind_model(module);
  bind_onnxruntime(module);
  bind_onnx(module);
  bind_ranking(module);
  bind_quantize(module);
  bind_report(module);
  module.def(
      "run_command_line",
      [](const std::vector<std::string>& arguments) {
        const py::gil_scoped_release release;
        tightrope::cli::stop_on_interrupt();
        return tightrope::cli::run(arguments, std::cout, std::cerr);
      },
      py::arg("arguments"),
      "Runs the command line on these arguments (without the program's name); returns the exit code.");
}
