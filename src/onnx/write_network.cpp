// SPDX-License-Identifier: Apache-2.0
#include "onnx/write_network.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "onnx/messages.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::uint32_t kBytes = 2;  // the wire type of everything here
constexpr std::size_t kSmall = 1024;

std::string header(int field, std::size_t size) {
  std::uint8_t bytes[20];
  std::uint8_t* end = CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(field) << 3 | kBytes, bytes);
  end = CodedOutputStream::WriteVarint64ToArray(size, end);
  return {bytes, end};
}

// Makes a message a field of another one, behind its other fields.
Piece field(int number, Piece message, const std::string& others = {}) {
  message.bytes.insert(0, others + header(number, message.size()));
  return message;
}

Piece piece_of(const proto::TensorProto& message, const std::string& name, const Tensor& tensor,
               const Outside& outside) {
  const auto part = outside ? outside(name, tensor) : std::nullopt;
  if (!part) {
    return {message.SerializeAsString() + header(proto::TensorProto::kRawDataFieldNumber, tensor.bytes()), nullptr,
            &tensor};
  }
  proto::TensorProto reference = message;
  refer(reference, *part);
  return {reference.SerializeAsString(), nullptr, nullptr};
}

Piece initializer_piece(const Network& network, const proto::TensorProto& initializer, const Outside& outside) {
  const auto found = network.constants.find(initializer.name());
  if (found == network.constants.end()) return {{}, &initializer, nullptr};
  return piece_of(initializer, found->first, found->second, outside);
}

// The constant of a Constant node that is still a node.
const Tensor* constant_of(const Network& network, const proto::NodeProto& node) {
  if (node.op_type() != "Constant") return nullptr;
  const auto* value = find_attribute(node, "value");
  const auto found = network.constants.find(output_of(node, 0));
  return value == nullptr || !value->has_t() || found == network.constants.end() ? nullptr : &found->second;
}

Piece node_piece(const Network& network, const proto::NodeProto& node, const Outside& outside) {
  const Tensor* tensor = constant_of(network, node);
  if (tensor == nullptr) return {{}, &node, nullptr};
  proto::NodeProto others = node;
  remove_attribute(others, "value");
  proto::AttributeProto attribute = *find_attribute(node, "value");
  attribute.clear_t();
  Piece piece = piece_of(find_attribute(node, "value")->t(), output_of(node, 0), *tensor, outside);
  piece = field(proto::AttributeProto::kTFieldNumber, std::move(piece), attribute.SerializeAsString());
  return field(proto::NodeProto::kAttributeFieldNumber, std::move(piece), others.SerializeAsString());
}

// Where the elements lie in a file that the network was read from.
std::optional<FilePart> origin_of(const Network& network, const Tensor& tensor) {
  const auto start = reinterpret_cast<std::uintptr_t>(tensor.data());
  for (const FileBytes& file : network.files) {
    const auto first = reinterpret_cast<std::uintptr_t>(file.bytes.get());
    if (tensor.bytes() != 0 && start >= first && start + tensor.bytes() <= first + file.size)
      return FilePart{file.location, file.offset + (start - first), tensor.bytes()};
  }
  return std::nullopt;
}

}  // namespace

bool may_lie_outside(ElementType type, std::size_t rank, std::size_t bytes) {
  return bytes >= kSmall && (type != ElementType::kI64 || rank > 1);
}

void refer(proto::TensorProto& message, const FilePart& part) {
  message.clear_raw_data();
  message.clear_external_data();
  message.set_data_location(proto::TensorProto::EXTERNAL);
  const auto add = [&](const char* key, std::string value) {
    auto& entry = *message.add_external_data();
    entry.set_key(key);
    entry.set_value(std::move(value));
  };
  add("location", part.location);
  add("offset", std::to_string(part.offset));
  add("length", std::to_string(part.length));
}

std::size_t Piece::size() const {
  return bytes.size() + (message == nullptr ? 0 : message->ByteSizeLong()) + (tensor == nullptr ? 0 : tensor->bytes());
}

Layout layout_of(const Network& network, const Outside& outside) {
  auto model = std::make_unique<proto::ModelProto>(network.model);
  std::unique_ptr<proto::GraphProto> graph(model->release_graph());
  google::protobuf::RepeatedPtrField<proto::NodeProto>().Swap(graph->mutable_node());  // clearing keeps the memory
  google::protobuf::RepeatedPtrField<proto::TensorProto>().Swap(graph->mutable_initializer());

  std::vector<Piece> inside = {{{}, graph.get(), nullptr}};
  for (const auto& node : network.model.graph().node())
    inside.push_back(field(proto::GraphProto::kNodeFieldNumber, node_piece(network, node, outside)));
  for (const auto& initializer : network.model.graph().initializer()) {
    inside.push_back(
        field(proto::GraphProto::kInitializerFieldNumber, initializer_piece(network, initializer, outside)));
  }
  std::size_t size = 0;
  for (const Piece& piece : inside) size += piece.size();

  Layout layout;
  layout.pieces.push_back({{}, model.get(), nullptr});
  layout.pieces.push_back({header(proto::ModelProto::kGraphFieldNumber, size), nullptr, nullptr});
  layout.size = layout.pieces[0].size() + layout.pieces[1].size() + size;
  std::ranges::move(inside, std::back_inserter(layout.pieces));
  layout.model = std::move(model);
  layout.graph = std::move(graph);
  return layout;
}

void check_size(const Layout& layout, std::size_t limit) {
  if (layout.size <= limit) return;
  throw Unsupported(fmt::format(
      "[model] {} bytes are more than one ONNX file holds ({}); its tensors have to be kept in files beside "
      "it",
      layout.size, limit));
}

bool write(const Layout& layout, google::protobuf::io::ZeroCopyOutputStream& stream) {
  CodedOutputStream out(&stream);
  for (const Piece& piece : layout.pieces) {
    out.WriteString(piece.bytes);
    if (piece.message != nullptr) piece.message->SerializeToCodedStream(&out);
    if (piece.tensor != nullptr && piece.tensor->bytes() != 0)  // no elements may lie nowhere
      out.WriteRaw(piece.tensor->data(), static_cast<int>(piece.tensor->bytes()));
  }
  out.Trim();
  return !out.HadError();
}

std::string to_bytes(const Layout& layout) {
  std::string bytes(layout.size, '\0');
  google::protobuf::io::ArrayOutputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (!write(layout, stream)) throw InternalError("[model] its bytes are more than were counted");
  return bytes;
}

std::string to_bytes(const Network& network, std::size_t limit) {
  if (const Layout whole = layout_of(network); whole.size <= limit) return to_bytes(whole);
  const Layout rest =
      layout_of(network, [&](const std::string&, const Tensor& tensor) { return origin_of(network, tensor); });
  check_size(rest, limit);
  return to_bytes(rest);
}

}  // namespace tightrope::onnx
