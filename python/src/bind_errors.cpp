// SPDX-License-Identifier: Apache-2.0
#include <openvino/core/except.hpp>

#include "bind.h"
#include "tightrope/error.h"

namespace tightrope::python {
namespace {

void raise(const char* name, const char* message) {
  const py::object type = py::module_::import("tightrope.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const InvalidArgument& caught) {
      raise("InvalidArgumentError", caught.what());
    } catch (const Unsupported& caught) {
      raise("UnsupportedError", caught.what());
    } catch (const QuantizationError& caught) {
      raise("QuantizationError", caught.what());
    } catch (const IoError& caught) {
      raise("IoError", caught.what());
    } catch (const Cancelled&) {
      PyErr_SetNone(PyExc_KeyboardInterrupt);
    } catch (const Error& caught) {
      raise("InternalError", caught.what());
    } catch (const ov::Exception& caught) {
      raise("QuantizationError", caught.what());
    }
  });
}

}  // namespace tightrope::python
