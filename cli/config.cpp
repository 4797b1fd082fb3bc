// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "suggestions.h"

namespace tightrope::cli {
namespace {

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  std::ostringstream stream;
  if (const auto* table = node.as_table()) {
    stream << toml::json_formatter(*table);
  } else {
    node.visit([&](const auto& value) { stream << value; });
  }
  return stream.str();
}

bool is_flag(const CLI::Option& option) { return option.get_expected_min() == 0; }
bool is_list(const CLI::Option& option) { return option.get_expected_max() > 1; }

bool is_setting(const CLI::Option& option) {
  return !option.get_lnames().empty() && option.get_configurable() && option.get_lnames().front() != "help";
}

std::string key_of(const CLI::Option& option) {
  std::string key = option.get_lnames().front();
  std::ranges::replace(key, '-', '_');
  return key;
}

// JSON's strings are TOML's.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string value_of(const CLI::Option& option, const std::string& text) {
  const std::string type = option.get_type_name();
  if (is_flag(option) && (text == "true" || text == "false")) return text;
  const bool number = type == "INT" || type == "UINT" || type == "FLOAT";
  if (number && !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string::npos) return text;
  if (type == "PATH") return quoted(std::filesystem::absolute(text).lexically_normal().string());
  return quoted(text);
}

std::string values_of(const CLI::Option& option) {
  std::vector<std::string> values;
  for (const std::string& text : option.results()) values.push_back(value_of(option, text));
  return is_list(option) ? fmt::format("[{}]", fmt::join(values, ", ")) : values.back();
}

}  // namespace

std::string TomlConfig::to_config(const CLI::App*, bool, bool, std::string) const { return to_toml(command_); }

std::vector<CLI::ConfigItem> TomlConfig::from_config(std::istream& input) const {
  toml::table table;
  try {
    table = toml::parse(input);
  } catch (const toml::parse_error& error) {
    throw CLI::ConfigError(
        fmt::format("the configuration is no TOML: line {}: {}", error.source().begin.line, error.description()),
        CLI::ExitCodes::ConfigError);
  }
  std::vector<CLI::ConfigItem> found;
  for (const auto& [key, node] : table) {
    const std::string option = with_hyphens("--" + std::string(key.str()));
    if (command_.get_option_no_throw(option) == nullptr) {
      throw CLI::ConfigError(fmt::format("the configuration has a key '{}', which is no option of 'tightrope {}'{}",
                                         std::string(key.str()), command_.get_name(), suggestion_for(option, command_)),
                             CLI::ExitCodes::ConfigError);
    }
    CLI::ConfigItem item;
    item.parents = {command_.get_name()};
    item.name = option.substr(2);
    if (const auto* list = node.as_array()) {
      for (const toml::node& one : *list) item.inputs.push_back(text_of(one));
      if (item.inputs.empty()) continue;
    } else {
      item.inputs = {text_of(node)};
    }
    found.push_back(std::move(item));
  }
  return found;
}

std::string to_toml(const CLI::App& command) {
  std::string text = fmt::format("# tightrope {} --config FILE\n", command.get_name());
  for (const CLI::Option* option : command.get_options()) {
    if (!is_setting(*option)) continue;
    if (option->count() > 0) {
      text += fmt::format("{} = {}\n", key_of(*option), values_of(*option));
    } else if (!option->get_default_str().empty()) {
      text += fmt::format("# {} = {}\n", key_of(*option), value_of(*option, option->get_default_str()));
    } else {
      text += fmt::format("# {} =\n", key_of(*option));
    }
  }
  return text;
}

std::string suggestion_for(const std::string& option, const CLI::App& command) {
  std::vector<std::string> known;
  for (const CLI::Option* one : command.get_options()) {
    for (const std::string& name : one->get_lnames()) known.push_back("--" + name);
  }
  return suggestion(option.substr(0, option.find('=')), known);
}

std::string with_hyphens(const std::string& argument) {
  if (!argument.starts_with("--")) return argument;
  std::string result = argument;
  std::replace(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(std::min(result.find('='), result.size())),
               '_', '-');
  return result;
}

}  // namespace tightrope::cli
