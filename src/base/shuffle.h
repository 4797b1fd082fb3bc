// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <utility>

namespace tightrope {

// By the sequence of the generator alone: what the library's own shuffle does with it differs from one to the next.
template <typename T>
void shuffle(std::span<T> values, std::mt19937& random) {
  for (std::size_t left = values.size(); left > 1; --left) {
    const double share = static_cast<double>(random()) / 4294967296.0;
    std::swap(values[left - 1], values[static_cast<std::size_t>(share * static_cast<double>(left))]);
  }
}

}  // namespace tightrope
