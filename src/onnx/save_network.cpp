// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/io/zero_copy_stream_impl.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "onnx/tensors.h"
#include "onnx/write_network.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAlignment = 4096;  // of tensors in the second file: what mapping them asks for

fs::path data_path(const fs::path& path) { return path.string() + ".data"; }

IoError refused(const fs::path& path, const std::string& why) {
  return IoError(fmt::format("cannot write '{}': {}", path.string(), why), true);
}

// A file that gets its name when it is whole, and otherwise leaves nothing behind.
class PartialFile {
 public:
  explicit PartialFile(const fs::path& path) : path_(path), partial_(path.string() + ".partial") {
    std::error_code ignored;
    fs::remove(partial_, ignored);  // may be mapped: writing into it would change the tensors
    errno = 0;
    stream_.open(partial_, std::ios::binary);
    if (!stream_) fail();
  }
  ~PartialFile() {
    std::error_code ignored;
    fs::remove(partial_, ignored);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  std::ostream& stream() { return stream_; }

  void close() {
    stream_.close();
    if (!stream_) fail();
  }
  void rename() {
    std::error_code error;
    fs::rename(partial_, path_, error);
    if (error) throw refused(path_, error.message());
  }

 private:
  [[noreturn]] void fail() const {
    const int reason = errno;
    throw refused(path_, reason == 0 ? "is the disk full?" : std::strerror(reason));
  }

  fs::path path_;
  fs::path partial_;
  std::ofstream stream_;
};

// The tensors of the second file.
class TensorData {
 public:
  explicit TensorData(std::string location) : location_(std::move(location)) {}

  FilePart add(const Tensor& tensor) {
    size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    const FilePart part{location_, size_, tensor.bytes()};
    size_ += tensor.bytes();
    tensors_.push_back(tensor);
    return part;
  }

  void write(std::ostream& stream) const {
    const std::string padding(kAlignment, '\0');
    std::size_t position = 0;
    for (const Tensor& tensor : tensors_) {
      const std::size_t gap = (kAlignment - position % kAlignment) % kAlignment;
      stream.write(padding.data(), static_cast<std::streamsize>(gap));
      stream.write(static_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.bytes()));
      position += gap + tensor.bytes();
    }
  }

 private:
  std::string location_;
  std::vector<Tensor> tensors_;
  std::size_t size_ = 0;
};

// Moves elements that are in their messages out: in bodies, and those of less than a byte. ONNX Runtime reads no other
// messages from files than these.
void move_out(proto::GraphProto& graph, TensorData& data) {
  const auto move = [&](proto::TensorProto& message) {
    const auto type = to_element_type(message.data_type());
    if (!may_lie_outside(type, static_cast<std::size_t>(message.dims_size()), message.raw_data().size())) return;
    const auto bytes = std::make_shared<std::string>(std::move(*message.mutable_raw_data()));
    const auto size = static_cast<std::int64_t>(bytes->size());
    refer(message, data.add(Tensor(ElementType::kU8, {size}, {bytes, bytes->data()})));
  };
  for (auto& initializer : *graph.mutable_initializer()) move(initializer);
  for (auto& node : *graph.mutable_node()) {
    for (auto& attribute : *node.mutable_attribute()) {
      if (node.op_type() == "Constant" && attribute.name() == "value" && attribute.has_t())
        move(*attribute.mutable_t());
      if (attribute.has_g()) move_out(*attribute.mutable_g(), data);
      for (auto& body : *attribute.mutable_graphs()) move_out(body, data);
    }
  }
}

void write_model(const Layout& layout, std::ostream& stream) {
  google::protobuf::io::OstreamOutputStream out(&stream);
  write(layout, out);  // what goes wrong is found out when the file is closed
}

// Found out only after the work otherwise.
void check_no_folder(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw refused(path, "it is a folder");
}

void check_path(const fs::path& path) {
  if (path.extension() != ".onnx")
    throw IoError(fmt::format("'{}' is no name for an ONNX model; one that ends in .onnx is needed", path.string()),
                  true);
  const fs::path folder = path.parent_path();
  std::error_code ignored;
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    throw refused(path, fmt::format("there is no folder '{}'", folder.string()));
  check_no_folder(path);
}

void save_in_one(const Layout& layout, const fs::path& path) {
  PartialFile file(path);
  write_model(layout, file.stream());
  file.close();
  file.rename();
}

void save_in_two(const Network& network, const fs::path& path, std::size_t limit) {
  check_no_folder(data_path(path));
  TensorData data(data_path(path).filename().string());
  Network copy = network;
  move_out(*copy.model.mutable_graph(), data);
  const Layout layout = layout_of(copy, [&](const std::string&, const Tensor& tensor) {
    const bool leaves = may_lie_outside(tensor.type(), tensor.shape().size(), tensor.bytes());
    return leaves ? std::optional(data.add(tensor)) : std::nullopt;
  });
  check_size(layout, limit);
  PartialFile data_file(data_path(path));
  PartialFile file(path);
  data.write(data_file.stream());
  data_file.close();
  write_model(layout, file.stream());
  file.close();
  data_file.rename();
  file.rename();
}

}  // namespace

void save_network(const Network& network, const fs::path& path, std::size_t limit) {
  check_path(path);
  const Layout whole = layout_of(network);
  if (whole.size <= limit)
    save_in_one(whole, path);
  else
    save_in_two(network, path, limit);
}

std::vector<fs::path> files_of(const Network& network, const fs::path& path, std::size_t limit) {
  if (layout_of(network).size <= limit) return {path};
  return {path, data_path(path)};
}

}  // namespace tightrope::onnx
