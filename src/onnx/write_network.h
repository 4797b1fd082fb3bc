// SPDX-License-Identifier: Apache-2.0
// The bytes of a model, without a copy of the elements of its constants.
#pragma once

#include <google/protobuf/io/zero_copy_stream.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

// Where the elements of a tensor lie outside of the model.
struct FilePart {
  std::string location;
  std::size_t offset = 0;
  std::size_t length = 0;
};

// Asked once for each constant; where it gives nothing, the elements are written with the model.
using Outside = std::function<std::optional<FilePart>(const std::string& name, const Tensor& tensor)>;

// False for small tensors, and for lists of integers: ONNX Runtime infers shapes from what the message itself holds.
bool may_lie_outside(ElementType type, std::size_t rank, std::size_t bytes);

// Makes a message refer to elements outside of the model.
void refer(proto::TensorProto& message, const FilePart& part);

// Bytes, then a whole message, then the elements of a tensor. Messages and tensors belong to others.
struct Piece {
  std::string bytes;
  const google::protobuf::MessageLite* message = nullptr;
  const Tensor* tensor = nullptr;

  std::size_t size() const;
};

// A model in pieces, of which some belong to the network.
struct Layout {
  std::vector<Piece> pieces;
  std::size_t size = 0;                            // bytes
  std::unique_ptr<const proto::ModelProto> model;  // without the graph
  std::unique_ptr<const proto::GraphProto> graph;  // without nodes and initializers
};

Layout layout_of(const Network& network, const Outside& outside = {});

// Throws Unsupported where the layout has more bytes.
void check_size(const Layout& layout, std::size_t limit);

// False where the stream takes no more.
bool write(const Layout& layout, google::protobuf::io::ZeroCopyOutputStream& stream);

std::string to_bytes(const Layout& layout);

}  // namespace tightrope::onnx
