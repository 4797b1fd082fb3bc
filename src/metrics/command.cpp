// SPDX-License-Identifier: Apache-2.0
// A metric that a program measures, in any language: it gets the path of the model, and prints a number.
#include <fmt/format.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "tightrope-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw IoError(fmt::format("cannot write '{}': {}", name, std::strerror(errno)), true);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// One word to a shell, whatever it holds.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char letter : text) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

std::string with_path(std::string command, const std::string& path) {
  constexpr std::string_view kPlace = "{model}";
  const std::string word = quoted(path);
  for (std::size_t at = command.find(kPlace); at != std::string::npos; at = command.find(kPlace, at + word.size()))
    command.replace(at, kPlace.size(), word);
  return command;
}

[[noreturn]] void fail(const std::string& command, const std::string& what) {
  throw MetricError(fmt::format("[metric cmd] the program '{}' {}", command, what));
}

std::string output_of(const std::string& command, const std::string& filled) {
  std::FILE* pipe = popen(filled.c_str(), "r");
  if (pipe == nullptr) fail(command, fmt::format("cannot be started: {}", std::strerror(errno)));
  std::string text;
  std::array<char, 4096> piece{};
  for (std::size_t count = 0; (count = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    text.append(piece.data(), count);
  const int status = pclose(pipe);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) throw Cancelled("interrupted; nothing was saved");
  if (WIFSIGNALED(status)) fail(command, fmt::format("was ended by signal {}", WTERMSIG(status)));
  if (WEXITSTATUS(status) == 127) fail(command, "was not found (exit code 127)");
  if (WEXITSTATUS(status) != 0) fail(command, fmt::format("failed with exit code {}", WEXITSTATUS(status)));
  return text;
}

std::string last_line(std::string text) {
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text.substr(text.find_last_of('\n') + 1);
}

double number_in(const std::string& command, const Json& json) {
  if (!json.is_number()) fail(command, fmt::format("printed '{}'; a number is needed", json.dump()));
  return json.get<double>();
}

}  // namespace

std::map<std::string, double> run_program(const std::string& command, const Model& model) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / (model.framework() == "onnx" ? "model.onnx" : "model.xml");
  model.save(path);
  const std::string text = output_of(command, with_path(command, path.string()));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_number() && !json.is_object()) json = Json::parse(last_line(text), nullptr, false);
  if (!json.is_number() && !json.is_object()) {
    fail(command, fmt::format("printed '{}'; a finite number is needed, or JSON with several by name",
                              last_line(text).substr(0, 100)));
  }
  if (json.is_number()) return {{"", number_in(command, json)}};
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : json.items()) numbers[name] = number_in(command, value);
  if (numbers.empty()) fail(command, "printed no metric; a number is needed, or JSON with several by name");
  return numbers;
}

}  // namespace tightrope
