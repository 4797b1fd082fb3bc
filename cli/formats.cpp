// SPDX-License-Identifier: Apache-2.0
#include "formats.h"

#include <fmt/format.h>

#include <optional>

#include "tightrope/error.h"
#include "tightrope/onnx.h"
#include "tightrope/openvino.h"

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

std::optional<Format> format_of(const fs::path& path) {
  if (path.extension() == ".onnx") return Format::kOnnx;
  if (path.extension() == ".xml") return Format::kOpenVino;
  return std::nullopt;
}

std::optional<Format> format_named(const std::string& to) {
  if (to.empty()) return std::nullopt;
  if (to == "onnx") return Format::kOnnx;
  if (to == "openvino") return Format::kOpenVino;
  throw InvalidArgument(fmt::format("option 'to' is '{}'; onnx or openvino is needed", to));
}

Format format_of_model(const fs::path& model) {
  if (const auto format = format_of(model)) return *format;
  throw IoError(fmt::format("cannot read the model '{}': it is neither an ONNX file (.onnx) nor an OpenVINO IR (.xml)",
                            model.string()),
                false);
}

[[noreturn]] void refuse_onnx_from_ir(const fs::path& model) {
  throw InvalidArgument(fmt::format(
      "'{}' is an OpenVINO model, which can become an OpenVINO IR (.xml) only, not an ONNX file", model.string()));
}

}  // namespace

Format format_for(const fs::path& model, const fs::path& output, const std::string& to) {
  const auto named = format_named(to);
  const auto ending = format_of(output);
  const Format read = format_of_model(model);
  if (!ending) {
    const bool onnx = named.value_or(read) == Format::kOnnx;
    throw InvalidArgument(fmt::format("the output '{}' ends in neither .onnx nor .xml; a path like '{}' is needed",
                                      output.string(), onnx ? "model_int8.onnx" : "model_int8.xml"));
  }
  if (read == Format::kOpenVino && (named == Format::kOnnx || ending == Format::kOnnx)) refuse_onnx_from_ir(model);
  if (named && named != ending) {
    throw InvalidArgument(fmt::format("the output '{}' does not end in {}, which --to {} needs", output.string(),
                                      named == Format::kOnnx ? ".onnx" : ".xml", to));
  }
  return *ending;
}

Format format_for(const fs::path& model, const std::string& to) {
  const auto named = format_named(to);
  const Format read = format_of_model(model);
  if (read == Format::kOpenVino && named == Format::kOnnx) refuse_onnx_from_ir(model);
  return named.value_or(read);
}

std::unique_ptr<Model> read_model(const fs::path& path, Format format) {
  return format == Format::kOnnx ? read_onnx(path) : read_openvino(path);
}

}  // namespace tightrope::cli
