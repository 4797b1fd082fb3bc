// SPDX-License-Identifier: Apache-2.0
// Checks of input and output paths before the work starts, and text files that are written whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope::cli {

// Throws IoError where `path` is no file that can be opened. `what` names it: "model".
void check_input(const std::filesystem::path& path, std::string_view what);

// The same of data, which may be a folder.
void check_data(const std::filesystem::path& path, std::string_view what);

// The files that make up the model at `path`: an IR has its weights in a second one, an ONNX file may have others.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& path);
std::uintmax_t total_size(std::span<const std::filesystem::path> files);

// Throws InvalidArgument where an output is an input or another output, IoError where one cannot be created.
void check_outputs(std::span<const std::filesystem::path> outputs, std::span<const std::filesystem::path> inputs);

// The file in a work_dir that says what its run was asked.
inline constexpr const char* kConfigurationName = "quantize.toml";

bool is_page(const std::filesystem::path& path);  // ends in .html or .htm

// Throws IoError.
std::string read_text(const std::filesystem::path& path, std::string_view what);

// A text file under a temporary name in the right folder; it takes its place with commit(), or vanishes.
class StagedFile {
 public:
  StagedFile(std::filesystem::path path, std::string_view text);  // throws IoError
  ~StagedFile();
  StagedFile(StagedFile&& other) noexcept;
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  void commit();  // throws IoError

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty: nothing to remove
};

}  // namespace tightrope::cli
