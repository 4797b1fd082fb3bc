// SPDX-License-Identifier: Apache-2.0
#include "bind.h"

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
  bind_command_line(module);
}
