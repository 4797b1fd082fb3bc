// SPDX-License-Identifier: Apache-2.0
// Tensors of ONNX files.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

// kOther for strings, complex numbers and elements of less than a byte.
ElementType to_element_type(int data_type);
int to_data_type(ElementType type);

// Files with tensors that lie beside a model, each mapped once.
class TensorFiles {
 public:
  // An empty folder has no files.
  explicit TensorFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Throws InvalidArgument where the path leaves the folder, leads over a link or to no file.
  const FileBytes& open(const std::string& location);

  // Some of its bytes, at an address that `alignment` divides: copied where they lie at another one.
  std::shared_ptr<const char> part(const FileBytes& file, std::size_t offset, std::size_t size, std::size_t alignment);

  // Everything that was handed out.
  std::vector<FileBytes> all() const;

 private:
  std::filesystem::path folder_;
  std::map<std::string, FileBytes> files_;
  std::vector<FileBytes> copies_;
};

// The file with the elements, by its name in the message; empty where they are in the message.
std::string location_of(const proto::TensorProto& message);

// Moves the elements out of a message; type, extents and name stay. Nothing for types that are kOther, whose message
// stays whole. Throws InvalidArgument where the elements don't fit the extents.
std::optional<Tensor> take_tensor(proto::TensorProto& message, TensorFiles& files);

// Reads the elements of a message that refers to a file into the message. Throws as take_tensor() does.
void load_tensor(proto::TensorProto& message, TensorFiles& files);

// Adds an initializer to the main graph.
void add_constant(Network& network, const std::string& name, Tensor tensor);

// Removes initializers that nothing reads, and what is said of values that are no longer there.
void drop_unused(Network& network);

// The elements as integers, nothing where the value is no constant of integers.
std::optional<std::vector<std::int64_t>> constant_ints(const Network& network, const std::string& name);

}  // namespace tightrope::onnx
