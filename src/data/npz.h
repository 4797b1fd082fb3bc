// SPDX-License-Identifier: Apache-2.0
// Arrays in .npy files, and in .npz files, which are zip archives of them.
#pragma once

#include <filesystem>
#include <string>

#include "data/zip.h"
#include "tightrope/tensor.h"

namespace tightrope {

// The name without ".npy"; empty for members that are no arrays.
std::string array_name(const ZipMember& member);

// Reads .npy data (versions 1 to 3; booleans, integers and floats of up to 8 bytes) as a dense, row-major tensor in the
// machine's byte order. Throws IoError naming file and member for damaged data and for other element types.
Tensor read_array(ZipFile& file, const ZipMember& member);

// The same of a file by itself.
Tensor read_npy(const std::filesystem::path& path);

}  // namespace tightrope
