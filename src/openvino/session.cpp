// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <openvino/op/ops.hpp>

#include "base/input_port.h"
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
  if (options.requests > 0) properties.emplace(ov::hint::num_requests(static_cast<std::uint32_t>(options.requests)));
  return properties;
}

InputPort port_of(const ov::Output<const ov::Node>& input) {
  const std::string friendly = input.get_node()->get_friendly_name();
  const ov::PartialShape& shape = input.get_partial_shape();
  InputPort port;
  port.names.assign(input.get_names().begin(), input.get_names().end());
  port.names.push_back(friendly);
  port.type = to_element_type(input.get_element_type());
  port.accepts = [shape](const Shape& found) { return shape.compatible(ov::Shape(found.begin(), found.end())); };
  port.shape = shape.to_string();
  port.description = fmt::format("'{}' {} {}", input.get_names().empty() ? friendly : input.get_any_name(),
                                 input.get_element_type().get_type_name(), port.shape);
  return port;
}

class OpenVinoSession : public Session {
 public:
  OpenVinoSession(const std::shared_ptr<const ov::Model>& model, const CompileOptions& options)
      : compiled_(core().compile_model(model, options.device, properties_of(options))), requests_(options.requests) {
    for (const auto& input : compiled_.inputs()) ports_.push_back(port_of(input));
    stateful_ = !model->get_variables().empty();
  }

  std::vector<Tensor> run(const Sample& sample) override {
    if (!single_) single_ = compiled_.create_infer_request();
    set_inputs(*single_, sample, "sample");
    single_->infer();
    return outputs_of(*single_);
  }

  void run_all(const SampleReader& next, std::string_view what,
               const std::function<void(std::size_t, std::vector<Tensor>)>& done) override;

 private:
  // Converts, checks and copies. A request that reads from the sample's own memory may also write there: where an
  // input is an output after all that the runtime leaves out, it takes one memory for both.
  void set_inputs(ov::InferRequest& request, const Sample& sample, const std::string& what) const;
  std::vector<Tensor> outputs_of(ov::InferRequest& request) const;

  ov::CompiledModel compiled_;
  int requests_;  // at a time; 0: the device's choice
  std::optional<ov::InferRequest> single_;
  std::vector<InputPort> ports_;
  bool stateful_ = false;
};

void OpenVinoSession::set_inputs(ov::InferRequest& request, const Sample& sample, const std::string& what) const {
  const std::vector<Tensor> used = take_inputs(sample, ports_, what);
  if (stateful_) request.reset_state();
  for (std::size_t i = 0; i < used.size(); ++i) {
    ov::Tensor target = request.get_input_tensor(i);
    target.set_shape(ov::Shape(used[i].shape().begin(), used[i].shape().end()));
    if (used[i].bytes() > 0) std::memcpy(target.data(), used[i].data(), used[i].bytes());
  }
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

// One parallel request, and the sample that it runs.
struct Slot {
  ov::InferRequest request;
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

  const std::size_t count =
      requests_ > 0 ? static_cast<std::size_t>(requests_)
                    : static_cast<std::size_t>(compiled_.get_property(ov::optimal_number_of_infer_requests));
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
      // Results that wait for an earlier one take memory, too.
      while (idle.empty() || started - delivered >= 2 * slots.size()) collect_one();
      const auto sample = next();
      if (!sample) break;
      Slot& slot = slots[idle.back()];
      slot.index = started;
      set_inputs(slot.request, *sample, fmt::format("{} item {}", what, started));
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
