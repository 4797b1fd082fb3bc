// SPDX-License-Identifier: Apache-2.0
// Options in a TOML file: the same names as on the command line, with hyphens or underscores.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tightrope::cli {

// Reads a file for one command. Keys are options of the command; a table is JSON to it, an array several values.
class TomlConfig : public CLI::Config {
 public:
  explicit TomlConfig(const CLI::App& command) : command_(command) {}

  std::string to_config(const CLI::App* app, bool defaults, bool descriptions, std::string prefix) const override;

  // Throws CLI::ConfigError for what is no TOML, and for keys that are no options, with the nearest one.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

 private:
  const CLI::App& command_;
};

// Every option of the command that was given, typed or in a file, with absolute paths; the others as comments.
std::string to_toml(const CLI::App& command);

// "; did you mean '--max-drop'?", or nothing where no option of the command looks like it.
std::string suggestion_for(const std::string& option, const CLI::App& command);

// "--max_drop=1" as "--max-drop=1".
std::string with_hyphens(const std::string& argument);

}  // namespace tightrope::cli
