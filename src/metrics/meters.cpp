// SPDX-License-Identifier: Apache-2.0
#include "metrics/meters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tightrope/error.h"

namespace tightrope {

std::string item_name(std::string_view metric, std::size_t item) {
  return fmt::format("[metric {}] validation item {}", metric, item);
}

void refuse(std::string_view metric, std::size_t item, const std::string& what) {
  throw InvalidArgument(fmt::format("{}: {}", item_name(metric, item), what));
}

std::size_t entries_of(const Sample& sample, std::span<const Tensor> outputs, const Tensor& label) {
  std::int64_t entries = -1;
  const auto agrees = [&](const Tensor& tensor) {
    if (tensor.shape().empty()) return false;
    if (entries < 0) entries = tensor.shape()[0];
    return tensor.shape()[0] == entries;
  };
  for (const auto& input : sample.inputs) {
    if (!agrees(input.tensor)) return 1;
  }
  if (!std::ranges::all_of(outputs, agrees) || (!label.empty() && !agrees(label))) return 1;
  return entries < 1 ? 1 : static_cast<std::size_t>(entries);
}

const Tensor& label_of(std::string_view metric, std::size_t item, const Sample& sample, std::string_view needed) {
  if (sample.label.empty() || sample.label.type() == ElementType::kOther)
    throw InvalidArgument(fmt::format("{} has no label; {} is needed", item_name(metric, item), needed));
  return sample.label;
}

void MeanMeter::add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const Score one = score_(item, sample, outputs);
  if (values_.empty()) first_entries_ = one.entries;
  even_ = even_ && one.entries == first_entries_;
  total_.sum += one.sum;
  total_.entries += one.entries;
  values_.push_back(one.sum / static_cast<double>(one.entries));
}

Validation MeanMeter::result() const {
  const double mean = total_.sum / static_cast<double>(total_.entries);
  return even_ ? Validation(mean, values_) : Validation(mean);
}

double value_or(const Parameters& parameters, std::string_view name, double otherwise) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? otherwise : found->second;
}

std::int64_t largest(std::span<const float> scores) {
  if (std::ranges::any_of(scores, [](float score) { return std::isnan(score); })) return -1;
  return std::ranges::max_element(scores) - scores.begin();
}

std::size_t class_count(const Shape& shape) {
  std::size_t rank = shape.size();
  while (rank > 2 && shape[rank - 1] == 1) --rank;
  return rank == 0 ? 0 : static_cast<std::size_t>(shape[rank - 1]);
}

}  // namespace tightrope
