// SPDX-License-Identifier: Apache-2.0
// Data in folders and lists of files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "data/arrays.h"
#include "data/image.h"
#include "data/npz.h"
#include "tightrope/data.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;

// A file per input, and the label: one number or more.
struct Entry {
  std::vector<fs::path> files;
  std::vector<double> label;
};

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

bool is_picture(const fs::path& path) {
  const std::string ending = ending_of(path);
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".bmp";
}
bool is_array(const fs::path& path) { return ending_of(path) == ".npy"; }
bool is_raw(const fs::path& path) { return ending_of(path) == ".bin" || ending_of(path) == ".raw"; }

// The elements of all tensors, one behind the other along axis 0.
Tensor joined(const std::vector<Tensor>& tensors, const fs::path& last) {
  if (tensors.size() == 1) return tensors.front();
  Shape shape = tensors.front().shape();
  shape[0] = 0;
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    const Shape& own = tensor.shape();
    if (tensor.type() != tensors.front().type() ||
        !std::equal(own.begin() + 1, own.end(), shape.begin() + 1, shape.end())) {
      throw InvalidArgument(fmt::format("'{}' has shape {} and does not fit into one batch with an item of shape {}",
                                        last.string(), to_string(own), to_string(tensors.front().shape())));
    }
    shape[0] += own[0];
    bytes += tensor.bytes();
  }
  const std::shared_ptr<std::uint64_t[]> data(new std::uint64_t[bytes / 8 + 1]);
  auto* at = reinterpret_cast<std::byte*>(data.get());
  for (const Tensor& tensor : tensors) {
    std::memcpy(at, tensor.data(), tensor.bytes());
    at += tensor.bytes();
  }
  return Tensor(tensors.front().type(), shape, std::shared_ptr<const void>(data, data.get()));
}

// Reading one file ------------------------------------------------------------------------------------------------

Tensor read_raw(const fs::path& path, const ModelInput& input) {
  Shape shape = input.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; })) {
    throw InvalidArgument(fmt::format("the model's input '{}' has shape {}; raw elements as in '{}' need a known one",
                                      input.name, to_string(input.shape), path.string()));
  }
  const std::size_t bytes = element_count(shape) * size_of(input.type);
  std::error_code error;
  const std::uintmax_t found = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw IoError(fmt::format("cannot read '{}': it cannot be opened", path.string()), false);
  if (found != bytes) {
    throw InvalidArgument(fmt::format("'{}' has {} bytes; the model's input '{}', {} of {}, needs {}", path.string(),
                                      found, input.name, to_string(shape), name_of(input.type), bytes));
  }
  const std::shared_ptr<std::uint64_t[]> data(new std::uint64_t[bytes / 8 + 1]);
  file.read(reinterpret_cast<char*>(data.get()), static_cast<std::streamsize>(bytes));
  if (!file) throw IoError(fmt::format("cannot read '{}': it ends too early", path.string()), false);
  return Tensor(input.type, shape, std::shared_ptr<const void>(data, data.get()));
}

// With the batch axis of the model, where the file has none.
Tensor read_item(const fs::path& path, const ModelInput& input) {
  Tensor tensor = read_npy(path);
  Shape shape = tensor.shape();
  if (shape.size() + 1 == input.shape.size()) shape.insert(shape.begin(), 1);
  bool fits = shape.size() == input.shape.size();
  for (std::size_t axis = 1; fits && axis < shape.size(); ++axis)
    fits = input.shape[axis] < 0 || input.shape[axis] == shape[axis];
  if (!fits || shape.empty()) {
    throw InvalidArgument(fmt::format("'{}' has shape {}; the model's input '{}' has {}", path.string(),
                                      to_string(tensor.shape()), input.name, to_string(input.shape)));
  }
  return tensor.reshape(shape);
}

class Files final : public Dataset {
 public:
  Files(std::vector<Entry> entries, std::span<const ModelInput> inputs, const DataOptions& options, std::size_t batch)
      : entries_(std::move(entries)), inputs_(inputs.begin(), inputs.end()), batch_(batch) {
    preparations_.resize(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (is_picture(entries_.front().files[i])) preparations_[i] = preparation_for(inputs_[i], options.images);
    }
  }

  std::optional<std::size_t> size() const override { return (entries_.size() + batch_ - 1) / batch_; }

