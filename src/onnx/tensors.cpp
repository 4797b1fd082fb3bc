// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "onnx/messages.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

using Message = proto::TensorProto;

[[noreturn]] void refuse(const Message& message, const std::string& what) {
  throw InvalidArgument(fmt::format("[model] tensor '{}': {}", message.name(), what));
}

// Of the types whose elements a file may hold; 0 for the others.
std::size_t bits_of(int data_type) {
  switch (data_type) {
    case Message::UINT2:
    case Message::INT2:
      return 2;
    case Message::UINT4:
    case Message::INT4:
    case Message::FLOAT4E2M1:
      return 4;
    case Message::FLOAT6E2M3:
    case Message::FLOAT6E3M2:
      return 6;
    case Message::FLOAT8E4M3FN:
    case Message::FLOAT8E4M3FNUZ:
    case Message::FLOAT8E5M2:
    case Message::FLOAT8E5M2FNUZ:
    case Message::FLOAT8E8M0:
      return 8;
    case Message::COMPLEX64:
      return 64;
    case Message::COMPLEX128:
      return 128;
    default:
      return 8 * size_of(to_element_type(data_type));
  }
}

// Bytes that the extents ask for.
std::size_t byte_count(const Message& message) {
  std::size_t count = bits_of(message.data_type());
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  bool fits = true;
  bool is_empty = false;
  for (const std::int64_t extent : message.dims()) {
    if (extent < 0) refuse(message, fmt::format("an extent is {}; none below zero is possible", extent));
    is_empty = is_empty || extent == 0;
    fits = fits && (extent == 0 || count <= kMost / static_cast<std::size_t>(extent));
    if (fits && extent != 0) count *= static_cast<std::size_t>(extent);
  }
  if (!fits) refuse(message, "its extents ask for more elements than any memory holds");
  return is_empty ? 0 : count / 8 + (count % 8 != 0 ? 1 : 0);
}

template <typename To, typename From>
std::string packed(const From& values) {
  std::string bytes(static_cast<std::size_t>(values.size()) * sizeof(To), '\0');
  char* next = bytes.data();
  for (const auto value : values) {
    const To element = static_cast<To>(value);
    std::memcpy(next, &element, sizeof(To));
    next += sizeof(To);
  }
  return bytes;
}

// The elements of a message that keeps them in a field for their type.
std::string typed_bytes(const Message& message) {
  switch (message.data_type()) {
    case Message::FLOAT:
      return packed<float>(message.float_data());
    case Message::DOUBLE:
      return packed<double>(message.double_data());
    case Message::INT64:
      return packed<std::int64_t>(message.int64_data());
    case Message::UINT64:
      return packed<std::uint64_t>(message.uint64_data());
    case Message::UINT32:
      return packed<std::uint32_t>(message.uint64_data());
    case Message::INT32:
      return packed<std::int32_t>(message.int32_data());
    case Message::INT16:
    case Message::UINT16:
    case Message::FLOAT16:
    case Message::BFLOAT16:
      return packed<std::uint16_t>(message.int32_data());
    default:
      return packed<std::uint8_t>(message.int32_data());
  }
}

std::string entry(const Message& message, std::string_view key) {
  for (const auto& pair : message.external_data()) {
    if (pair.key() == key) return pair.value();
  }
  return {};
}

std::size_t number(const Message& message, std::string_view key, std::size_t otherwise) {
  const std::string text = entry(message, key);
  if (text.empty()) return otherwise;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(message, fmt::format("the {} of its data is '{}'; a number is needed", key, text));
  return value;
}

std::shared_ptr<const char> external_bytes(const Message& message, TensorFiles& files, std::size_t size,
                                           std::size_t alignment) {
  const std::string location = entry(message, "location");
  const FileBytes& file = files.open(location);
  const std::size_t offset = number(message, "offset", 0);
  const std::size_t length = number(message, "length", size);
  if (length != size) refuse(message, fmt::format("{} bytes are in a file; {} are needed", length, size));
  if (offset > file.size || size > file.size - offset) {
    refuse(message,
           fmt::format("'{}' ends after {} bytes; {} from {} on are needed", location, file.size, size, offset));
  }
  return files.part(file, offset, size, alignment);
}

Tensor tensor_of(const Message& message, ElementType type, std::shared_ptr<const void> bytes) {
  return Tensor(type, Shape(message.dims().begin(), message.dims().end()), std::move(bytes));
}

}  // namespace

ElementType to_element_type(int data_type) {
  switch (data_type) {
    case Message::FLOAT:
      return ElementType::kF32;
    case Message::DOUBLE:
      return ElementType::kF64;
    case Message::FLOAT16:
      return ElementType::kF16;
    case Message::BFLOAT16:
      return ElementType::kBF16;
    case Message::BOOL:
      return ElementType::kBoolean;
    case Message::INT8:
      return ElementType::kI8;
    case Message::UINT8:
      return ElementType::kU8;
    case Message::INT16:
      return ElementType::kI16;
    case Message::UINT16:
      return ElementType::kU16;
    case Message::INT32:
      return ElementType::kI32;
    case Message::UINT32:
      return ElementType::kU32;
    case Message::INT64:
      return ElementType::kI64;
    case Message::UINT64:
      return ElementType::kU64;
    default:
      return ElementType::kOther;
  }
}

int to_data_type(ElementType type) {
  for (int data_type = Message::FLOAT; data_type <= Message::BFLOAT16; ++data_type) {
    if (to_element_type(data_type) == type && type != ElementType::kOther) return data_type;
  }
  return Message::UNDEFINED;
}

