// SPDX-License-Identifier: Apache-2.0
// The stages of an ONNX model, each a function over its messages.
#pragma once

#include <onnx_ml.pb.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/tensor.h"

namespace tightrope::onnx {

namespace proto = tightrope_onnx;

// Versions of the operator set of the default domain.
inline constexpr std::int64_t kOldestOpset = 7;
inline constexpr std::int64_t kQuantizingOpset = 10;  // the first with QuantizeLinear
inline constexpr std::int64_t kPerChannelOpset = 13;  // the first with one scale per channel
inline constexpr std::int64_t kNewestOpset = 28;

inline constexpr std::size_t kMessageLimit = std::numeric_limits<std::int32_t>::max();  // bytes, of protobuf

// Bytes of a file beside a model, where they lie in memory.
struct FileBytes {
  std::string location;  // the name of the file, as the model has it
  std::size_t offset = 0;
  std::size_t size = 0;
  std::shared_ptr<const char> bytes;
};

// The messages of a model without the elements of its constants: these lie beside them, and copies share them.
struct Network {
  proto::ModelProto model;

  // By the name of the value: initializers and Constant nodes of the main graph. Strings and elements of less than a
  // byte are not among them; their messages are whole.
  std::unordered_map<std::string, Tensor> constants;

  // What the constants in files were read from. A constant that lies there is what its file holds.
  std::vector<FileBytes> files;
};

// Reads a file; constants in files beside it are mapped, not read. Other tensors there (in bodies, with elements of
// less than a byte, sparse ones) are read into their messages: no message refers to a file any more. Throws IoError for
// what can't be read or is no model, Unsupported for operator sets out of range.
Network read_network(const std::filesystem::path& path);

// The same from memory. `folder` is where files with tensors lie; empty: there are none.
// Throws InvalidArgument in place of IoError.
Network parse_network(std::span<const char> bytes, const std::filesystem::path& folder = {});

// The files beside a model that its tensors refer to; none where it can't be read.
std::vector<std::filesystem::path> files_beside(const std::filesystem::path& path);

// Rewrites a copy of a user's model into the base: every node named, names unique, constants plain initializers that
// nobody can override, chains of operations that only rearrange constants folded, casts to the same type left out, the
// operator set at 13 or above. The function stays the same. Gives the operations that went. Where an operator can't be
// carried over, the operator set stays, and a warning says which; throws Unsupported, naming it, below set 10. Throws
// InvalidArgument for a graph that is none: cycles, values that nobody gives.
std::vector<FoldedOperation> normalize(Network& network);

// Producers before consumers: inputs, constants, operations, outputs. Node::rank follows the order in the file.
// Operations with bodies read, beyond their own inputs, the values that the bodies take from outside.
Graph read_graph(const Network& base);

// The model in one piece. Where that would have more than `limit` bytes, constants that came from files and are
// unchanged stay there, by reference. Throws Unsupported where the rest is still too large.
std::string to_bytes(const Network& network, std::size_t limit = kMessageLimit);

// Writes the model: one file of up to `limit` bytes; where that is not enough, tensors of 1 kB and more go to a second
// one beside it, `<path>.data`. Files that exist are replaced when all is written, even those that the network was read
// from; nothing half-written stays. Throws IoError for names that don't end in .onnx and what can't be written,
// Unsupported where the rest is still too large.
void save_network(const Network& network, const std::filesystem::path& path, std::size_t limit = kMessageLimit);

// The files that save_network() writes.
std::vector<std::filesystem::path> files_of(const Network& network, const std::filesystem::path& path,
                                            std::size_t limit = kMessageLimit);

// Of the default domain; 0 where the model imports none.
std::int64_t opset_of(const proto::ModelProto& model);

}  // namespace tightrope::onnx
