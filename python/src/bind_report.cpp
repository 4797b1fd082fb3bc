// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <optional>

#include "bind.h"
#include "tightrope/model.h"
#include "tightrope/report.h"
#include "tightrope/report_page.h"

namespace tightrope::python {

void bind_report(py::module_& module) {
  module.def(
      "report_to_text", [](const std::string& json) { return to_text(report_from_json(json)); }, py::arg("json"));
  module.def(
      "report_to_html",
      [](const std::string& json, const std::string& title, std::optional<const Model*> model) {
        const py::gil_scoped_release release;
        return to_html(report_from_json(json), {.title = title, .graph = model ? &(*model)->graph() : nullptr});
      },
      py::arg("json"), py::arg("title"), py::arg("model"), "The report as a page; with a model, its network is drawn.");
}

}  // namespace tightrope::python
