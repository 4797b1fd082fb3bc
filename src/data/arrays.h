// SPDX-License-Identifier: Apache-2.0
// Arrays in memory as items.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tightrope/dataset.h"

namespace tightrope {

// Slices of `batch` entries along axis 0. Throws InvalidArgument that begins with `path` for arrays that have no such
// axis, no elements, or not equally many entries; labels, where they are not empty, are one of them.
std::unique_ptr<Dataset> arrays_of(const std::string& path, std::vector<Sample::Input> arrays, Tensor labels,
                                   std::size_t batch);

}  // namespace tightrope
