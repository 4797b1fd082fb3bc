// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known names that look most like a wanted one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

// Letters to change, insert or remove.
std::size_t edit_distance(std::string_view from, std::string_view to);

// Up to `count` names, nearest first, by the number of letters to change, insert or remove; equally near ones by name.
std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> known, std::size_t count);

}  // namespace tightrope
