// SPDX-License-Identifier: Apache-2.0
// Items that are read from files when they are asked for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "data/arrays.h"
#include "data/image.h"
#include "data/listing.h"
#include "data/npz.h"
#include "tightrope/data.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;

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
  if (!is_folder && !is_array(path) && !is_list(path))
    return read_npz(path, options.labels, batch_for(inputs, options));
  const bool lists_files = is_folder || is_list(path);
  if (!lists_files) {
    check_one_input(path, inputs);
    return read_array_file(path, inputs, options);
  }
  std::vector<Entry> entries =
      is_folder ? entries_in_folder(path, inputs, options.labels) : entries_in_list(path, inputs.size());
  if (entries.front().files.size() != inputs.size()) check_one_input(path, inputs);
  return std::make_unique<Files>(std::move(entries), inputs, options, batch_for(inputs, options));
}

}  // namespace tightrope
