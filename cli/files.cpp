// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "tightrope/error.h"
#include "tightrope/onnx.h"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

fs::path temporary_beside(const fs::path& path) {
  return path.parent_path() / fmt::format(".{}.{}.partial", path.filename().string(), getpid());
}

bool same_file(const fs::path& first, const fs::path& second) {
  std::error_code error;
  if (fs::equivalent(first, second, error)) return true;
  const fs::path one = fs::weakly_canonical(first, error);
  if (error) return false;
  const fs::path two = fs::weakly_canonical(second, error);
  return !error && one == two;
}

[[noreturn]] void cannot_write(const fs::path& path, std::string_view why) {
  throw IoError(fmt::format("cannot write '{}': {}", path.string(), why), true);
}

void check_writable(const fs::path& path) {
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (path.filename().empty()) cannot_write(path, "a file name is needed, not a folder");
  const auto status = fs::status(folder, error);
  if (!fs::exists(status)) cannot_write(path, fmt::format("there is no folder '{}'", folder.string()));
  if (!fs::is_directory(status)) cannot_write(path, fmt::format("'{}' is not a folder", folder.string()));
  const auto target = fs::status(path, error);
  if (fs::exists(target) && !fs::is_regular_file(target)) cannot_write(path, "it exists and is not a regular file");

  const fs::path temporary = temporary_beside(path);
  errno = 0;
  const bool created = std::ofstream(temporary).is_open();
  const int reason = errno;
  fs::remove(temporary, error);
  if (!created) {
    cannot_write(path, fmt::format("no file can be created in '{}' ({})", folder.string(), std::strerror(reason)));
  }
}

}  // namespace

void check_input(const fs::path& path, std::string_view what) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw IoError(fmt::format("cannot read the {} '{}': there is no such file", what, path.string()), false);
  }
  if (fs::is_directory(status)) {
    throw IoError(fmt::format("cannot read the {} '{}': it is a folder; a file is needed", what, path.string()), false);
  }
  errno = 0;
  if (!std::ifstream(path)) {
    throw IoError(fmt::format("cannot read the {} '{}': {}", what, path.string(), std::strerror(errno)), false);
  }
}

void check_data(const fs::path& path, std::string_view what) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) check_input(path, what);
}

std::vector<fs::path> model_files(const fs::path& path) {
  if (path.extension() == ".xml") return {path, fs::path(path).replace_extension(".bin")};
  if (path.extension() == ".onnx") return files_of_onnx(path);
  return {path};
}

std::uintmax_t total_size(std::span<const fs::path> files) {
  std::uintmax_t total = 0;
  for (const fs::path& file : files) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (!error) total += size;
  }
  return total;
}

void check_outputs(std::span<const fs::path> outputs, std::span<const fs::path> inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const fs::path& input : inputs) {
      if (same_file(outputs[i], input)) {
        throw InvalidArgument(fmt::format("the output '{}' would overwrite the input '{}'; another path is needed",
                                          outputs[i].string(), input.string()));
      }
    }
    for (const fs::path& other : outputs.first(i)) {
      if (same_file(outputs[i], other)) {
        throw InvalidArgument(
            fmt::format("'{}' is asked for as two outputs; different paths are needed", other.string()));
      }
    }
  }
  for (const fs::path& output : outputs) check_writable(output);
}

bool is_page(const fs::path& path) { return path.extension() == ".html" || path.extension() == ".htm"; }

std::string read_text(const fs::path& path, std::string_view what) {
  check_input(path, what);
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) throw IoError(fmt::format("cannot read the {} '{}'", what, path.string()), false);
  return text;
}

StagedFile::StagedFile(fs::path path, std::string_view text)
    : path_(std::move(path)), temporary_(temporary_beside(path_)) {
  errno = 0;
  std::ofstream file(temporary_, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) {
    const int reason = errno;
    std::error_code ignored;
    fs::remove(temporary_, ignored);
    cannot_write(path_, std::strerror(reason));
  }
}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

StagedFile::~StagedFile() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void StagedFile::commit() {
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) cannot_write(path_, error.message());
  temporary_.clear();
}

}  // namespace tightrope::cli
