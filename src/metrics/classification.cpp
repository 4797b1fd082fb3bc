// SPDX-License-Identifier: Apache-2.0
// Shares of right classes: top-k, F1.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

// The number of rows of scores in an output, each of `classes`.
std::size_t rows_of(std::string_view metric, std::size_t item, const Tensor& output, std::size_t classes) {
  if (classes == 0 || output.size() == 0) {
    refuse(metric, item,
           fmt::format("the model's output has shape {}; scores along its last axis are needed",
                       to_string(output.shape())));
  }
  return output.size() / classes;
}

const Tensor& labels_of(std::string_view metric, std::size_t item, const Sample& sample, const Tensor& output,
                        std::size_t rows) {
  const Tensor& label = label_of(metric, item, sample, "a class index");
  if (label.size() != rows) {
    refuse(metric, item,
           fmt::format("the label has shape {} and the model's output {}; {} class ind{} needed",
                       to_string(label.shape()), to_string(output.shape()), rows, rows == 1 ? "ex is" : "ices are"));
  }
  return label;
}

std::size_t class_of(std::string_view metric, double label, std::size_t classes, std::size_t item) {
  if (!(label >= 0 && label < static_cast<double>(classes)) || label != std::floor(label))
    refuse(metric, item, fmt::format("the label is {}; a whole number from 0 to {} is needed", label, classes - 1));
  return static_cast<std::size_t>(label);
}

// Whether the score at `wanted` is among the `count` largest; of equal ones the first counts as larger.
bool is_among_largest(std::span<const float> scores, std::size_t wanted, std::size_t count) {
  if (largest(scores) < 0) return false;
  std::size_t above = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    above += scores[i] > scores[wanted] || (scores[i] == scores[wanted] && i < wanted) ? 1 : 0;
  return above < count;
}

Score score_top(std::size_t count, std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const std::string name = fmt::format("top{}", count);
  const Tensor& output = outputs.front();
  const std::size_t classes = class_count(output.shape());
  const std::size_t rows = rows_of(name, item, output, classes);
  const std::vector<double> labels = labels_of(name, item, sample, output, rows).to_doubles();
  const std::vector<float> scores = output.to_floats();
  Score score{0, rows};
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t wanted = class_of(name, labels[row], classes, item);
    score.sum += is_among_largest(std::span(scores).subspan(row * classes, classes), wanted, count) ? 1 : 0;
  }
  return score;
}

// What the model says of each label: a class of its own, a class by the largest score, or 1 for a score above the
// threshold. -1 where a score is not a number.
std::vector<std::int64_t> predicted_classes(const std::string& metric, std::size_t item, const Tensor& output,
                                            std::size_t labels, double threshold) {
  std::vector<std::int64_t> classes;
  if (output.size() == labels) {
    const bool scores = is_float(output.type());
    for (const double value : output.to_doubles()) {
      const double said = !scores ? value : std::isnan(value) ? -1 : value > threshold ? 1 : 0;
      classes.push_back(static_cast<std::int64_t>(said));
    }
    return classes;
  }
  const std::size_t count = class_count(output.shape());
  const std::size_t rows = rows_of(metric, item, output, count);
  const std::vector<float> scores = output.to_floats();
  for (std::size_t row = 0; row < rows; ++row)
    classes.push_back(largest(std::span(scores).subspan(row * count, count)));
  return classes;
}

struct Counts {
  double hits = 0;
  double predicted = 0;
  double labeled = 0;

  // Without hits 0, as where nothing is predicted or labeled.
  double f1() const { return hits == 0 ? 0 : 2 * hits / (predicted + labeled); }
};

class F1Meter : public Meter {
 public:
  F1Meter(std::string name, Average average, double threshold)
      : name_(std::move(name)), average_(average), threshold_(threshold) {}

  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override {
    const std::vector<double> labels = label_of(name_, item, sample, "a class index").to_doubles();
    const auto predicted = predicted_classes(name_, item, outputs.front(), labels.size(), threshold_);
    labels_of(name_, item, sample, outputs.front(), predicted.size());
    const std::size_t largest_class = average_ == Average::kBinary ? 2 : std::size_t{1} << 31;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto label = static_cast<std::int64_t>(class_of(name_, labels[i], largest_class, item));
      ++counts_[label].labeled;
      ++counts_[predicted[i]].predicted;
      if (label == predicted[i]) ++counts_[label].hits;
    }
  }

  Validation result() const override {
    if (average_ == Average::kBinary) return counts_.contains(1) ? counts_.at(1).f1() : 0.0;
    Counts all;
    double sum = 0;
    for (const auto& [label, counts] : counts_) {
      all = {all.hits + counts.hits, all.predicted + counts.predicted, all.labeled + counts.labeled};
      sum += counts.f1();
    }
    return average_ == Average::kMicro ? all.f1() : sum / static_cast<double>(counts_.size());
  }

 private:
  std::string name_;
  Average average_;
  double threshold_;
  std::map<std::int64_t, Counts> counts_;  // by class
};

}  // namespace

std::unique_ptr<Meter> begin_top(std::size_t count) {
  return std::make_unique<MeanMeter>([count](std::size_t item, const Sample& sample, const auto& outputs) {
    return score_top(count, item, sample, outputs);
  });
}

std::unique_ptr<Meter> begin_f1(std::string name, Average average, double threshold) {
  return std::make_unique<F1Meter>(std::move(name), average, threshold);
}

}  // namespace tightrope
