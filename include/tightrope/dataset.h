// SPDX-License-Identifier: Apache-2.0
// A sequence of samples that can be read again from the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tightrope/tensor.h"

namespace tightrope {

// One item: what goes into the model, and what a metric compares the outputs with.
struct Sample {
  struct Input {
    std::string name;  // empty: the model's input at this position
    Tensor tensor;     // with the batch axis that the model expects
  };
  std::vector<Input> inputs;
  Tensor label;  // empty where there is none
};

// Gives the next sample at each call, then nothing.
using SampleReader = std::function<std::optional<Sample>()>;

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::optional<std::size_t> size() const = 0;   // items, where known in advance
  virtual SampleReader read() const = 0;                 // starts at the first item; the dataset outlives the reader
  virtual std::int64_t batch_size() const { return 0; }  // samples of an item; 0: not known
  virtual bool is_in_memory() const { return false; }    // to read over items costs next to nothing
};

std::unique_ptr<Dataset> dataset_of(std::vector<Sample> samples);

// Arrays by input name, [items, ...]; an item is a slice of `batch` entries along axis 0 of each array.
// The array called `labels` (where given) is sliced along and not fed to the model.
// Throws IoError for a file that is no readable .npz, InvalidArgument for arrays of unequal length or a missing
// `labels`.
std::unique_ptr<Dataset> read_npz(const std::filesystem::path& path, const std::string& labels = {},
                                  std::size_t batch = 1);

}  // namespace tightrope
