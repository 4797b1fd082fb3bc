// SPDX-License-Identifier: Apache-2.0
// Tensors and samples as numpy's arrays.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "tightrope/dataset.h"
#include "tightrope/tensor.h"

namespace tightrope::python {

// A copy: data sources may fill the same array anew for the next item while this one is still in use.
Tensor tensor_of(const py::array& array);

// A copy. Throws Unsupported for types that numpy lacks.
py::array array_of(const Tensor& tensor);

// From and to what Python has for a sample: a list of (name of the input, C-contiguous array).
Sample sample_of(const py::handle& inputs);
py::list inputs_of(const Sample& sample);

}  // namespace tightrope::python
