// SPDX-License-Identifier: Apache-2.0
#include "statistics/collect.h"

#include <fmt/format.h>

#include "base/parallel.h"
#include "statistics/passes.h"
#include "statistics/thinning.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// The outputs to ask for, each once, and which of them each observer reads.
struct Outputs {
  std::vector<Probe> probes;
  std::vector<std::vector<std::size_t>> of_observer;
};

Outputs outputs_for(const Pass& pass, std::span<const Observer> observers) {
  Outputs outputs;
  for (const std::size_t o : pass.observers) {
    std::vector<std::size_t>& indices = outputs.of_observer.emplace_back();
    for (const Probe& probe : observers[o].probes()) {
      const auto found = std::ranges::find_if(outputs.probes, [&](const Probe& other) {
        return other.value == probe.value && other.reduction == probe.reduction && other.kept_axes == probe.kept_axes;
      });
      indices.push_back(static_cast<std::size_t>(found - outputs.probes.begin()));
      if (found == outputs.probes.end()) outputs.probes.push_back(probe);
    }
  }
  return outputs;
}

void refuse_nan(const Graph& graph, const Observer& observer, std::size_t item) {
  const Node& node = graph.node(graph.value(observer.probes()[0].value).producer);
  throw InvalidArgument(
      fmt::format("[statistics] node '{}' ({}): its output on calibration item {} holds NaN; data on which the model "
                  "gives numbers are needed",
                  node.name, node.type, item));
}

// Hands the outputs of one item to the observers of a pass. Whole values are worth several threads.
void observe_item(const Graph& graph, std::vector<Observer>& observers, const Pass& pass, const Outputs& outputs,
                  const std::vector<Tensor>& found, std::size_t item) {
  const auto observe_one = [&](std::size_t i) {
    Observer& observer = observers[pass.observers[i]];
    std::vector<Tensor> own;
    for (const std::size_t output : outputs.of_observer[i]) own.push_back(found[output]);
    if (!observer.add(own)) refuse_nan(graph, observer, item);
  };
  const bool has_whole = std::ranges::any_of(pass.observers, [&](std::size_t o) { return observers[o].takes_whole(); });
  if (has_whole) return for_each_in_parallel(pass.observers.size(), observe_one);
  for (std::size_t i = 0; i < pass.observers.size(); ++i) observe_one(i);
}

void require_elements(const Graph& graph, const Observer& observer, const StatisticRequest& request,
                      std::size_t items) {
  const Node& producer = graph.node(graph.value(request.value).producer);
  if (request.mean || !producer.body.empty() || observer.has_seen()) return;
  throw InvalidArgument(
      fmt::format("[calibration] the output of node '{}' has no elements on any of the {} items; data are needed",
                  producer.name, items));
}

// Reads the items of a dataset up to a limit, keeping some of them.
class Items {
 public:
  Items(const Dataset& data, std::size_t limit, std::size_t kept_samples)
      : data_(data), limit_(limit), reader_(data.read()), first_(reader_()), thinning_(kept_samples) {
    if (!first_) throw InvalidArgument("[calibration] the calibration dataset yields no items; at least one is needed");
  }

  const Sample& first() const { return *first_; }  // before the first pass

  // For one pass; the first keeps samples.
  std::optional<Sample> next() {
    if (read_ == limit_) return std::nullopt;
    auto sample = first_ ? std::exchange(first_, std::nullopt) : reader_();
    if (!sample) return std::nullopt;
    ++read_;
    if (!count_) thinning_.offer(*sample);
    return sample;
  }

  void end_pass(bool another) {
    if (!count_) count_ = read_;
    if (read_ != *count_) {
      throw InvalidArgument(fmt::format(
          "[calibration] the dataset gave {} items, and {} when it was read again for statistics of whole tensors; one "
          "that starts over at each reading is needed (a list, or an object whose __iter__ starts over)",
          *count_, read_));
    }
    read_ = 0;
    if (another) reader_ = data_.read();
  }

  std::size_t count() const { return *count_; }
  std::vector<Sample> kept() const { return thinning_.take(); }

 private:
  const Dataset& data_;
  std::size_t limit_;
  SampleReader reader_;
  std::optional<Sample> first_;
  Thinning thinning_;
  std::size_t read_ = 0;              // in this pass
  std::optional<std::size_t> count_;  // in the first one, once it is over
};

}  // namespace

Statistics collect(const Model& model, const Dataset& data, std::span<const StatisticRequest> requests,
                   std::int64_t subset_size, std::size_t kept_samples, int parallel) {
  std::vector<Observer> observers;
  for (const StatisticRequest& request : requests) observers.emplace_back(request, model.graph().value(request.value));

  const auto limit = static_cast<std::size_t>(subset_size);
  Items items(data, limit, kept_samples);
  const std::vector<Pass> passes = plan_passes(model, observers, items.first(), parallel);
  const std::size_t total = std::min(limit, data.size().value_or(limit)) * passes.size();
  std::size_t done = 0;
  for (const Pass& pass : passes) {
    const Outputs outputs = outputs_for(pass, observers);
    const auto one_done = [&] { progress("calibration", ++done, total); };
    if (outputs.probes.empty()) {
      while (items.next()) one_done();
    } else {
      CompileOptions options;
      options.throughput = true;
      options.requests = pass.parallel;
      const auto observe = [&](std::size_t item, const std::vector<Tensor>& found) {
        observe_item(model.graph(), observers, pass, outputs, found, item);
        one_done();
      };
      model.compile(options, outputs.probes)->run_all([&] { return items.next(); }, "calibration", observe);
    }
    items.end_pass(&pass != &passes.back());
  }
  if (items.count() < limit && data.size().value_or(limit) < limit) {
    log(LogLevel::kInfo, fmt::format("The calibration dataset has {} items, fewer than subset_size={}; all were used.",
                                     items.count(), limit));
  }

  Statistics statistics;
  statistics.items = static_cast<std::int64_t>(items.count());
  statistics.samples = items.kept();
  for (std::size_t r = 0; r < requests.size(); ++r) {
    require_elements(model.graph(), observers[r], requests[r], items.count());
    statistics.observed.push_back(observers[r].result());
  }
  return statistics;
}

}  // namespace tightrope
