// SPDX-License-Identifier: Apache-2.0
// Samples in memory, as what is run one after the other.
#pragma once

#include <span>

#include "tightrope/dataset.h"

namespace tightrope {

// The samples outlive the reader.
inline SampleReader reader_of(std::span<const Sample> samples) {
  return [samples, next = std::size_t{0}]() mutable -> std::optional<Sample> {
    if (next == samples.size()) return std::nullopt;
    return samples[next++];
  };
}

}  // namespace tightrope
