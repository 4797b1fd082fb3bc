// SPDX-License-Identifier: Apache-2.0
#include "statistics/thinning.h"

#include <algorithm>

namespace tightrope {
namespace {

std::size_t bytes_of(const Sample& sample) {
  std::size_t bytes = sample.label.bytes();
  for (const Sample::Input& input : sample.inputs) bytes += input.tensor.bytes();
  return bytes;
}

}  // namespace

void Thinning::offer(const Sample& sample) {
  if (wanted_ == 0 || offered_++ % stride_ != 0) return;
  kept_.push_back(sample);
  bytes_ += bytes_of(sample);
  while (kept_.size() >= 2 * wanted_ || (bytes_ > kBytes && kept_.size() > 1) ||
         (bytes_ > kBytesOfMany && kept_.size() > kMany)) {
    const std::size_t left = (kept_.size() + 1) / 2;
    for (std::size_t i = 1; i < left; ++i) kept_[i] = std::move(kept_[2 * i]);
    kept_.resize(left);
    stride_ *= 2;
    bytes_ = 0;
    for (const Sample& held : kept_) bytes_ += bytes_of(held);
  }
}

std::vector<Sample> spread_evenly(std::span<const Sample> samples, std::size_t wanted) {
  const std::size_t count = std::min(wanted, samples.size());
  std::vector<Sample> spread;
  for (std::size_t i = 0; i < count; ++i) spread.push_back(samples[i * samples.size() / count]);
  return spread;
}

}  // namespace tightrope
