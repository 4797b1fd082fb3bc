// SPDX-License-Identifier: Apache-2.0
// What was meant by a word that is not known.
#pragma once

#include <span>
#include <string>

namespace tightrope::cli {

// "; did you mean 'quantize'?", or nothing where no known word is near: up to half of its letters may differ.
std::string suggestion(const std::string& wanted, std::span<const std::string> known);

}  // namespace tightrope::cli
