// SPDX-License-Identifier: Apache-2.0
#include "completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "tightrope/error.h"

namespace tightrope::cli {
namespace {

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string names_of(const std::vector<CLI::App*>& commands) {
  std::vector<std::string> names = {"resume", "completion"};
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return fmt::format("{}", fmt::join(names, " "));
}

// A case for each command that sets the variable `options`, whose value stands between `before` and `after`.
std::string cases_of(const std::vector<CLI::App*>& commands, std::string_view before, std::string_view after) {
  std::string cases;
  for (const CLI::App* command : commands)
    cases += fmt::format("    {}) options={}{}{} ;;\n", command->get_name(), before,
                         fmt::join(options_of(*command), " "), after);
  return cases;
}

// A word that begins with a hyphen is an option, others are files.
std::string bash(const std::vector<CLI::App*>& commands) {
  return fmt::format(R"(_tightrope() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" options=""
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "{} --help --version" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{}    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _tightrope tightrope
)",
                     names_of(commands), cases_of(commands, "\"", "\""));
}

// As bash. It can be sourced, or be the file _tightrope in a folder of functions.
std::string zsh(const std::vector<CLI::App*>& commands) {
  return fmt::format(R"(#compdef tightrope
_tightrope() {{
  local -a options
  if (( CURRENT == 2 )); then
    compadd -- {} --help --version
    return
  fi
  case ${{words[2]}} in
{}    completion) compadd -- bash zsh fish; return ;;
  esac
  if [[ $PREFIX == -* ]]; then compadd -- $options; else _files; fi
}}
if [[ $funcstack[1] == _tightrope ]]; then _tightrope "$@"; else compdef _tightrope tightrope; fi
)",
                     names_of(commands), cases_of(commands, "(", ")"));
}

std::string fish_quoted(const std::string& text) {
  std::string result = "'";
  for (const char letter : text)
    result += letter == '\'' || letter == '\\' ? std::string("\\") + letter : std::string(1, letter);
  return result + "'";
}

std::string fish(const std::vector<CLI::App*>& commands) {
  std::string text = fmt::format("complete -c tightrope -n __fish_use_subcommand -f -a '{}'\n", names_of(commands));
  for (const CLI::App* command : commands) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        text += fmt::format("complete -c tightrope -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n",
                            command->get_name(), name, option->get_expected_min() > 0 ? " -r" : "",
                            fish_quoted(option->get_description()));
      }
    }
  }
  return text + "complete -c tightrope -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n";
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<CLI::App*>& commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  throw InvalidArgument(fmt::format("there is no completion for '{}'; bash, zsh or fish is needed", shell));
}

}  // namespace tightrope::cli
