// SPDX-License-Identifier: Apache-2.0
#include "onnx/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/input_port.h"
#include "onnx/messages.h"
#include "onnx/runtime.h"
#include "onnx/write_network.h"
#include "tightrope/error.h"

namespace tightrope::onnx {
namespace {

struct TypePair {
  ElementType ours;
  ONNXTensorElementDataType theirs;
};

constexpr TypePair kTypes[] = {
    {ElementType::kBoolean, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},
    {ElementType::kI8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8},
    {ElementType::kU8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
    {ElementType::kI16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16},
    {ElementType::kU16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16},
    {ElementType::kI32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
    {ElementType::kU32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
    {ElementType::kI64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
    {ElementType::kU64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64},
    {ElementType::kF16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
    {ElementType::kBF16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16},
    {ElementType::kF32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    {ElementType::kF64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},
};

ElementType to_element_type(ONNXTensorElementDataType type) {
  const auto* const found = std::ranges::find(kTypes, type, &TypePair::theirs);
  return found == std::end(kTypes) ? ElementType::kOther : found->ours;
}

ONNXTensorElementDataType to_runtime_type(ElementType type) {
  return std::ranges::find(kTypes, type, &TypePair::ours)->theirs;
}

// An input or output of the model.
struct Port {
  std::string name;
  ElementType type = ElementType::kOther;
  std::optional<Shape> shape;  // of a tensor that is known to have axes: the runtime tells no scalar from any shape
};

Port make_port(const char* kind, std::string name, const Ort::TypeInfo& info) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    throw Unsupported(fmt::format("[compile] {} '{}' is no tensor; tensors are needed", kind, name));
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  Port port{std::move(name), to_element_type(tensor.GetElementType()), {}};
  if (port.type == ElementType::kOther) {
    throw Unsupported(fmt::format(
        "[compile] {} '{}' has elements of type {} of ONNX; truth values, integers or floating point are needed", kind,
        port.name, static_cast<int>(tensor.GetElementType())));
  }
  if (Shape shape = tensor.GetShape(); !shape.empty()) port.shape = std::move(shape);
  return port;
}

bool fits(const Shape& shape, const Shape& needed) {
  return std::ranges::equal(shape, needed,
                            [](std::int64_t found, std::int64_t wanted) { return wanted < 0 || found == wanted; });
}

InputPort input_port(const Port& port) {
  const std::string shape = port.shape ? to_string(*port.shape) : "";
  return {{port.name},
          port.type,
          [needed = port.shape](const Shape& found) { return !needed || fits(found, *needed); },
          shape,
          fmt::format("'{}' {}{}{}", port.name, name_of(port.type), shape.empty() ? "" : " ", shape)};
}

// The threads of one run. What they compute is asked for with an index and taken by it.
class Workers {
 public:
  using Inputs = std::vector<Tensor>;
  using Outputs = std::vector<Tensor>;
  using Work = std::function<Outputs(std::size_t index, const Inputs& inputs)>;

  Workers(std::size_t count, Work work) : work_(std::move(work)) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { loop(stop); });
    }
  }

  ~Workers() {
    for (std::jthread& thread : threads_) thread.request_stop();  // all of them before the first is waited for
  }

  void start(std::size_t index, Inputs inputs) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({index, std::move(inputs)});
    asked_.notify_one();
  }

  bool has(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    return results_.contains(index);
  }

  // Waits for it; rethrows what the work has thrown.
  Outputs take(std::size_t index) {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return results_.contains(index); });
    Result result = std::move(results_.extract(index).mapped());
    lock.unlock();
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.outputs);
  }

 private:
  struct Job {
    std::size_t index;
    Inputs inputs;
  };
  struct Result {
    Outputs outputs;
    std::exception_ptr error;
  };

  void loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (asked_.wait(lock, stop, [&] { return !jobs_.empty(); }) && !stop.stop_requested()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      Result result;
      try {
        result.outputs = work_(job.index, job.inputs);
      } catch (...) {
        result.error = std::current_exception();
      }
      lock.lock();
      results_.emplace(job.index, std::move(result));
      finished_.notify_one();
    }
  }

  Work work_;
  mutable std::mutex mutex_;
  std::condition_variable_any asked_;
  std::condition_variable finished_;
  std::deque<Job> jobs_;
  std::map<std::size_t, Result> results_;
  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

