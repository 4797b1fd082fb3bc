// SPDX-License-Identifier: Apache-2.0
// Scripts that complete commands and options in a shell.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tightrope::cli {

// For "bash", "zsh" or "fish". Throws InvalidArgument for others.
std::string completion_script(const std::string& shell, const std::vector<CLI::App*>& commands);

}  // namespace tightrope::cli
