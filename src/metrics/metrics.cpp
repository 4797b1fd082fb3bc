// SPDX-License-Identifier: Apache-2.0
#include "tightrope/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr double kSmallestError = 1e-12;  // keeps the signal-to-noise ratio of equal images finite (120 dB)

// What a metric says about one item: the sum over its entries, and their number.
struct Score {
  double sum = 0;
  std::size_t entries = 1;
};
using Scorer = std::function<Score(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs)>;

std::string item_name(std::string_view metric, std::size_t item) {
  return fmt::format("[metric {}] validation item {}", metric, item);
}

// Entries along the batch axis, where all inputs, the outputs and the label (if any) agree on their number;
// otherwise 1.
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

// The mean over all entries; per item too, where that has the same mean.
Validation mean_over_items(std::string_view name, Session& model, const SampleReader& reader, const Scorer& score) {
  std::deque<Sample> waiting;  // handed to the model, outputs not seen yet
  const SampleReader next = [&]() {
    std::optional<Sample> sample = reader();
    if (sample) waiting.push_back(*sample);
    return sample;
  };
  Score total{0, 0};
  std::vector<double> values;
  bool even = true;
  std::size_t first_entries = 0;
  model.run_all(next, "validation", [&](std::size_t item, const std::vector<Tensor>& outputs) {
    if (waiting.empty() || outputs.empty()) throw InternalError(item_name(name, item) + " has no outputs");
    const Sample sample = std::move(waiting.front());
    waiting.pop_front();
    const Score one = score(item, sample, outputs);
    if (values.empty()) first_entries = one.entries;
    even = even && one.entries == first_entries;
    total.sum += one.sum;
    total.entries += one.entries;
    values.push_back(one.sum / static_cast<double>(one.entries));
  });
  if (values.empty()) {
    throw InvalidArgument(fmt::format("[metric {}] the validation data holds no items; at least one is needed", name));
  }
  const double mean = total.sum / static_cast<double>(total.entries);
  return even ? Validation(mean, std::move(values)) : Validation(mean);
}

// top1 ------------------------------------------------------------------------------------------------------------

// Classes are the last axis; axes of extent 1 behind axis 1 (as global pooling leaves them) do not count.
std::size_t class_count(const Shape& shape) {
  std::size_t rank = shape.size();
  while (rank > 2 && shape[rank - 1] == 1) --rank;
  return rank == 0 ? 0 : static_cast<std::size_t>(shape[rank - 1]);
}

// Where the largest score stands, the first of equals; nothing where a score is not a number.
std::optional<std::size_t> largest(std::span<const float> scores) {
  if (std::ranges::any_of(scores, [](float score) { return std::isnan(score); })) return std::nullopt;
  return static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
}

std::size_t class_of(double label, std::size_t classes, std::size_t item) {
  if (!(label >= 0 && label < static_cast<double>(classes)) || label != std::floor(label)) {
    throw InvalidArgument(fmt::format("{}: the label is {}; a whole number from 0 to {} is needed",
                                      item_name("top1", item), label, classes - 1));
  }
  return static_cast<std::size_t>(label);
}

Score score_top1(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const Tensor& output = outputs.front();
  const std::size_t classes = class_count(output.shape());
  if (classes == 0 || output.size() == 0) {
    throw InvalidArgument(fmt::format("{}: the model's output has shape {}; scores along its last axis are needed",
                                      item_name("top1", item), to_string(output.shape())));
  }
  const std::size_t rows = output.size() / classes;
  if (sample.label.empty() || sample.label.type() == ElementType::kOther) {
    throw InvalidArgument(item_name("top1", item) + " has no label; a class index is needed");
  }
  if (sample.label.size() != rows) {
    throw InvalidArgument(fmt::format("{}: the label has shape {} and the model's output {}; {} class ind{} needed",
                                      item_name("top1", item), to_string(sample.label.shape()),
                                      to_string(output.shape()), rows, rows == 1 ? "ex is" : "ices are"));
  }
  const std::vector<float> scores = output.to_floats();
  const std::vector<double> labels = sample.label.to_doubles();
  Score score{0, rows};
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t wanted = class_of(labels[row], classes, item);
    score.sum += largest(std::span(scores).subspan(row * classes, classes)) == wanted ? 1 : 0;
  }
  return score;
}

// psnr, mse -------------------------------------------------------------------------------------------------------