// The runtime takes a pointer to mutable data but only reads inputs and constants.
Ort::Value value_of(const Tensor& tensor) {
  return Ort::Value::CreateTensor(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault),
                                  const_cast<void*>(tensor.data()), tensor.bytes(), tensor.shape().data(),
                                  tensor.shape().size(), to_runtime_type(tensor.type()));
}

class OnnxSession : public Session {
 public:
  OnnxSession(Ort::Session session, std::size_t workers, const std::vector<std::string>& outputs);

  std::vector<Tensor> run(const Sample& sample) override {
    return compute(take_inputs(sample, inputs_, "sample"), Ort::RunOptions(), "sample");
  }

  void run_all(const SampleReader& next, std::string_view what,
               const std::function<void(std::size_t, std::vector<Tensor>)>& done) override;

 private:
  // On any thread.
  std::vector<Tensor> compute(const std::vector<Tensor>& inputs, const Ort::RunOptions& options,
                              const std::string& what);

  Ort::Session session_;
  std::size_t workers_;  // samples at a time
  std::vector<InputPort> inputs_;
  std::vector<Port> outputs_;
  std::vector<const char*> input_names_;
  std::vector<const char*> output_names_;
};

OnnxSession::OnnxSession(Ort::Session session, std::size_t workers, const std::vector<std::string>& outputs)
    : session_(std::move(session)), workers_(workers) {
  const Ort::AllocatorWithDefaultOptions allocator;
  for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
    inputs_.push_back(input_port(
        make_port("input", session_.GetInputNameAllocated(i, allocator).get(), session_.GetInputTypeInfo(i))));
  }
  std::map<std::string, std::size_t, std::less<>> positions;
  for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
    positions.emplace(session_.GetOutputNameAllocated(i, allocator).get(), i);
    if (outputs.empty()) {
      outputs_.push_back(
          make_port("output", session_.GetOutputNameAllocated(i, allocator).get(), session_.GetOutputTypeInfo(i)));
    }
  }
  for (const std::string& name : outputs) {
    const auto found = positions.find(name);
    if (found == positions.end()) throw InvalidArgument(fmt::format("[compile] the model has no output '{}'", name));
    outputs_.push_back(make_port("output", name, session_.GetOutputTypeInfo(found->second)));
  }
  for (const InputPort& port : inputs_) input_names_.push_back(port.names[0].c_str());
  for (const Port& port : outputs_) output_names_.push_back(port.name.c_str());
}

std::vector<Tensor> OnnxSession::compute(const std::vector<Tensor>& inputs, const Ort::RunOptions& options,
                                         const std::string& what) try {
  std::vector<Ort::Value> values;
  for (const Tensor& tensor : inputs) values.push_back(value_of(tensor));
  const std::vector<Ort::Value> results = session_.Run(options, input_names_.data(), values.data(), values.size(),
                                                       output_names_.data(), output_names_.size());
  std::vector<Tensor> outputs;
  for (const Ort::Value& result : results) {
    // A copy: where a model gives back an input or a constant, the runtime hands out its memory itself.
    const auto info = result.GetTensorTypeAndShapeInfo();
    const ElementType type = to_element_type(info.GetElementType());
    const std::size_t size = info.GetElementCount() * size_of(type);
    const auto bytes = std::make_shared_for_overwrite<std::byte[]>(size);
    if (size != 0) std::memcpy(bytes.get(), result.GetTensorRawData(), size);
    outputs.emplace_back(type, info.GetShape(), bytes);
  }
  return outputs;
} catch (const Ort::Exception& error) {
  throw QuantizationError(fmt::format("[run] {}: {}", what, error.what()));
}

