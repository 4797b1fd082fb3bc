// SPDX-License-Identifier: Apache-2.0
// Formats of models: what the ending of a file and the option --to say about where a model is run and how it is saved.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tightrope/model.h"

namespace tightrope::cli {

// Of a result. All of the work is done in the framework that it is for.
enum class Format { kOnnx, kOpenVino };

// `to` is "onnx", "openvino", or empty: the ending of the output decides.
// Throws InvalidArgument where model, output and `to` don't go together, IoError for a model in neither format.
Format format_for(const std::filesystem::path& model, const std::filesystem::path& output, const std::string& to);

// The same without an output: the format of the model unless `to` says otherwise.
Format format_for(const std::filesystem::path& model, const std::string& to);

// Reads a model for results in `format`: an ONNX file by OpenVINO where that is kOpenVino.
std::unique_ptr<Model> read_model(const std::filesystem::path& path, Format format);

}  // namespace tightrope::cli
