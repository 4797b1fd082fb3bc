// SPDX-License-Identifier: Apache-2.0
#include "data/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "data/npz.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

// By name; hidden ones left out.
std::vector<fs::path> content_of(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().starts_with(".")) paths.push_back(at->path());
  }
  if (error) throw IoError(fmt::format("cannot read the folder '{}': {}", folder.string(), error.message()), false);
  std::ranges::sort(paths);
  return paths;
}

template <typename Kind>
std::vector<fs::path> files_in(const fs::path& folder, Kind is_kind) {
  std::vector<fs::path> paths = content_of(folder);
  std::erase_if(paths, [&](const fs::path& path) { return fs::is_directory(path) || !is_kind(path); });
  return paths;
}

std::vector<Entry> one_input(std::vector<fs::path> paths) {
  std::vector<Entry> entries;
  for (fs::path& path : paths) entries.push_back({{std::move(path)}, {}});
  return entries;
}

std::vector<Entry> of_classes(const std::vector<fs::path>& folders) {
  std::vector<Entry> entries;
  for (std::size_t label = 0; label < folders.size(); ++label) {
    for (fs::path& path : files_in(folders[label], is_picture))
      entries.push_back({{std::move(path)}, {static_cast<double>(label)}});
  }
  return entries;
}

// A folder for each input, with equally many files.
std::vector<Entry> of_inputs(const fs::path& folder, std::span<const ModelInput> inputs) {
  std::vector<Entry> entries;
  for (const ModelInput& input : inputs) {
    const std::vector<fs::path> paths = files_in(folder / input.name, is_array);
    if (entries.empty()) entries.resize(paths.size());
    if (paths.size() != entries.size()) {
      throw InvalidArgument(fmt::format("'{}' holds {} arrays and '{}' {}; all need equally many",
                                        (folder / inputs.front().name).string(), entries.size(),
                                        (folder / input.name).string(), paths.size()));
    }
    for (std::size_t i = 0; i < paths.size(); ++i) entries[i].files.push_back(paths[i]);
  }
  return entries;
}

void add_labels(std::vector<Entry>& entries, const fs::path& path) {
  const Tensor labels = read_npy(path);
  if (labels.shape().empty() || labels.shape()[0] != static_cast<std::int64_t>(entries.size())) {
    throw InvalidArgument(fmt::format("'{}' has shape {}; there are {} items, each of which needs a label",
                                      path.string(), to_string(labels.shape()), entries.size()));
  }
  const std::vector<double> values = labels.to_doubles();
  const auto each = static_cast<std::ptrdiff_t>(values.size() / entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(i) * each;
    entries[i].label.assign(first, first + each);
  }
}

std::vector<std::string> words_of(const std::string& line) {
  const bool by_tabs = line.find('\t') != std::string::npos;
  const char* const gaps = by_tabs ? "\t\r" : " \r";
  std::vector<std::string> words;
  for (std::size_t at = line.find_first_not_of(gaps); at != std::string::npos;) {
    const std::size_t end = line.find_first_of(gaps, at);
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(gaps, end);
  }
  return words;
}

}  // namespace

bool is_picture(const fs::path& path) {
  const std::string ending = ending_of(path);
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".bmp";
}
bool is_array(const fs::path& path) { return ending_of(path) == ".npy"; }
bool is_raw(const fs::path& path) { return ending_of(path) == ".bin" || ending_of(path) == ".raw"; }
bool is_list(const fs::path& path) { return ending_of(path) == ".txt"; }

std::vector<Entry> entries_in_folder(const fs::path& folder, std::span<const ModelInput> inputs,
                                     const std::string& labels) {
  const fs::path label_file = folder / (labels + ".npy");
  const auto is_item = [&](const fs::path& path) { return is_array(path) && (labels.empty() || path != label_file); };
  std::vector<Entry> entries = one_input(files_in(folder, is_item));
  const bool by_input = entries.empty() && std::ranges::all_of(inputs, [&](const ModelInput& input) {
                          return !input.name.empty() && fs::is_directory(folder / input.name);
                        });
  if (by_input) entries = of_inputs(folder, inputs);
  if (!entries.empty() && !labels.empty()) add_labels(entries, label_file);
  if (entries.empty()) entries = one_input(files_in(folder, is_picture));
  if (entries.empty()) {
    std::vector<fs::path> folders = content_of(folder);
    std::erase_if(folders, [](const fs::path& path) { return !fs::is_directory(path); });
    entries = of_classes(folders);
  }
  if (entries.empty()) entries = one_input(files_in(folder, is_raw));
  if (!entries.empty()) return entries;
  throw InvalidArgument(fmt::format(
      "the folder '{}' holds no data; pictures (.png, .jpg, .bmp), folders of them by class, arrays (.npy) or "
      "raw elements (.bin, .raw) are needed",
      folder.string()));
}

std::vector<Entry> entries_in_list(const fs::path& list, std::size_t inputs) {
  std::ifstream file(list);
  if (!file) throw IoError(fmt::format("cannot read the list '{}': it cannot be opened", list.string()), false);
  std::vector<Entry> entries;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::vector<std::string> words = words_of(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    const auto fail = [&](const std::string& what) {
      throw InvalidArgument(fmt::format("'{}', line {}: {}", list.string(), number, what));
    };
    if (words.size() < inputs) fail(fmt::format("{} files are needed, one per input of the model", inputs));
    Entry entry;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i < inputs) {
        entry.files.push_back(list.parent_path() / words[i]);
        continue;
      }
      double value = 0;
      const auto [end, error] = std::from_chars(words[i].data(), words[i].data() + words[i].size(), value);
      if (error != std::errc() || end != words[i].data() + words[i].size())
        fail(fmt::format("the label is '{}'; a number is needed", words[i]));
      entry.label.push_back(value);
    }
    if (!entries.empty() && entry.label.size() != entries.front().label.size())
      fail(fmt::format("there are {} labels and {} in the first line", entry.label.size(),
                       entries.front().label.size()));
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) throw InvalidArgument(fmt::format("the list '{}' names no files", list.string()));
  return entries;
}

}  // namespace tightrope
