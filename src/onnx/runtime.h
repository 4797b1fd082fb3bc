// SPDX-License-Identifier: Apache-2.0
// The library of ONNX Runtime: found and opened when the first ONNX model is run, once per process. Nothing is linked,
// so that everything else works where it is missing.
#pragma once

#include <filesystem>
#include <string>

namespace Ort {
struct Env;
}

namespace tightrope::onnx {

// Tells where the library is: its path, or a folder that may hold it. Has no effect once the library is open.
void set_onnxruntime_library(std::filesystem::path path);

// The runtime of the process. Whatever of Ort is used, this is called first. The library is looked for in the
// environment variable TIGHTROPE_ONNXRUNTIME (its path), in what set_onnxruntime_library() told, and in the loader's
// search path. Throws IoError where it is missing, does not load or is older than the headers; the next call tries
// again.
Ort::Env& runtime();

std::string runtime_version();  // "1.23.0"; opens the library

}  // namespace tightrope::onnx
