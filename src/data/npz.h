// SPDX-License-Identifier: Apache-2.0
// Arrays inside a .npz file, which is a zip archive of .npy members.
#pragma once

#include <string>

#include "data/zip.h"
#include "tightrope/tensor.h"

namespace tightrope {

// The name without ".npy"; empty for members that are no arrays.
std::string array_name(const ZipMember& member);

// Reads .npy data (versions 1 to 3; booleans, integers and floats of up to 8 bytes) as a dense, row-major tensor in the
// machine's byte order. Throws IoError naming file and member for damaged data and for other element types.
Tensor read_array(ZipFile& file, const ZipMember& member);

}  // namespace tightrope
