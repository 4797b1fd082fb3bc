// SPDX-License-Identifier: Apache-2.0
// Batches of calibration data, one sample after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "tightrope/dataset.h"
#include "tightrope/graph.h"

namespace tightrope {

// The entries along axis 0 of each batch's inputs as samples of one entry, so that whatever is made of them does not
// depend on the size of a batch, nor on that of the last one.
//
// Items that can't be taken apart without a doubt stay as they are: each input of the first one must have the same
// extent along axis 0, equal to the batch size where the data know it, and the graph must leave that extent of all its
// inputs open.
class SingleSamples : public Dataset {
 public:
  // Reads the first item. `batches` outlives it.
  SingleSamples(const Graph& graph, const Dataset& batches);

  bool are_single() const { return extent_ > 0; }
  std::int64_t at_most(std::int64_t batches) const;  // samples in so many, were all as large as the first

  std::optional<std::size_t> size() const override;
  SampleReader read() const override;  // the reader throws InvalidArgument for inputs of unequal extent

 private:
  const Dataset& batches_;
  mutable SampleReader rest_;  // behind the first item, until the first reading
  mutable std::optional<Sample> first_;
  std::int64_t extent_ = 0;  // of the first item; 0 where items stay as they are
};

}  // namespace tightrope
