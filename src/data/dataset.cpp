// SPDX-License-Identifier: Apache-2.0
#include "tightrope/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/reading.h"
#include "data/arrays.h"
#include "data/npz.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

class Samples final : public Dataset {
 public:
  explicit Samples(std::vector<Sample> samples) : samples_(std::move(samples)) {}

  std::optional<std::size_t> size() const override { return samples_.size(); }

  SampleReader read() const override { return reader_of(samples_); }

  bool is_in_memory() const override { return true; }

 private:
  std::vector<Sample> samples_;
};

// Arrays of equal length; each item is a slice of `batch` entries along axis 0.
class Arrays final : public Dataset {
 public:
  Arrays(std::vector<Sample::Input> inputs, Tensor labels, std::int64_t batch)
      : inputs_(std::move(inputs)),
        labels_(std::move(labels)),
        length_(inputs_.front().tensor.shape()[0]),
        batch_(batch) {}

  std::optional<std::size_t> size() const override {
    return static_cast<std::size_t>(length_ / batch_ + (length_ % batch_ != 0 ? 1 : 0));
  }

  SampleReader read() const override {
    return [this, first = std::int64_t{0}]() mutable -> std::optional<Sample> {
      if (first == length_) return std::nullopt;
      const std::int64_t count = std::min(batch_, length_ - first);
      Sample sample;
      for (const auto& [name, tensor] : inputs_) sample.inputs.push_back({name, tensor.slice(first, count)});
      if (!labels_.empty()) sample.label = labels_.slice(first, count);
      first += count;
      return sample;
    };
  }

  std::int64_t batch_size() const override { return batch_; }
  bool is_in_memory() const override { return true; }

 private:
  std::vector<Sample::Input> inputs_;
  Tensor labels_;
  std::int64_t length_;
  std::int64_t batch_;
};

// The arrays' members, after the checks that need no data.
std::vector<ZipMember> array_members(const ZipFile& file, const std::string& labels) {
  std::vector<ZipMember> members;
  std::vector<std::string> names;
  for (const ZipMember& member : file.members()) {
    const std::string name = array_name(member);
    if (name.empty()) continue;
    if (std::ranges::find(names, name) != names.end()) {
      throw IoError(fmt::format("cannot read '{}': array '{}' is there twice", file.path().string(), name), false);
    }
    names.push_back(name);
    members.push_back(member);
  }
  if (members.empty()) {
    throw IoError(
        fmt::format("cannot read '{}': it holds no arrays; members ending in .npy are needed", file.path().string()),
        false);
  }
  if (labels.empty()) return members;
  if (std::ranges::find(names, labels) == names.end()) {
    throw InvalidArgument(fmt::format("'{}' has no array '{}' for the labels; its arrays are '{}'",
                                      file.path().string(), labels, fmt::join(names, "', '")));
  }
  if (members.size() == 1) {
    throw InvalidArgument(fmt::format("'{}' holds only the labels '{}'; an array per model input is needed",
                                      file.path().string(), labels));
  }
  return members;
}

void check_length(const std::string& path, const Sample::Input& array, const Sample::Input& first) {
  const Shape& shape = array.tensor.shape();
  if (shape.empty()) {
    throw InvalidArgument(
        fmt::format("'{}': array '{}' is a single number; its axis 0 must run over the items", path, array.name));
  }
  if (shape[0] != first.tensor.shape()[0]) {
    throw InvalidArgument(fmt::format("'{}': array '{}' has {} items and array '{}' has {}; all need equally many",
                                      path, first.name, first.tensor.shape()[0], array.name, shape[0]));
  }
  if (shape[0] > 0 && array.tensor.size() == 0) {
    throw InvalidArgument(fmt::format("'{}': array '{}' has shape {}; its items need at least one element", path,
                                      array.name, to_string(shape)));
  }
}

}  // namespace

std::unique_ptr<Dataset> dataset_of(std::vector<Sample> samples) {
  return std::make_unique<Samples>(std::move(samples));
}

std::unique_ptr<Dataset> arrays_of(const std::string& path, std::vector<Sample::Input> arrays, Tensor labels,
                                   std::size_t batch) {
  constexpr std::size_t kLargestBatch = std::size_t{1} << 31;
  if (batch < 1 || batch > kLargestBatch)
    throw InvalidArgument(fmt::format("batch is {}; at least 1 is needed", batch));
  for (const Sample::Input& array : arrays) check_length(path, array, arrays.front());
  if (!labels.empty()) check_length(path, {"labels", labels}, arrays.front());
  return std::make_unique<Arrays>(std::move(arrays), std::move(labels), static_cast<std::int64_t>(batch));
}

std::unique_ptr<Dataset> read_npz(const std::filesystem::path& path, const std::string& labels, std::size_t batch) {
  ZipFile file(path);
  std::vector<Sample::Input> arrays;
  for (const ZipMember& member : array_members(file, labels)) {
    arrays.push_back({array_name(member), read_array(file, member)});
    check_length(path.string(), arrays.back(), arrays.front());
  }
  Tensor label;
  if (const auto found = std::ranges::find(arrays, labels, &Sample::Input::name); found != arrays.end()) {
    label = std::move(found->tensor);
    arrays.erase(found);
  }
  return arrays_of(path.string(), std::move(arrays), std::move(label), batch);
}

}  // namespace tightrope
