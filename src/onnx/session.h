// SPDX-License-Identifier: Apache-2.0
// ONNX models run by ONNX Runtime.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tightrope/model.h"

namespace tightrope::onnx {

// Compiles a serialized ModelProto, which is no longer needed afterwards. `folder` is where its external data lies.
// The session gives the values called `outputs`, which must be outputs of the model; none: all outputs of the model.
// `options.device` is "CPU" or the name of another execution provider ("CUDA").
// Throws IoError where ONNX Runtime is missing (runtime.h), InvalidArgument for options and outputs that are not there,
// Unsupported for inputs and outputs that are no tensors of numbers, QuantizationError where the model does not run.
std::unique_ptr<Session> make_session(std::span<const std::byte> model, const std::filesystem::path& folder,
                                      const CompileOptions& options, const std::vector<std::string>& outputs = {});

// The same for a file, with its external data beside it. Throws IoError where it can't be read.
std::unique_ptr<Session> make_session(const std::filesystem::path& file, const CompileOptions& options,
                                      const std::vector<std::string>& outputs = {});

}  // namespace tightrope::onnx
