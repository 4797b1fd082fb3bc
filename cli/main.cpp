// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>

#include "openvino_library.h"

namespace {

namespace fs = std::filesystem;

constexpr int kCannotStart = 1;

// Beside the program in the build tree, else where it is installed.
fs::path module_path() {
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path built = folder / TIGHTROPE_MODULE;
  return fs::exists(built) ? built : folder / TIGHTROPE_MODULE_INSTALLED;
}

int run(int count, char** values) {
  tightrope::cli::load_openvino();
  void* const module = dlopen(module_path().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) throw std::runtime_error(std::string("[start] ") + dlerror());
  const auto command = reinterpret_cast<int (*)(int, char**)>(dlsym(module, "tightrope_run"));
  if (!command) throw std::runtime_error(std::string("[start] ") + dlerror());
  return command(count, values);
}

}  // namespace

int main(int count, char** values) {
  try {
    return run(count, values);
  } catch (const std::exception& error) {
    std::cerr << "tightrope: error: " << error.what() << '\n';
    return kCannotStart;
  }
}
