// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <openvino/op/ops.hpp>

#include "openvino/convert.h"
#include "openvino/openvino_model.h"
#include "tightrope/error.h"

namespace tightrope::openvino {
namespace {

ov::AnyMap properties_of(const CompileOptions& options) {
  ov::AnyMap properties;
  if (!options.precision.empty())
    properties.emplace(ov::hint::inference_precision(ov::element::Type(options.precision)));
  properties.emplace(ov::hint::performance_mode(options.throughput ? ov::hint::PerformanceMode::THROUGHPUT
                                                                   : ov::hint::PerformanceMode::LATENCY));
  return properties;
}

// Text, and numbers that would lose their fraction, are refused; everything else is converted as the runtime's own
// Python interface does.
bool converts(ElementType from, ElementType to) {
  if (from == ElementType::kOther || to == ElementType::kOther) return from == to;
  return !is_float(from) || is_float(to);
}

std::string describe_inputs(const ov::CompiledModel& model) {
  std::string text;
  for (const auto& input : model.inputs()) {
    if (!text.empty()) text += ", ";
    text += fmt::format("'{}' {} {}",
                        input.get_names().empty() ? input.get_node()->get_friendly_name() : input.get_any_name(),
                        input.get_element_type().get_type_name(), input.get_partial_shape().to_string());
  }
  return text;
}

class OpenVinoSession : public Session {
 public:
  OpenVinoSession(const std::shared_ptr<const ov::Model>& model, const CompileOptions& options)
      : compiled_(core().compile_model(model, options.device, properties_of(options))) {
    for (std::size_t i = 0; i < compiled_.inputs().size(); ++i) {
      const auto& input = compiled_.inputs()[i];
      for (const std::string& name : input.get_names()) positions_.emplace(name, i);
      positions_.emplace(input.get_node()->get_friendly_name(), i);
    }
    stateful_ = !model->get_variables().empty();
  }

  std::vector<Tensor> run(const Sample& sample) override {
    if (!single_) single_ = compiled_.create_infer_request();
    const Sample used = set_inputs(*single_, sample, "sample");  // alive while the request reads from it
    single_->infer();
    return outputs_of(*single_);
  }

  void run_all(const SampleReader& next, std::string_view what,
               const std::function<void(std::size_t, std::vector<Tensor>)>& done) override;

 private:
  // Converts and checks; the request then reads from the sample's own memory where no conversion was needed.
  [[nodiscard]] Sample set_inputs(ov::InferRequest& request, const Sample& sample, const std::string& what) const;
  std::vector<Tensor> outputs_of(ov::InferRequest& request) const;

  ov::CompiledModel compiled_;
  std::optional<ov::InferRequest> single_;
  std::map<std::string, std::size_t, std::less<>> positions_;
  bool stateful_ = false;
};

Sample OpenVinoSession::set_inputs(ov::InferRequest& request, const Sample& sample, const std::string& what) const {
  const auto& ports = compiled_.inputs();
  if (sample.inputs.size() != ports.size()) {
    throw InvalidArgument(fmt::format("[data] {} has {} inputs; the model needs {}: {}", what, sample.inputs.size(),
                                      ports.size(), describe_inputs(compiled_)));
  }
  if (stateful_) request.reset_state();
  Sample used;
  std::vector<bool> given(ports.size(), false);
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    const auto& [name, tensor] = sample.inputs[i];
    std::size_t position = i;
    if (!name.empty()) {
      const auto found = positions_.find(name);
      if (found == positions_.end()) {
        throw InvalidArgument(
            fmt::format("[data] {}: the model has no input '{}'; it needs {}", what, name, describe_inputs(compiled_)));
      }
      position = found->second;
    }
    if (given[position]) {
      throw InvalidArgument(
          fmt::format("[data] {}: input '{}' came twice; the model needs {}", what, name, describe_inputs(compiled_)));
    }
    given[position] = true;
    const auto& port = ports[position];
    const std::string label = name.empty() ? fmt::format("{}", position) : name;
    const ElementType needed = to_element_type(port.get_element_type());
    if (!converts(tensor.type(), needed)) {
      throw InvalidArgument(fmt::format("[data] {}, input '{}': elements are {}; {} is needed", what, label,
                                        name_of(tensor.type()), name_of(needed)));
    }
    const ov::Shape shape(tensor.shape().begin(), tensor.shape().end());
    if (!port.get_partial_shape().compatible(shape)) {
      throw InvalidArgument(fmt::format("[data] {}, input '{}': shape {} came; {} is needed", what, label,
                                        to_string(tensor.shape()), port.get_partial_shape().to_string()));
    }
    used.inputs.push_back({name, tensor.cast(needed)});
    // The runtime takes a pointer to mutable data but only reads inputs.
    request.set_input_tensor(
        position, ov::Tensor(port.get_element_type(), shape, const_cast<void*>(used.inputs.back().tensor.data())));
  }
  return used;
}

std::vector<Tensor> OpenVinoSession::outputs_of(ov::InferRequest& request) const {
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < compiled_.outputs().size(); ++i) {
    const ov::Tensor source = request.get_output_tensor(i);
    const auto bytes = std::make_shared<std::vector<std::byte>>(source.get_byte_size());
    if (!bytes->empty()) std::memcpy(bytes->data(), source.data(), bytes->size());
    outputs.emplace_back(to_element_type(source.get_element_type()), to_shape(source.get_shape()),
                         std::shared_ptr<const void>(bytes, bytes->data()));
  }
  return outputs;
}

