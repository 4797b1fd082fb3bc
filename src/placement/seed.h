// SPDX-License-Identifier: Apache-2.0
// Which inputs and weights want a quantizer.
#pragma once

#include <vector>

#include "placement/propagate.h"

namespace tightrope {

struct Seeds {
  std::vector<Seed> activations;
  std::vector<Site> weights;
  std::vector<Follower> followers;  // lean placement only
};

// Where NNCF starts: every operation that the device has 8-bit kernels for.
Seeds reference_seeds(const Setting& setting);

// Where an operation runs faster in 8 bits: convolutions and matrix products, additions that fuse with a convolution,
// and averages of what one gives.
Seeds lean_seeds(const Setting& setting);

}  // namespace tightrope
