// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <iostream>

#include "bind.h"
#include "cli.h"
#include "tightrope/error.h"

namespace tightrope::python {
namespace {

// What a Python function makes of the address of a Dask scheduler; what it raises is a bad argument.
cli::Cluster cluster_with(const std::optional<py::object>& function) {
  if (!function) return {};
  return [kept = keep(*function)](const std::string& address) {
    const py::gil_scoped_acquire gil;
    try {
      return scores_with((*kept)(address));
    } catch (const py::error_already_set& error) {
      throw InvalidArgument(py::str(error.value()).cast<std::string>());
    }
  };
}

}  // namespace

void bind_command_line(py::module_& module) {
  module.def(
      "run_command_line",
      [](const std::vector<std::string>& arguments, const std::optional<py::object>& cluster) {
        const cli::Cluster connect = cluster_with(cluster);
        const py::gil_scoped_release release;
        cli::stop_on_interrupt();
        return cli::run(arguments, std::cout, std::cerr, connect);
      },
      py::arg("arguments"), py::arg("cluster") = py::none(),
      "Runs the command line on these arguments (without the program's name); returns the exit code. cluster(address) "
      "is asked for what find_plan takes as score_elsewhere, where there is --dask.");
}

}  // namespace tightrope::python
