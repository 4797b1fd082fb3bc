// SPDX-License-Identifier: Apache-2.0
#include "statistics/single_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "tightrope/error.h"

namespace tightrope {
namespace {

// Along axis 0 of all inputs; 0 where they don't agree.
std::int64_t extent_of(const Sample& batch) {
  const auto extent = [](const Sample::Input& input) {
    return input.tensor.shape().empty() ? 0 : input.tensor.shape()[0];
  };
  if (batch.inputs.empty()) return 0;
  const std::int64_t first = extent(batch.inputs.front());
  return std::ranges::all_of(batch.inputs, [&](const auto& input) { return extent(input) == first; }) ? first : 0;
}

// A copy: a sample that is kept must not keep all of its batch.
Tensor entry_of(const Tensor& batch, std::int64_t index) {
  const Tensor view = batch.slice(index, 1);
  const auto bytes = std::make_shared<std::vector<std::byte>>(view.bytes());
  if (!bytes->empty()) std::memcpy(bytes->data(), view.data(), bytes->size());
  return Tensor(view.type(), view.shape(), std::shared_ptr<const void>(bytes, bytes->data()));
}

void require_entries(const Sample& batch, std::size_t index) {
  const auto is_empty = [](const Sample::Input& input) { return input.tensor.size() == 0; };
  if (extent_of(batch) > 0 || std::ranges::all_of(batch.inputs, is_empty)) return;
  throw InvalidArgument(
      fmt::format("[calibration] batch {}: its inputs have different extents along axis 0; one entry per sample is "
                  "needed in each",
                  index));
}

bool takes_any_batch(const Graph& graph) {
  return std::ranges::all_of(graph.nodes(), [&](const Node& node) {
    if (node.kind != OpKind::kParameter || !node.body.empty()) return true;
    const Value& value = graph.value(node.outputs[0]);
    return value.known_rank && !value.shape.empty() && value.shape[0] < 0;
  });
}

}  // namespace

SingleSamples::SingleSamples(const Graph& graph, const Dataset& batches)
    : batches_(batches), rest_(batches.read()), first_(rest_()) {
  if (!first_ || !takes_any_batch(graph)) return;
  const std::int64_t extent = extent_of(*first_);
  const std::int64_t batch_size = batches.batch_size();
  const bool is_only_one = batches.size() == std::size_t{1};  // which may be smaller than others would be
  if (batch_size == 0 || extent == batch_size || (is_only_one && extent < batch_size)) extent_ = extent;
}

std::int64_t SingleSamples::at_most(std::int64_t batches) const {
  const std::int64_t extent = std::max<std::int64_t>(extent_, 1);
  return batches > std::numeric_limits<std::int64_t>::max() / extent ? batches : batches * extent;
}

std::optional<std::size_t> SingleSamples::size() const {
  const auto batches = batches_.size();
  if (!batches) return std::nullopt;
  return static_cast<std::size_t>(at_most(static_cast<std::int64_t>(*batches)));
}

SampleReader SingleSamples::read() const {
  SampleReader reader = rest_ ? std::exchange(rest_, {}) : batches_.read();
  SampleReader items = [first = std::exchange(first_, std::nullopt), reader = std::move(reader)]() mutable {
    return first ? std::exchange(first, std::nullopt) : reader();
  };
  if (!are_single()) return items;
  return [items = std::move(items), batch = std::optional<Sample>(), next = std::int64_t{0},
          index = std::size_t{0}]() mutable -> std::optional<Sample> {
    while (!batch || next == extent_of(*batch)) {
      batch = items();
      if (!batch) return std::nullopt;
      next = 0;
      require_entries(*batch, index++);
    }
    Sample sample;
    for (const auto& [name, tensor] : batch->inputs) sample.inputs.push_back({name, entry_of(tensor, next)});
    ++next;
    return sample;
  };
}

}  // namespace tightrope