const FileBytes& TensorFiles::open(const std::string& location) {
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;
  const auto refused = [&](const std::string& what) {
    return InvalidArgument(fmt::format("[model] the tensors in '{}': {}", location, what));
  };
  if (folder_.empty()) {
    throw refused(
        "the folder of this file is not known; it is needed (in Python: "
        "AdvancedQuantizationParameters(backend_params={\"external_data_dir\": ...})), or a model with its external "
        "data loaded (onnx.load)");
  }
  const std::filesystem::path inside = std::filesystem::path(location).lexically_normal();
  if (location.empty() || inside.is_absolute() || *inside.begin() == "..")
    throw refused("the path leaves the folder of the model; one below it is needed");
  std::filesystem::path path = folder_;
  for (const auto& part : inside) {
    path /= part;
    if (std::filesystem::is_symlink(path))
      throw refused(fmt::format("'{}' is a link; a file is needed", path.string()));
  }
  if (!std::filesystem::is_regular_file(path)) throw refused(fmt::format("there is no file '{}'", path.string()));
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) throw refused(fmt::format("'{}': {}", path.string(), std::strerror(errno)));
  struct stat facts{};
  const bool sized = ::fstat(file, &facts) == 0;
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* bytes = !sized ? MAP_FAILED : size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int reason = errno;
  ::close(file);
  if (bytes == MAP_FAILED) throw refused(fmt::format("'{}': {}", path.string(), std::strerror(reason)));
  const std::shared_ptr<const char> mapping(static_cast<const char*>(bytes), [size](const char* start) {
    if (start != nullptr) ::munmap(const_cast<char*>(start), size);
  });
  return files_.emplace(location, FileBytes{location, 0, size, mapping}).first->second;
}

std::shared_ptr<const char> TensorFiles::part(const FileBytes& file, std::size_t offset, std::size_t size,
                                              std::size_t alignment) {
  const char* start = file.bytes.get() + offset;
  if (offset % alignment == 0) return {file.bytes, start};
  const auto copy = std::make_shared<std::string>(start, size);
  copies_.push_back({file.location, offset, size, {copy, copy->data()}});
  return copies_.back().bytes;
}

std::vector<FileBytes> TensorFiles::all() const {
  std::vector<FileBytes> all = copies_;
  for (const auto& [location, file] : files_) all.push_back(file);
  return all;
}

std::string location_of(const Message& message) {
  return message.data_location() == Message::EXTERNAL ? entry(message, "location") : "";
}

std::optional<Tensor> take_tensor(Message& message, TensorFiles& files) {
  const ElementType type = to_element_type(message.data_type());
  if (type == ElementType::kOther) return std::nullopt;
  if (message.has_segment()) refuse(message, "it is cut into segments; a whole tensor is needed");
  const std::size_t needed = byte_count(message);
  if (message.data_location() == Message::EXTERNAL) {
    auto tensor = tensor_of(message, type, external_bytes(message, files, needed, size_of(type)));
    message.clear_data_location();
    message.clear_external_data();
    return tensor;
  }
  const auto bytes = std::shared_ptr<std::string>(message.has_raw_data() ? message.release_raw_data()
                                                                         : new std::string(typed_bytes(message)));
  if (bytes->size() != needed) {
    const std::size_t size = size_of(type);
    refuse(message,
           fmt::format("{} bytes of elements came for {}, of {} bytes each; {} bytes are needed", bytes->size(),
                       to_string(Shape(message.dims().begin(), message.dims().end())), size, needed));
  }
  message.clear_raw_data();
  message.clear_float_data();
  message.clear_double_data();
  message.clear_int32_data();
  message.clear_int64_data();
  message.clear_uint64_data();
  return tensor_of(message, type, {bytes, bytes->data()});
}

void load_tensor(Message& message, TensorFiles& files) {
  if (bits_of(message.data_type()) == 0) refuse(message, "elements of this type can't be in a file");
  const std::size_t size = byte_count(message);
  const auto bytes = external_bytes(message, files, size, 1);
  message.clear_data_location();
  message.clear_external_data();
  message.set_raw_data(bytes.get(), size);
}

void add_constant(Network& network, const std::string& name, Tensor tensor) {
  Message& message = *network.model.mutable_graph()->add_initializer();
  message.set_name(name);
  message.set_data_type(to_data_type(tensor.type()));
  for (const std::int64_t extent : tensor.shape()) message.add_dims(extent);
  network.constants.insert_or_assign(name, std::move(tensor));
}

void drop_unused(Network& network) {
  auto& graph = *network.model.mutable_graph();
  auto used = read_values(graph);
  auto& initializers = *graph.mutable_initializer();
  int kept = 0;
  for (int i = 0; i < initializers.size(); ++i) {
    if (used.contains(initializers[i].name()))
      initializers.SwapElements(kept++, i);
    else
      network.constants.erase(initializers[i].name());
  }
  initializers.DeleteSubrange(kept, initializers.size() - kept);
  for (const auto& node : graph.node()) used.insert(node.output().begin(), node.output().end());
  auto& infos = *graph.mutable_value_info();
  const auto rest =
      std::stable_partition(infos.begin(), infos.end(), [&](const auto& info) { return used.contains(info.name()); });
  infos.DeleteSubrange(static_cast<int>(rest - infos.begin()), static_cast<int>(infos.end() - rest));
}

std::optional<std::vector<std::int64_t>> constant_ints(const Network& network, const std::string& name) {
  const auto found = network.constants.find(name);
  if (found == network.constants.end()) return std::nullopt;
  const Tensor& tensor = found->second;
  if (tensor.type() != ElementType::kI64 && tensor.type() != ElementType::kI32) return std::nullopt;
  const Tensor wide = tensor.cast(ElementType::kI64);
  const auto values = wide.as<std::int64_t>();
  return std::vector<std::int64_t>(values.begin(), values.end());
}

}  // namespace tightrope::onnx
