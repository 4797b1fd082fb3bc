// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <string_view>

#include "onnx/messages.h"
#include "onnx/tensors.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) >> 6) != 2) return false;
    }
    i += length;
  }
  return true;
}

// Names travel on in JSON, which has no other bytes.
void check_names(const proto::GraphProto& graph) {
  const auto check = [](const std::string& name) {
    if (!is_utf8(name)) throw InvalidArgument("[model] a name is no UTF-8 text; the file may be damaged");
  };
  for (const auto& node : graph.node()) {
    check(node.name());
    check(node.op_type());
    check(node.domain());
    for (const auto& name : node.input()) check(name);
    for (const auto& name : node.output()) check(name);
  }
  for (const auto& input : graph.input()) check(input.name());
  for (const auto& output : graph.output()) check(output.name());
  for (const auto& initializer : graph.initializer()) check(initializer.name());
}

void check_opset(const proto::ModelProto& model) {
  const std::int64_t opset = opset_of(model);
  if (opset == 0) throw InvalidArgument("[model] it imports no operator set of the default domain; one is needed");
  if (opset < kOldestOpset || opset > kNewestOpset) {
    throw Unsupported(fmt::format("[model] its operator set has version {}; versions {} to {} are supported", opset,
                                  kOldestOpset, kNewestOpset));
  }
}

void take_constants(Network& network, TensorFiles& files) {
  auto& graph = *network.model.mutable_graph();
  for (auto& initializer : *graph.mutable_initializer()) {
    if (auto tensor = take_tensor(initializer, files)) {
      if (!network.constants.emplace(initializer.name(), std::move(*tensor)).second)
        throw InvalidArgument(fmt::format("[model] value '{}' is given twice", initializer.name()));
    }
  }
  for (auto& node : *graph.mutable_node()) {
    if (node.op_type() != "Constant" || !is_standard(node, network.model) || output_of(node, 0).empty()) continue;
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.name() != "value" || !attribute.has_t()) continue;
      if (auto tensor = take_tensor(*attribute.mutable_t(), files))
        network.constants.emplace(node.output(0), std::move(*tensor));
    }
  }
}

Network checked(proto::ModelProto model, const std::filesystem::path& folder) {
  Network network;
  network.model = std::move(model);
  if (!network.model.has_graph() || network.model.graph().output_size() == 0)
    throw InvalidArgument("[model] it holds no graph with outputs; an ONNX model is needed");
  check_opset(network.model);
  check_names(network.model.graph());
  TensorFiles files(folder);
  take_constants(network, files);
  for_each_tensor(network.model, [&](proto::TensorProto& tensor) {
    if (tensor.data_location() == proto::TensorProto::EXTERNAL) load_tensor(tensor, files);
  });
  network.files = files.all();
  sorted_nodes(network.model.graph());  // throws where the graph is none
  return network;
}

}  // namespace

std::int64_t opset_of(const proto::ModelProto& model) {
  std::int64_t version = 0;
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") version = std::max(version, import.version());
  }
  return version;
}

Network read_network(const std::filesystem::path& path) {
  const auto unreadable = [&](std::string_view why) {
    return IoError(fmt::format("'{}' cannot be read as an ONNX model: {}", path.string(), why), false);
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) throw unreadable(std::strerror(errno));
  if (std::filesystem::is_directory(path)) throw unreadable("it is a folder");
  proto::ModelProto model;
  if (!model.ParseFromIstream(&file)) throw unreadable("it is damaged, incomplete, or something else");
  try {
    const std::filesystem::path folder = path.parent_path();
    return checked(std::move(model), folder.empty() ? "." : folder);
  } catch (const InvalidArgument& error) {
    throw unreadable(error.what());
  } catch (const Unsupported& error) {
    throw Unsupported(fmt::format("'{}': {}", path.string(), error.what()));
  }
}

std::vector<std::filesystem::path> files_beside(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  proto::ModelProto model;
  if (!file || std::filesystem::is_directory(path) || !model.ParseFromIstream(&file)) return {};
  std::set<std::string> locations;
  for_each_tensor(model, [&](const proto::TensorProto& tensor) { locations.insert(location_of(tensor)); });
  locations.erase("");
  std::vector<std::filesystem::path> files;
  for (const std::string& location : locations) files.push_back(path.parent_path() / location);
  return files;
}

Network parse_network(std::span<const char> bytes, const std::filesystem::path& folder) {
  proto::ModelProto model;
  // The library counts in int: no message can be larger.
  const bool fits = bytes.size() <= std::numeric_limits<int>::max();
  if (!fits || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw InvalidArgument("[model] the bytes are damaged, incomplete, or no ONNX model");
  return checked(std::move(model), folder);
}

}  // namespace tightrope::onnx
