// SPDX-License-Identifier: Apache-2.0
// Long lists of small numbers as text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

// Compressed (zlib) and in base 64, behind the number of entries: "4096:eJzt...". The same list gives the same text.
std::string packed(std::span<const std::int8_t> list);

// Nothing where the text is not what packed() gives.
std::optional<std::vector<std::int8_t>> unpacked(std::string_view text);

}  // namespace tightrope
