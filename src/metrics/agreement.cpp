// SPDX-License-Identifier: Apache-2.0
// Agreement with the outputs of the original model: cosine similarity, signal to quantization noise.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr double kMostDecibels = 120;  // where both models agree

// A fingerprint of what goes into the model: the validation data may come in other orders and parts.
std::uint64_t fingerprint(const Sample& sample) {
  std::uint64_t hash = 0x9E3779B97F4A7C15u;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 29;
  };
  for (const auto& [name, tensor] : sample.inputs) {
    for (const char letter : name) mix(static_cast<unsigned char>(letter));
    for (const std::int64_t extent : tensor.shape()) mix(static_cast<std::uint64_t>(extent));
    mix(static_cast<std::uint64_t>(tensor.type()));
    const auto* bytes = static_cast<const std::byte*>(tensor.data());
    for (std::size_t at = 0; at < tensor.bytes(); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + at, std::min(sizeof(word), tensor.bytes() - at));
      mix(word);
    }
  }
  return hash;
}

// Sums over the elements of an entry.
struct Sums {
  double product = 0;
  double first = 0;   // squares of the model's outputs
  double second = 0;  // squares of the original's
  double difference = 0;

  double cosine() const {
    if (first == 0 || second == 0) return first == second ? 1 : 0;
    return product / (std::sqrt(first) * std::sqrt(second));
  }
  double sqnr() const {
    if (difference == 0) return kMostDecibels;
    if (second == 0) return -kMostDecibels;
    return std::min(10 * std::log10(second / difference), kMostDecibels);
  }
};

std::vector<Sums> sums_of(const char* metric, std::size_t item, const Sample& sample,
                          const std::vector<Tensor>& outputs, const std::vector<Tensor>& wanted) {
  std::vector<Sums> sums(entries_of(sample, outputs, Tensor()));
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (k >= wanted.size() || outputs[k].size() != wanted[k].size()) {
      refuse(metric, item,
             fmt::format("output {} has shape {} and the original's another; equal outputs are needed", k,
                         to_string(outputs[k].shape())));
    }
    const std::vector<float> a = outputs[k].to_floats();
    const std::vector<float> b = wanted[k].to_floats();
    for (std::size_t i = 0; i < a.size(); ++i) {
      Sums& of = sums[i / (a.size() / sums.size())];
      const auto got = static_cast<double>(a[i]);
      const auto right = static_cast<double>(b[i]);
      of.product += got * right;
      of.first += got * got;
      of.second += right * right;
      of.difference += (got - right) * (got - right);
    }
  }
  return sums;
}

// Outputs of the original model, computed once per item.
class Reference {
 public:
  explicit Reference(std::unique_ptr<Session> original) : original_(std::move(original)) {}

  // The samples of `reader`, a few of them read ahead and run through the original together: the data is read once.
  SampleReader running_ahead(SampleReader reader) {
    return [this, reader = std::move(reader), ahead = std::deque<Sample>()]() mutable -> std::optional<Sample> {
      if (ahead.empty()) ahead = read_some(reader);
      if (ahead.empty()) return std::nullopt;
      Sample sample = std::move(ahead.front());
      ahead.pop_front();
      return sample;
    };
  }

  const std::vector<Tensor>& outputs(const Sample& sample) {
    const std::uint64_t key = fingerprint(sample);
    const auto found = outputs_.find(key);
    return found != outputs_.end() ? found->second : outputs_[key] = original_->run(sample);
  }

 private:
  static constexpr std::size_t kAhead = 16;

  std::deque<Sample> read_some(const SampleReader& reader) {
    std::deque<Sample> samples;
    std::vector<std::pair<std::uint64_t, Sample>> missing;
    while (samples.size() < kAhead) {
      std::optional<Sample> sample = reader();
      if (!sample) break;
      const std::uint64_t key = fingerprint(*sample);
      if (!outputs_.contains(key)) missing.emplace_back(key, *sample);
      samples.push_back(std::move(*sample));
    }
    std::size_t next = 0;
    const SampleReader missing_ones = [&]() -> std::optional<Sample> {
      if (next == missing.size()) return std::nullopt;
      return missing[next++].second;
    };
    try {
      if (!missing.empty()) {
        original_->run_all(missing_ones, "validation", [&](std::size_t item, std::vector<Tensor> outputs) {
          outputs_[missing[item].first] = std::move(outputs);
        });
      }
    } catch (const Error&) {
      // The measured model fails on the same sample, and knows its number.
    }
    return samples;
  }

  std::unique_ptr<Session> original_;
  std::unordered_map<std::uint64_t, std::vector<Tensor>> outputs_;
};

class AgreementMeter : public MeanMeter {
 public:
  AgreementMeter(std::shared_ptr<Reference> reference, bool in_decibels)
      : MeanMeter([reference, in_decibels](std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
          const char* name = in_decibels ? "sqnr" : "cosine";
          const std::vector<Sums> sums = sums_of(name, item, sample, outputs, reference->outputs(sample));
          Score score{0, sums.size()};
          for (const Sums& entry : sums) score.sum += in_decibels ? entry.sqnr() : entry.cosine();
          return score;
        }),
        reference_(std::move(reference)) {}

  SampleReader watch(SampleReader reader) const override { return reference_->running_ahead(std::move(reader)); }

 private:
  std::shared_ptr<Reference> reference_;
};

}  // namespace

std::function<std::unique_ptr<Meter>()> agreement_with(const Model& original, bool in_decibels) {
  auto reference = std::make_shared<Reference>(original.compile({.throughput = true}));
  return [reference, in_decibels] { return std::make_unique<AgreementMeter>(reference, in_decibels); };
}

}  // namespace tightrope