  SampleReader read() const override {
    return [this, next = std::size_t{0}]() mutable -> std::optional<Sample> {
      if (next == entries_.size()) return std::nullopt;
      const std::size_t first = next;
      next = std::min(next + batch_, entries_.size());
      return sample(std::span(entries_).subspan(first, next - first));
    };
  }

 private:
  Sample sample(std::span<const Entry> entries) const {
    Sample result;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      std::vector<Tensor> tensors;
      for (const Entry& entry : entries) tensors.push_back(read_one(entry.files[i], i));
      result.inputs.push_back({inputs_[i].name, joined(tensors, entries.back().files[i])});
    }
    const std::vector<double>& label = entries.front().label;
    if (label.empty()) return result;
    std::vector<float> numbers;
    for (const Entry& entry : entries) numbers.insert(numbers.end(), entry.label.begin(), entry.label.end());
    Shape shape = {static_cast<std::int64_t>(entries.size())};
    if (label.size() > 1) shape.push_back(static_cast<std::int64_t>(label.size()));
    result.label = Tensor::copy_of(std::span<const float>(numbers), shape);
    return result;
  }

  Tensor read_one(const fs::path& path, std::size_t input) const {
    if (is_raw(path)) return read_raw(path, inputs_[input]);
    if (is_array(path)) return read_item(path, inputs_[input]);
    if (is_picture(path) && preparations_[input]) return prepared(path, *preparations_[input]);
    throw InvalidArgument(fmt::format("'{}' is not of the kind of the first item", path.string()));
  }

  std::vector<Entry> entries_;
  std::vector<ModelInput> inputs_;
  std::vector<std::optional<Preparation>> preparations_;  // by input; of pictures
  std::size_t batch_;
};

// Finding the files -----------------------------------------------------------------------------------------------

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

std::vector<Entry> in_folder(const fs::path& folder, std::span<const ModelInput> inputs, const std::string& labels) {
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

std::vector<Entry> in_list(const fs::path& list, std::size_t inputs) {
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

std::size_t batch_for(std::span<const ModelInput> inputs, const DataOptions& options) {
  if (options.batch > 0) return options.batch;
  const bool fixed = !inputs.empty() && !inputs.front().shape.empty() && inputs.front().shape[0] > 0;
  return fixed ? static_cast<std::size_t>(inputs.front().shape[0]) : 1;
}

std::unique_ptr<Dataset> read_array_file(const fs::path& path, std::span<const ModelInput> inputs,
                                         const DataOptions& options) {
  const Tensor labels = options.labels.empty() ? Tensor() : read_npy(path.parent_path() / (options.labels + ".npy"));
  return arrays_of(path.string(), {{inputs.front().name, read_npy(path)}}, labels, batch_for(inputs, options));
}

void check_one_input(const fs::path& path, std::span<const ModelInput> inputs) {
  if (inputs.size() == 1) return;
  throw InvalidArgument(
      fmt::format("'{}' has data for one input and the model has {}; a .npz file, a list, or a folder for "
                  "each input is needed",
                  path.string(), inputs.size()));
}

}  // namespace

std::vector<ModelInput> inputs_of(const Graph& graph) {
  std::vector<ModelInput> inputs;
  for (const Node& node : graph.nodes()) {
    if (node.kind != OpKind::kParameter || !node.body.empty()) continue;
    const Value& value = graph.value(node.outputs.front());
    inputs.push_back({value.name.empty() ? node.name : value.name, value.type, value.shape});
  }
  return inputs;
}

std::unique_ptr<Dataset> read_data(const fs::path& path, std::span<const ModelInput> inputs,
                                   const DataOptions& options) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  if (!is_folder && !is_array(path) && ending_of(path) != ".txt")
    return read_npz(path, options.labels, batch_for(inputs, options));
  const bool lists_files = is_folder || ending_of(path) == ".txt";
  if (!lists_files) {
    check_one_input(path, inputs);
    return read_array_file(path, inputs, options);
  }
  std::vector<Entry> entries = is_folder ? in_folder(path, inputs, options.labels) : in_list(path, inputs.size());
  if (entries.front().files.size() != inputs.size()) check_one_input(path, inputs);
  return std::make_unique<Files>(std::move(entries), inputs, options, batch_for(inputs, options));
}

}  // namespace tightrope
