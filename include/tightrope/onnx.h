// SPDX-License-Identifier: Apache-2.0
// ONNX models, run by ONNX Runtime.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tightrope/model.h"

namespace tightrope {

// Reads an ONNX file, with the external data beside it. Throws IoError, and Unsupported for operator sets out of range.
std::unique_ptr<Model> read_onnx(const std::filesystem::path& path);

// Takes a serialized ModelProto. `external_data` is the folder of its external data; empty: it has none.
// Throws InvalidArgument where the bytes are no model, Unsupported as above.
std::unique_ptr<Model> from_onnx(std::span<const char> model, const std::filesystem::path& external_data = {});

// The serialized ModelProto, for use with other libraries. Throws InvalidArgument for a Model of another framework,
// Unsupported for one that is larger than a ModelProto can be (2 GB).
std::string to_onnx(const Model& model);

// The file itself, and those beside it that hold its external data.
std::vector<std::filesystem::path> files_of_onnx(const std::filesystem::path& path);

// Where the library of ONNX Runtime is: its path, or a folder that may hold it. It is opened when the first ONNX model
// is run; without this call it is looked for in the environment variable TIGHTROPE_ONNXRUNTIME and where the loader
// looks.
void set_onnxruntime_library(const std::filesystem::path& path);

}  // namespace tightrope