// One parallel request with the sample that it reads from.
struct Slot {
  ov::InferRequest request;
  Sample sample;
  std::size_t index = 0;
};

struct Finished {
  std::size_t slot;
  std::exception_ptr error;
};

void OpenVinoSession::run_all(const SampleReader& next, std::string_view what,
                              const std::function<void(std::size_t, std::vector<Tensor>)>& done) {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Finished> finished;

  const auto count = static_cast<std::size_t>(compiled_.get_property(ov::optimal_number_of_infer_requests));
  std::vector<Slot> slots(std::max<std::size_t>(count, 1));
  std::vector<std::size_t> idle;
  for (std::size_t i = slots.size(); i-- > 0;) {
    slots[i].request = compiled_.create_infer_request();
    slots[i].request.set_callback([&, i](std::exception_ptr error) {
      const std::lock_guard lock(mutex);
      finished.push_back({i, error});
      changed.notify_one();
    });
    idle.push_back(i);
  }

  std::size_t running = 0;
  std::size_t started = 0;
  std::size_t delivered = 0;
  std::map<std::size_t, std::vector<Tensor>> waiting;  // finished ahead of an earlier sample
  const auto collect_one = [&] {
    Finished entry{};
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !finished.empty(); });
      entry = finished.front();
      finished.pop_front();
    }
    --running;
    Slot& slot = slots[entry.slot];
    if (entry.error) std::rethrow_exception(entry.error);
    waiting.emplace(slot.index, outputs_of(slot.request));
    idle.push_back(entry.slot);
    for (auto first = waiting.begin(); first != waiting.end() && first->first == delivered; first = waiting.begin()) {
      const auto outputs = waiting.extract(first);
      done(delivered++, std::move(outputs.mapped()));
    }
  };

  try {
    while (true) {
      while (idle.empty()) collect_one();
      const auto sample = next();
      if (!sample) break;
      Slot& slot = slots[idle.back()];
      slot.index = started;
      slot.sample = set_inputs(slot.request, *sample, fmt::format("{} item {}", what, started));
      idle.pop_back();
      ++started;
      slot.request.start_async();
      ++running;
    }
    while (running > 0) collect_one();
  } catch (...) {
    // The requests refer to this frame: all of them must have come back before it goes.
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return finished.size() >= running; });
    throw;
  }
}

}  // namespace

std::unique_ptr<Session> make_session(const std::shared_ptr<const ov::Model>& model, const CompileOptions& options) {
  try {
    return std::make_unique<OpenVinoSession>(model, options);
  } catch (const ov::Exception& error) {
    throw QuantizationError(
        fmt::format("[compile] device '{}', precision '{}': {}", options.device, options.precision, error.what()));
  }
}

}  // namespace tightrope::openvino