void OnnxSession::run_all(const SampleReader& next, std::string_view what,
                          const std::function<void(std::size_t, std::vector<Tensor>)>& done) {
  const auto label = [&](std::size_t index) { return fmt::format("{} item {}", what, index); };
  Ort::RunOptions options;
  Workers workers(workers_, [&](std::size_t index, const std::vector<Tensor>& inputs) {
    return compute(inputs, options, label(index));
  });
  const std::size_t limit = 2 * workers_;  // started and not handed over: while one is read, nobody waits for work
  std::size_t started = 0;
  std::size_t delivered = 0;
  const auto deliver = [&] {
    std::vector<Tensor> outputs = workers.take(delivered);
    done(delivered++, std::move(outputs));
  };
  try {
    while (const auto sample = next()) {
      workers.start(started, take_inputs(*sample, inputs_, label(started)));
      ++started;
      while (workers.has(delivered) || started - delivered == limit) deliver();
    }
    while (delivered < started) deliver();
  } catch (...) {
    options.SetTerminate();  // what still runs is not worth waiting for
    throw;
  }
}

void use_device(Ort::SessionOptions& session_options, const std::string& device) {
  constexpr std::string_view kSuffix = "ExecutionProvider";
  std::vector<std::string> devices = Ort::GetAvailableProviders();
  for (std::string& name : devices) {
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  }
  std::ranges::sort(devices);
  if (std::ranges::find(devices, device) == devices.end()) {
    throw InvalidArgument(
        fmt::format("[compile] this ONNX Runtime has no device '{}'; it has {}", device, fmt::join(devices, ", ")));
  }
  if (device == "CPU") return;  // always there, and last
  if (device == "CUDA") {
    OrtCUDAProviderOptionsV2* cuda = nullptr;
    Ort::ThrowOnError(Ort::GetApi().CreateCUDAProviderOptions(&cuda));
    const std::unique_ptr<OrtCUDAProviderOptionsV2, void (*)(OrtCUDAProviderOptionsV2*)> owner(
        cuda, Ort::GetApi().ReleaseCUDAProviderOptions);
    session_options.AppendExecutionProvider_CUDA_V2(*cuda);
  } else {
    session_options.AppendExecutionProvider(fmt::format("{}{}", device, kSuffix));
  }
}

// A serialized model, and what is handed to the runtime beside it.
struct Parts {
  std::string bytes;
  std::vector<std::string> names;
  std::vector<Ort::Value> constants;  // their elements belong to the network
};

Parts parts_of(const Network& network) {
  Parts parts;
  const auto read = read_values(network.model.graph());  // the runtime drops others before it looks for them
  const Layout layout = layout_of(network, [&](const std::string& name, const Tensor& tensor) {
    const bool leaves = may_lie_outside(tensor.type(), tensor.shape().size(), tensor.bytes()) && read.contains(name);
    if (!leaves) return std::optional<FilePart>();
    parts.names.push_back(name);
    parts.constants.push_back(value_of(tensor));
    return std::optional(FilePart{"memory", 0, tensor.bytes()});  // a file that nobody opens
  });
  check_size(layout, kMessageLimit);
  parts.bytes = to_bytes(layout);
  return parts;
}

}  // namespace

std::unique_ptr<Session> make_session(const Network& network, const CompileOptions& options,
                                      const std::vector<std::string>& outputs) {
  if (options.precision != "f32" && !options.precision.empty()) {
    throw InvalidArgument(fmt::format(
        "[compile] precision '{}': ONNX Runtime computes in the types of the model; 'f32' is needed, or nothing",
        options.precision));
  }
  Ort::Env& environment = runtime();
  try {
    Ort::SessionOptions session_options;
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t parallel = options.requests > 0 ? static_cast<std::size_t>(options.requests) : cores;
    // 0: one per core
    session_options.SetIntraOpNumThreads(options.throughput ? static_cast<int>(std::max(cores / parallel, 1UL)) : 0);
    session_options.SetDeterministicCompute(true);
    // Both would keep the most that any sample needed, for each of those that run at a time.
    if (options.throughput) session_options.DisableCpuMemArena().DisableMemPattern();
    use_device(session_options, options.device);
    const Parts parts = parts_of(network);
    session_options.AddExternalInitializers(parts.names, parts.constants);  // copied when the session is made
    Ort::Session session(environment, parts.bytes.data(), parts.bytes.size(), session_options);
    const std::size_t workers = options.throughput ? parallel : 1;
    return std::make_unique<OnnxSession>(std::move(session), workers, outputs);
  } catch (const Ort::Exception& error) {
    throw QuantizationError(fmt::format("[compile] device '{}': {}", options.device, error.what()));
  }
}

}  // namespace tightrope::onnx
