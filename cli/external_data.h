// SPDX-License-Identifier: Apache-2.0
// The files beside an ONNX file that hold its tensors.
#pragma once

#include <filesystem>
#include <vector>

namespace tightrope::cli {

// Each file once, in the order of the names in the model. Neither tensors nor these files are read. A damaged file
// gives those that were found before the damage: reading the model says what is wrong.
std::vector<std::filesystem::path> external_data_of(const std::filesystem::path& model);

}  // namespace tightrope::cli
