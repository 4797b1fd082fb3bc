// SPDX-License-Identifier: Apache-2.0
#include "onnx/runtime.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope::onnx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "TIGHTROPE_ONNXRUNTIME";
constexpr const char* kAdvice =
    "`pip install onnxruntime` brings one for Python; elsewhere TIGHTROPE_ONNXRUNTIME gives the path of "
    "libonnxruntime.so";

std::mutex told_mutex;
fs::path told;

fs::path told_path() {
  const std::lock_guard lock(told_mutex);
  return told;
}

// The packages of the library differ in how much of the version they put into the file name.
std::optional<fs::path> library_in(const fs::path& folder) {
  std::optional<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path& path = entry.path();
    if (path.filename().string().starts_with("libonnxruntime.so") && (!found || path < *found)) found = path;
  }
  return found;
}

// Local: the symbols of another copy, such as the one inside Python's package, never mix with these.
void* open_library(const std::string& name) { return dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL); }

void* open_given(const std::string& origin, const fs::path& path) {
  if (void* library = open_library(path.string())) return library;
  const char* reason = dlerror();
  throw IoError(fmt::format("[onnxruntime] {}: {}; the library of ONNX Runtime is needed to run ONNX models: {}",
                            origin, reason, kAdvice),
                false);
}

void* open_any() {
  if (const char* given = std::getenv(kVariable); given != nullptr && *given != '\0') {
    return open_given(kVariable, given);
  }
  if (const fs::path path = told_path(); !path.empty()) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) return open_given("the library that was set", path);
    if (const auto library = library_in(path)) return open_given("the onnxruntime package", *library);
  }
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
    if (void* library = open_library(name)) return library;
  }
  throw IoError(
      fmt::format("[onnxruntime] no libonnxruntime.so was found; ONNX models are run by ONNX Runtime: {}", kAdvice),
      false);
}

// ONNX Runtime 1.N has the API version N.
int api_version(std::string_view version) {
  int minor = 0;
  if (!version.starts_with("1.")) return 0;
  version.remove_prefix(2);
  std::from_chars(version.data(), version.data() + version.size(), minor);
  return minor;
}

// What ONNX Runtime says while it works is of no use to a user; what fails also comes as an exception.
void pass_on_message(void*, OrtLoggingLevel, const char* category, const char*, const char*, const char* message) {
  try {
    log(LogLevel::kDebug, fmt::format("[onnxruntime] {}: {}", category, message));
  } catch (...) {  // nothing may fly through the library
  }
}

struct Runtime {
  std::string version;
  Ort::Env environment;
};

Runtime* open_runtime() {
  void* library = open_any();
  const auto fail = [&](const std::string& found) {
    dlclose(library);
    throw IoError(
        fmt::format("[onnxruntime] {}; ONNX Runtime 1.{} or newer is needed: {}", found, ORT_API_VERSION, kAdvice),
        false);
  };
  const auto base_of = reinterpret_cast<decltype(&OrtGetApiBase)>(dlsym(library, "OrtGetApiBase"));
  if (base_of == nullptr) fail("the library that was found is not that of ONNX Runtime");
  const OrtApiBase* base = base_of();
  const std::string version = base->GetVersionString();
  // An old library that is asked for a new API prints to the terminal: the version is compared before.
  const OrtApi* api = api_version(version) < ORT_API_VERSION ? nullptr : base->GetApi(ORT_API_VERSION);
  if (api == nullptr) fail(fmt::format("the library that was found is ONNX Runtime {}", version));
  Ort::InitApi(api);
  return new Runtime{version, Ort::Env(ORT_LOGGING_LEVEL_WARNING, "tightrope", pass_on_message, nullptr)};
}

// Never closed: sessions may outlive every other object of the process.
Runtime& the_runtime() {
  static Runtime* const opened = open_runtime();
  return *opened;
}

}  // namespace

void set_onnxruntime_library(fs::path path) {
  const std::lock_guard lock(told_mutex);
  told = std::move(path);
}

Ort::Env& runtime() { return the_runtime().environment; }

std::string runtime_version() { return the_runtime().version; }

}  // namespace tightrope::onnx
