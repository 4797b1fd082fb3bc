// SPDX-License-Identifier: Apache-2.0
// Keeps items spread evenly over a sequence whose length is not known, in bounded memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tightrope/dataset.h"

namespace tightrope {

// At most as many as wanted of the samples.
std::vector<Sample> spread_evenly(std::span<const Sample> samples, std::size_t wanted);

// Whenever twice as many as wanted are held, or more than kBytes, every other one goes; and so it does where more than
// kMany take more than kBytesOfMany.
class Thinning {
 public:
  static constexpr std::size_t kBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kBytesOfMany = std::size_t{64} << 20U;
  static constexpr std::size_t kMany = 16;

  explicit Thinning(std::size_t wanted) : wanted_(wanted) {}

  void offer(const Sample& sample);

  // At most as many as wanted; at least one where any was offered.
  std::vector<Sample> take() const { return spread_evenly(kept_, wanted_); }

 private:
  std::size_t wanted_;
  std::size_t stride_ = 1;
  std::size_t offered_ = 0;
  std::size_t bytes_ = 0;
  std::vector<Sample> kept_;
};

}  // namespace tightrope
