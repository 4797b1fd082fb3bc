// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantile.h"

#include <bit>
#include <cstdint>

namespace tightrope {
namespace {

constexpr std::size_t kFew = std::size_t{1} << 16;  // up to here a sorted copy is cheaper
constexpr std::size_t kBuckets = std::size_t{1} << 16;

// The bits of a float as an integer of the same order.
std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

float value_of_key(std::uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000U) != 0 ? key & 0x7FFFFFFFU : ~key);
}

template <typename Value>
std::vector<float> sorted_at(std::span<const float> values, std::span<const std::size_t> ranks, Value&& value) {
  std::vector<float> sorted(values.size());
  std::ranges::transform(values, sorted.begin(), value);
  std::ranges::sort(sorted);
  std::vector<float> found;
  for (const std::size_t rank : ranks) found.push_back(sorted[rank]);
  return found;
}

// Counts by the upper halves of the keys first, and then, in the buckets that hold a rank, by the lower ones.
template <typename Value>
std::vector<float> counted_at(std::span<const float> values, std::span<const std::size_t> ranks, Value&& value) {
  using Counts = std::vector<std::size_t>;
  const auto find = [](const Counts& counts, std::size_t& rank) {
    std::size_t bucket = 0;
    while (rank >= counts[bucket]) rank -= counts[bucket++];
    return bucket;
  };
  Counts upper(kBuckets, 0);
  for (const float element : values) ++upper[key_of(value(element)) >> 16U];
  std::vector<std::size_t> buckets;
  std::vector<std::size_t> rests(ranks.begin(), ranks.end());
  std::map<std::size_t, Counts> lower;
  for (std::size_t& rest : rests) {
    buckets.push_back(find(upper, rest));
    lower.try_emplace(buckets.back(), kBuckets, 0);
  }
  std::vector<Counts*> counts_of(kBuckets, nullptr);
  for (auto& [bucket, counts] : lower) counts_of[bucket] = &counts;
  for (const float element : values) {
    const std::uint32_t key = key_of(value(element));
    if (Counts* counts = counts_of[key >> 16U]) ++(*counts)[key & 0xFFFFU];
  }
  std::vector<float> found;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const std::size_t low = find(lower.at(buckets[i]), rests[i]);
    found.push_back(value_of_key(static_cast<std::uint32_t>(buckets[i] << 16U | low)));
  }
  return found;
}

template <typename Value>
std::vector<float> quantiles(std::span<const float> values, std::span<const double> probabilities, Value&& value) {
  std::vector<std::size_t> ranks;
  for (const double probability : probabilities) {
    const std::size_t rank = position_of(probability, values.size()).rank;
    ranks.insert(ranks.end(), {rank, std::min(rank + 1, values.size() - 1)});
  }
  const std::vector<float> found =
      values.size() <= kFew ? sorted_at(values, ranks, value) : counted_at(values, ranks, value);
  std::vector<float> result;
  for (std::size_t i = 0; i < probabilities.size(); ++i)
    result.push_back(between(found[2 * i], found[2 * i + 1], position_of(probabilities[i], values.size()).weight));
  return result;
}

}  // namespace

Position position_of(double probability, std::size_t count) {
  const double position = probability * static_cast<double>(count - 1);
  const auto rank = static_cast<std::size_t>(position);
  return {rank, position - static_cast<double>(rank)};
}

float between(float value, float next, double weight) {
  if (weight == 0 || value == next) return value;  // infinities have no difference
  const auto from = static_cast<double>(value);
  return static_cast<float>(from + (static_cast<double>(next) - from) * weight);
}

std::vector<float> quantiles_of(std::span<const float> values, std::span<const double> probabilities,
                                bool of_magnitudes) {
  if (of_magnitudes) return quantiles(values, probabilities, [](float value) { return std::abs(value); });
  return quantiles(values, probabilities, [](float value) { return value; });
}

}  // namespace tightrope
