// SPDX-License-Identifier: Apache-2.0
// What metrics share: parts of an item, means over entries, parameters in a metric's name.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/metrics.h"

namespace tightrope {

std::string item_name(std::string_view metric, std::size_t item);

// Entries along the batch axis, where all inputs, the outputs and the label (if any) agree on their number; else 1.
std::size_t entries_of(const Sample& sample, std::span<const Tensor> outputs, const Tensor& label);

// The label, whose elements are numbers. Throws InvalidArgument where there is none; `needed` says what is: "a class
// index".
const Tensor& label_of(std::string_view metric, std::size_t item, const Sample& sample, std::string_view needed);

// Throws InvalidArgument that names the item.
[[noreturn]] void refuse(std::string_view metric, std::size_t item, const std::string& what);

// What a metric says about one item: the sum over its entries, and their number.
struct Score {
  double sum = 0;
  std::size_t entries = 1;
};
using Scorer = std::function<Score(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs)>;

// The mean over all entries; per item too, where that has the same mean.
class MeanMeter : public Meter {
 public:
  explicit MeanMeter(Scorer score) : score_(std::move(score)) {}
  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override;
  Validation result() const override;

 private:
  Scorer score_;
  Score total_{0, 0};
  std::vector<double> values_;
  bool even_ = true;
  std::size_t first_entries_ = 0;
};

// Numbers behind a metric's name: "wer:blank=28,separator=0".
using Parameters = std::map<std::string, double, std::less<>>;
double value_or(const Parameters& parameters, std::string_view name, double otherwise);

// Where the largest score stands, the first of equals; -1 where a score is not a number.
std::int64_t largest(std::span<const float> scores);

// Classes are the last axis; axes of extent 1 behind axis 1 (as global pooling leaves them) do not count.
std::size_t class_count(const Shape& shape);

// Each begins a metric, described in tightrope/metrics.h.
std::unique_ptr<Meter> begin_top(std::size_t count);
enum class Average { kBinary, kMacro, kMicro };
std::unique_ptr<Meter> begin_f1(std::string name, Average average, double threshold);
std::unique_ptr<Meter> begin_psnr();
std::unique_ptr<Meter> begin_mse();
std::unique_ptr<Meter> begin_ssim();
std::unique_ptr<Meter> begin_correlation(bool of_ranks);
std::unique_ptr<Meter> begin_iou(double ignored);
std::unique_ptr<Meter> begin_precision(double scores_output);
std::unique_ptr<Meter> begin_error_rate(bool of_words, const Parameters& parameters);

// Agreement with the outputs of `original`, which are computed once for all that is begun.
std::function<std::unique_ptr<Meter>()> agreement_with(const Model& original, bool in_decibels);

// What a program prints about the model: see tightrope/metrics.h.
std::map<std::string, double> run_program(const std::string& command, const Model& model);

}  // namespace tightrope
