// SPDX-License-Identifier: Apache-2.0
// ONNX models run by ONNX Runtime.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onnx/onnx_model.h"
#include "tightrope/model.h"

namespace tightrope::onnx {

// Compiles a network, which is no longer needed afterwards: ONNX Runtime copies its constants, once, from where they
// are. The session gives the values called `outputs`, which must be outputs of the model; none: all outputs of the
// model. `options.device` is "CPU" or the name of another execution provider ("CUDA"). Throws IoError where ONNX
// Runtime is missing (runtime.h), InvalidArgument for options and outputs that are not there, Unsupported for inputs
// and outputs that are no tensors of numbers and where the model without its larger constants is beyond 2 GB,
// QuantizationError where the model does not run.
std::unique_ptr<Session> make_session(const Network& network, const CompileOptions& options,
                                      const std::vector<std::string>& outputs = {});

}  // namespace tightrope::onnx
