// SPDX-License-Identifier: Apache-2.0
#include "statistics/collect.h"

#include <fmt/format.h>

#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

// Folds one entry per item and channel. Sums are in double, in the order of the items.
class Folder {
 public:
  explicit Folder(Aggregator aggregator) : aggregator_(aggregator) {}

  void add(std::span<const float> item) {
    if (items_++ == 0) {
      folded_.assign(item.begin(), item.end());
      return;
    }
    if (folded_.size() != item.size()) throw InternalError("[statistics] the number of channels changed between items");
    for (std::size_t i = 0; i < item.size(); ++i) fold(folded_[i], static_cast<double>(item[i]));
  }

  std::int64_t items() const { return items_; }

  std::vector<float> result() const {
    std::vector<float> result;
    const double divisor = aggregator_ == Aggregator::kMean && items_ > 0 ? static_cast<double>(items_) : 1.0;
    for (const double value : folded_) result.push_back(static_cast<float>(value / divisor));
    return result;
  }

 private:
  void fold(double& into, double value) const {
    if (aggregator_ == Aggregator::kMean)
      into += value;
    else
      into = aggregator_ == Aggregator::kMin ? std::min(into, value) : std::max(into, value);
  }

  Aggregator aggregator_;
  std::vector<double> folded_;
  std::int64_t items_ = 0;
};

struct Accumulator {
  Folder low;
  Folder high;
  Folder magnitude;
  Folder mean{Aggregator::kMean};

  void add(std::span<const float> item_low, std::span<const float> item_high) {
    std::vector<float> magnitudes(item_low.size());
    for (std::size_t i = 0; i < magnitudes.size(); ++i)
      magnitudes[i] = std::max(std::abs(item_low[i]), std::abs(item_high[i]));
    low.add(item_low);
    high.add(item_high);
    magnitude.add(magnitudes);
  }
};

// Keeps items spread evenly over a sequence whose length is not known: whenever twice as many as wanted are held, every
// other one goes.
class Thinning {
 public:
  explicit Thinning(std::size_t wanted) : wanted_(wanted) {}

  void offer(const Sample& sample) {
    if (wanted_ == 0 || offered_++ % stride_ != 0) return;
    kept_.push_back(sample);
    if (kept_.size() < 2 * wanted_) return;
    for (std::size_t i = 1; 2 * i < kept_.size(); ++i) kept_[i] = std::move(kept_[2 * i]);
    kept_.resize(wanted_);
    stride_ *= 2;
  }

  std::vector<Sample> take() {
    std::vector<Sample> spread;
    const std::size_t count = std::min(wanted_, kept_.size());
    for (std::size_t i = 0; i < count; ++i) spread.push_back(kept_[i * kept_.size() / count]);
    return spread;
  }

 private:
  std::size_t wanted_;
  std::size_t stride_ = 1;
  std::size_t offered_ = 0;
  std::vector<Sample> kept_;
};

void require_numbers(std::span<const float> low, std::span<const float> high, const Graph& graph, ValueId value,
                     std::size_t item) {
  for (std::size_t i = 0; i < low.size(); ++i) {
    if (!std::isnan(low[i]) && !std::isnan(high[i])) continue;
    const Node& node = graph.node(graph.value(value).producer);
    throw InvalidArgument(
        fmt::format("[statistics] node '{}' ({}): its output on calibration item {} holds NaN; data on which the model "
                    "gives numbers are needed",
                    node.name, node.type, item));
  }
}

}  // namespace

Statistics collect(const Model& model, const Dataset& data, std::span<const StatisticRequest> requests,
                   std::int64_t subset_size, std::size_t kept_samples, int items_at_a_time) {
  std::vector<Probe> probes;
  std::vector<Accumulator> accumulators;
  for (const StatisticRequest& request : requests) {
    if (request.mean) {
      probes.push_back({request.value, Probe::Reduction::kMean, request.channel_axes});
    } else {
      probes.push_back({request.value, Probe::Reduction::kMin, request.channel_axes});
      probes.push_back({request.value, Probe::Reduction::kMax, request.channel_axes});
    }
    accumulators.push_back({Folder(request.low), Folder(request.high), Folder(request.high)});
  }

  CompileOptions options;
  options.throughput = true;
  options.requests = items_at_a_time;
  const auto session = model.compile(options, probes);
  Thinning thinning(kept_samples);
  const auto limit = static_cast<std::size_t>(subset_size);
  const std::size_t total = std::min(limit, data.size().value_or(limit));
  const SampleReader reader = data.read();
  std::size_t read = 0;
  const SampleReader next = [&]() -> std::optional<Sample> {
    if (read == limit) return std::nullopt;
    auto sample = reader();
    if (!sample) return std::nullopt;
    ++read;
    thinning.offer(*sample);
    return sample;
  };
  std::size_t done = 0;
  session->run_all(next, "calibration", [&](std::size_t index, std::vector<Tensor> outputs) {
    std::size_t output = 0;
    for (std::size_t r = 0; r < requests.size(); ++r) {
      const std::vector<float> first = outputs[output++].to_floats();
      if (requests[r].mean) {
        if (!first.empty()) accumulators[r].mean.add(first);
        continue;
      }
      const std::vector<float> high = outputs[output++].to_floats();
      require_numbers(first, high, model.graph(), requests[r].value, index);
      // A tensor without elements has its minimum above its maximum, one of a branch that did not run has none.
      if (!first.empty() && first[0] <= high[0]) accumulators[r].add(first, high);
    }
    progress("calibration", ++done, total);
  });
  if (done == 0) throw InvalidArgument("[calibration] the calibration dataset yields no items; at least one is needed");
  if (done < limit && data.size().value_or(limit) < limit) {
    log(LogLevel::kInfo,
        fmt::format("The calibration dataset has {} items, fewer than subset_size={}; all were used.", done, limit));
  }

  Statistics statistics;
  statistics.items = static_cast<std::int64_t>(done);
  statistics.samples = thinning.take();
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const Accumulator& accumulator = accumulators[r];
    const Node& producer = model.graph().node(model.graph().value(requests[r].value).producer);
    if (!requests[r].mean && producer.body.empty() && accumulator.low.items() == 0) {
      throw InvalidArgument(
          fmt::format("[calibration] the output of node '{}' has no elements on any of the {} items; data are needed",
                      producer.name, done));
    }
    statistics.observed.push_back({accumulator.low.result(), accumulator.high.result(), accumulator.magnitude.result(),
                                   accumulator.mean.result()});
  }
  return statistics;
}

}  // namespace tightrope