// The mean squared error of every entry of an item.
std::vector<double> squared_errors(std::string_view metric, std::size_t item, const Sample& sample,
                                   const std::vector<Tensor>& outputs) {
  const Tensor& output = outputs.front();
  if (sample.label.empty() || sample.label.type() == ElementType::kOther) {
    throw InvalidArgument(item_name(metric, item) + " has no label; the wanted output is needed");
  }
  if (sample.label.size() != output.size() || output.size() == 0) {
    throw InvalidArgument(
        fmt::format("{}: the label has shape {} and the model's output {}; equally many elements are "
                    "needed",
                    item_name(metric, item), to_string(sample.label.shape()), to_string(output.shape())));
  }
  std::vector<float> got = output.to_floats();
  const std::vector<float> wanted = sample.label.to_floats();
  if (metric == "psnr") {
    const auto outside = std::ranges::find_if_not(wanted, [](float v) { return v >= -0.001f && v <= 1.001f; });
    if (outside != wanted.end()) {
      throw InvalidArgument(fmt::format("{}: the label holds the value {}; values in [0,1] are needed",
                                        item_name(metric, item), *outside));
    }
    for (float& value : got) value = std::clamp(value, 0.0F, 1.0F);  // what an image can show
  }
  const std::size_t entries = entries_of(sample, std::span(outputs).first(1), sample.label);
  const std::size_t size = got.size() / entries;
  std::vector<double> errors(entries, 0);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
    errors[i / size] += difference * difference;
  }
  for (double& error : errors) error /= static_cast<double>(size);
  return errors;
}

Score score_psnr(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const std::vector<double> errors = squared_errors("psnr", item, sample, outputs);
  Score score{0, errors.size()};
  for (const double error : errors) score.sum -= 10 * std::log10(error < kSmallestError ? kSmallestError : error);
  return score;
}

Score score_mse(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const std::vector<double> errors = squared_errors("mse", item, sample, outputs);
  Score score{0, errors.size()};
  for (const double error : errors) score.sum += error;
  return score;
}

// cosine ----------------------------------------------------------------------------------------------------------

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

double cosine(double product, double first, double second) {
  if (first == 0 || second == 0) return first == second ? 1 : 0;
  return product / (std::sqrt(first) * std::sqrt(second));
}

Score score_cosine(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs,
                   const std::vector<Tensor>& wanted) {
  const std::size_t entries = entries_of(sample, outputs, Tensor());
  std::vector<double> products(entries, 0), first(entries, 0), second(entries, 0);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (k >= wanted.size() || outputs[k].size() != wanted[k].size()) {
      throw InvalidArgument(
          fmt::format("{}: output {} has shape {} and the original's another; equal outputs are needed",
                      item_name("cosine", item), k, to_string(outputs[k].shape())));
    }
    const std::vector<float> a = outputs[k].to_floats();
    const std::vector<float> b = wanted[k].to_floats();
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::size_t entry = i / (a.size() / entries);
      products[entry] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
      first[entry] += static_cast<double>(a[i]) * static_cast<double>(a[i]);
      second[entry] += static_cast<double>(b[i]) * static_cast<double>(b[i]);
    }
  }
  Score score{0, entries};
  for (std::size_t entry = 0; entry < entries; ++entry) {
    score.sum += cosine(products[entry], first[entry], second[entry]);
  }
  return score;
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

ValidationFn cosine_with(const Model& original) {
  auto reference = std::make_shared<Reference>(original.compile({.throughput = true}));
  return [reference](Session& model, const Dataset& data) {
    return mean_over_items("cosine", model, reference->running_ahead(data.read()),
                           [&](std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
                             return score_cosine(item, sample, outputs, reference->outputs(sample));
                           });
  };
}

ValidationFn mean_of(std::string name, Score (*score)(std::size_t, const Sample&, const std::vector<Tensor>&)) {
  return [name = std::move(name), score](Session& model, const Dataset& data) {
    return mean_over_items(name, model, data.read(), score);
  };
}

}  // namespace

std::vector<std::string> built_in_metric_names() { return {"cosine", "mse", "psnr", "top1"}; }

Metric built_in_metric(const std::string& name, const Model& original) {
  if (name == "top1") return {name, true, true, mean_of(name, score_top1)};
  if (name == "psnr") return {name, true, true, mean_of(name, score_psnr)};
  if (name == "mse") return {name, false, true, mean_of(name, score_mse)};
  if (name == "cosine") return {name, true, false, cosine_with(original)};
  throw InvalidArgument(
      fmt::format("there is no metric '{}'; the known ones are {}", name, fmt::join(built_in_metric_names(), ", ")));
}

}  // namespace tightrope
