// SPDX-License-Identifier: Apache-2.0
// Which files make up data: folders and lists.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tightrope/data.h"

namespace tightrope {

// A file per input, and the label: one number or more.
struct Entry {
  std::vector<std::filesystem::path> files;
  std::vector<double> label;
};

// By the ending of the name.
bool is_picture(const std::filesystem::path& path);
bool is_array(const std::filesystem::path& path);
bool is_list(const std::filesystem::path& path);
bool is_raw(const std::filesystem::path& path);

// At least one entry, with a file for each input or, where the model has several, for the one that data are for. Throws
// IoError, and InvalidArgument for what holds no data: see read_data().
std::vector<Entry> entries_in_folder(const std::filesystem::path& folder, std::span<const ModelInput> inputs,
                                     const std::string& labels);
std::vector<Entry> entries_in_list(const std::filesystem::path& list, std::size_t inputs);

}  // namespace tightrope
