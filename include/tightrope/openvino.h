// SPDX-License-Identifier: Apache-2.0
// OpenVINO models. This header needs OpenVINO's own.
#pragma once

#include <filesystem>
#include <memory>

#include "tightrope/model.h"

namespace ov {
class Model;
}

namespace tightrope {

// Reads an IR (.xml with its .bin) or an ONNX file. Throws IoError.
std::unique_ptr<Model> read_openvino(const std::filesystem::path& path);

// Takes a model of the caller's, which is never changed.
std::unique_ptr<Model> from_openvino(std::shared_ptr<const ov::Model> model);

// The network inside, for use with OpenVINO's own API. Throws InvalidArgument for a Model of another framework.
std::shared_ptr<ov::Model> to_openvino(const Model& model);

}  // namespace tightrope
