// SPDX-License-Identifier: Apache-2.0
// Stands for a library of ONNX Runtime that is older than the headers. Asking it for its functions would be a mistake.
#include <onnxruntime_c_api.h>

#include <cstdint>
#include <cstdlib>

namespace {

const OrtApi* get_api(std::uint32_t) noexcept { std::abort(); }
const char* get_version() noexcept { return "1.10.2"; }

const OrtApiBase base = {get_api, get_version};

}  // namespace

extern "C" __attribute__((visibility("default"))) const OrtApiBase* OrtGetApiBase() noexcept { return &base; }
