// SPDX-License-Identifier: Apache-2.0
#include "openvino_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "openvino/core/version.hpp"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "TIGHTROPE_OPENVINO";
constexpr const char* kName = "libopenvino.so";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::set<fs::path> entries(const fs::path& folder, const std::string& beginning) {
  std::set<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(beginning)) found.insert(entry.path());
  }
  return found;
}

// The library in a folder of libraries, a Python environment, the package `openvino`, or an unpacked release.
std::vector<fs::path> libraries_under(const fs::path& root) {
  std::vector<fs::path> folders = {root, root / "libs", root / "lib", root / "runtime/lib/intel64",
                                   root / "runtime/lib/aarch64"};
  for (const fs::path& python : entries(root / "lib", "python3")) {
    for (const char* packages : {"site-packages", "dist-packages"})
      folders.push_back(python / packages / "openvino/libs");
  }
  std::vector<fs::path> libraries;
  for (const fs::path& folder : folders) {
    const std::set<fs::path> found = entries(folder, kName);
    if (!found.empty()) libraries.push_back(*found.begin());
  }
  return libraries;
}

// Names that the loader may know: the patch release of the build first.
std::vector<fs::path> names_of_releases() {
  std::vector<fs::path> names;
  const auto add = [&](int patch) {
    names.push_back(fmt::format("{}.{}{}{}", kName, OPENVINO_VERSION_MAJOR % 100, OPENVINO_VERSION_MINOR, patch));
  };
  add(OPENVINO_VERSION_PATCH);
  for (int patch = 9; patch >= 0; --patch) add(patch);
  return names;
}

std::vector<fs::path> installed_libraries() {
  std::vector<fs::path> roots;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string root = variable(name); !root.empty()) roots.push_back(root);
  }
  if (const std::string home = variable("HOME"); !home.empty()) roots.push_back(fs::path(home) / ".local");
  roots.insert(roots.end(), {"/usr/local", "/usr"});
  for (const fs::path& release : entries("/opt/intel", "openvino")) roots.push_back(release);
  std::vector<fs::path> libraries = names_of_releases();
  for (const fs::path& root : roots) {
    const std::vector<fs::path> found = libraries_under(root);
    libraries.insert(libraries.end(), found.begin(), found.end());
  }
  return libraries;
}

bool is_supported(const std::string& version) {
  return version.starts_with(fmt::format("{}.{}.", OPENVINO_VERSION_MAJOR, OPENVINO_VERSION_MINOR)) ||
         !variable("TIGHTROPE_ANY_OPENVINO").empty();
}

// Loads `library` if its version is supported. Otherwise, or if it doesn't load, `refused` says why, unless there is
// no such file.
bool load(const fs::path& library, std::string& refused) {
  void* const handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) {
    if (fs::exists(library)) refused = dlerror();
    return false;
  }
  using Version = const ov::Version (*)();
  const auto version_of = reinterpret_cast<Version>(dlsym(handle, "get_openvino_version"));
  const std::string build = version_of ? version_of().buildNumber : "of an unknown version";
  const std::string version = build.substr(0, build.find('-'));
  if (is_supported(version)) return dlopen(library.c_str(), RTLD_LAZY | RTLD_GLOBAL | RTLD_NOLOAD) != nullptr;
  refused = fmt::format("OpenVINO {} was found in {}", version, library.string());
  dlclose(handle);
  return false;
}

}  // namespace

void load_openvino() {
  const std::string named = variable(kVariable);
  std::vector<fs::path> libraries = installed_libraries();
  if (!named.empty()) {
    libraries = libraries_under(named);
    if (!fs::is_directory(named)) libraries = {named};
  }
  std::string refused;
  for (const fs::path& library : libraries) {
    std::string reason;
    if (load(library, reason)) return;
    if (refused.empty()) refused = reason;
  }
  if (refused.empty()) refused = named.empty() ? "there is no OpenVINO" : fmt::format("there is none in '{}'", named);
  throw std::runtime_error(
      fmt::format("[start] {0}; OpenVINO {2}.{3} is needed: 'pip install openvino=={2}.{3}.*' in the active Python "
                  "environment, or in "
                  "another one that {1} names (TIGHTROPE_ANY_OPENVINO=1 tries any version)",
                  refused, kVariable, OPENVINO_VERSION_MAJOR, OPENVINO_VERSION_MINOR));
}

}  // namespace tightrope::cli
