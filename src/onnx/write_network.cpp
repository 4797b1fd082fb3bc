// SPDX-License-Identifier: Apache-2.0
// The elements of constants go into the bytes directly: a whole message with them would hold them a second time.
#include <google/protobuf/io/coded_stream.h>

#include <limits>

#include "onnx/messages.h"
#include "onnx/onnx_model.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::uint32_t kBytes = 2;  // the wire type of everything here

std::string header(int field, std::size_t size) {
  std::uint8_t bytes[20];
  std::uint8_t* end = CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(field) << 3 | kBytes, bytes);
  end = CodedOutputStream::WriteVarint64ToArray(size, end);
  return {bytes, end};
}

// An initializer in two pieces: everything but its elements, and the header of these.
struct Piece {
  std::string head;
  const Tensor* tensor = nullptr;

  std::size_t size() const { return head.size() + (tensor == nullptr ? 0 : tensor->bytes()); }
};

Piece piece_of(const Network& network, const proto::TensorProto& initializer) {
  Piece piece{initializer.SerializeAsString(), nullptr};
  const auto found = network.constants.find(initializer.name());
  if (found == network.constants.end()) return piece;
  piece.tensor = &found->second;
  piece.head += header(proto::TensorProto::kRawDataFieldNumber, piece.tensor->bytes());
  return piece;
}

void append(const Piece& piece, std::string& bytes) {
  bytes += piece.head;
  if (piece.tensor != nullptr) bytes.append(static_cast<const char*>(piece.tensor->data()), piece.tensor->bytes());
}

// Constant nodes that are still nodes.
void fill_in_nodes(const Network& network, proto::GraphProto& graph) {
  for (auto& node : *graph.mutable_node()) {
    const auto found = network.constants.find(output_of(node, 0));
    if (node.op_type() != "Constant" || found == network.constants.end()) continue;
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.name() == "value" && attribute.has_t())
        attribute.mutable_t()->set_raw_data(found->second.data(), found->second.bytes());
    }
  }
}

}  // namespace

std::string to_bytes(const Network& network) {
  proto::ModelProto model = network.model;
  const std::unique_ptr<proto::GraphProto> graph(model.release_graph());
  graph->clear_initializer();
  fill_in_nodes(network, *graph);
  const std::string rest = graph->SerializeAsString();
  std::vector<Piece> pieces;
  std::size_t size = rest.size();
  for (const auto& initializer : network.model.graph().initializer()) {
    pieces.push_back(piece_of(network, initializer));
    const std::size_t inside = pieces.back().size();
    size += header(proto::GraphProto::kInitializerFieldNumber, inside).size() + inside;
  }
  std::string bytes = model.SerializeAsString();
  bytes += header(proto::ModelProto::kGraphFieldNumber, size);
  if (bytes.size() + size > std::numeric_limits<int>::max()) {
    throw Unsupported(
        fmt::format("[model] {} bytes are more than one ONNX file holds; its tensors have to be kept in files "
                    "beside it",
                    bytes.size() + size));
  }
  bytes.reserve(bytes.size() + size);
  bytes += rest;
  for (const Piece& piece : pieces) {
    bytes += header(proto::GraphProto::kInitializerFieldNumber, piece.size());
    append(piece, bytes);
  }
  return bytes;
}

}  // namespace tightrope::onnx
