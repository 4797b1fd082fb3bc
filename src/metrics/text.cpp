// SPDX-License-Identifier: Apache-2.0
// Errors in sequences of symbols: word and character error rate.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using Word = std::vector<std::int64_t>;

// The fewest symbols or words to change, insert or remove.
template <typename T>
std::size_t edits(const std::vector<T>& from, const std::vector<T>& to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

class ErrorRateMeter : public Meter {
 public:
  ErrorRateMeter(bool of_words, const Parameters& parameters)
      : of_words_(of_words),
        blank_(static_cast<std::int64_t>(value_or(parameters, "blank", 0))),
        pad_(static_cast<std::int64_t>(value_or(parameters, "pad", -1))),
        separator_(static_cast<std::int64_t>(value_or(parameters, "separator", -1))) {}

  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override {
    const Tensor& label = label_of(name(), item, sample, "a sequence of symbols");
    if (label.shape().empty()) refuse(name(), item, "the label is a single number; a sequence of symbols is needed");
    const std::size_t entries = label.shape().size() == 1 ? 1 : static_cast<std::size_t>(label.shape()[0]);
    const std::vector<Word> wanted = sequences(label, entries);
    const Tensor& output = outputs.front();
    const std::vector<Word> got =
        is_float(output.type()) ? decoded(item, output, label, entries) : sequences(output, entries);
    if (got.size() != wanted.size() || (entries > 1 && output.size() % entries != 0)) refuse_shape(item, output, label);
    for (std::size_t i = 0; i < entries; ++i) {
      errors_ += of_words_ ? edits(words(got[i]), words(wanted[i])) : edits(got[i], wanted[i]);
      length_ += of_words_ ? words(wanted[i]).size() : wanted[i].size();
    }
  }

  Validation result() const override {
    if (length_ == 0) throw InvalidArgument(fmt::format("[metric {}] the labels hold no symbols", name()));
    return static_cast<double>(errors_) / static_cast<double>(length_);
  }

 private:
  const char* name() const { return of_words_ ? "wer" : "cer"; }

  [[noreturn]] void refuse_shape(std::size_t item, const Tensor& output, const Tensor& label) const {
    refuse(name(), item,
           fmt::format("the label has shape {} and the model's output {}; scores [N, time, symbols] or "
                       "integers [N, length] are needed for labels [N, length]",
                       to_string(label.shape()), to_string(output.shape())));
  }

  std::vector<Word> sequences(const Tensor& tensor, std::size_t entries) const {
    std::vector<Word> all(entries);
    const std::size_t length = std::max<std::size_t>(tensor.size() / std::max<std::size_t>(entries, 1), 1);
    const std::vector<double> values = tensor.to_doubles();
    for (std::size_t i = 0; i < std::min(values.size(), entries * length); ++i) {
      const auto symbol = static_cast<std::int64_t>(values[i]);
      if (symbol >= 0 && symbol != pad_) all[i / length].push_back(symbol);
    }
    return all;
  }

  // The best symbol of each step, equal neighbors as one, without blanks. Time may come before the entries.
  std::vector<Word> decoded(std::size_t item, const Tensor& output, const Tensor& label, std::size_t entries) const {
    const Shape& shape = output.shape();
    const std::size_t rank = shape.size();
    const auto count = static_cast<std::int64_t>(entries);
    const bool flat = rank == 2 && entries == 1;
    const bool entries_first = rank == 3 && shape[0] == count;
    if (output.size() == 0 || (!flat && !entries_first && !(rank == 3 && shape[1] == count)))
      refuse_shape(item, output, label);
    const auto symbols = static_cast<std::size_t>(shape.back());
    const std::size_t steps = output.size() / symbols / entries;
    const std::int64_t blank = blank_ < 0 ? static_cast<std::int64_t>(symbols) + blank_ : blank_;
    const std::vector<float> scores = output.to_floats();
    std::vector<Word> all(entries);
    for (std::size_t entry = 0; entry < entries; ++entry) {
      std::int64_t previous = blank;
      for (std::size_t step = 0; step < steps; ++step) {
        const std::size_t row = flat || entries_first ? entry * steps + step : step * entries + entry;
        const std::int64_t best = largest(std::span(scores).subspan(row * symbols, symbols));
        if (best != previous && best != blank && best >= 0) all[entry].push_back(best);
        previous = best;
      }
    }
    return all;
  }

  std::vector<Word> words(const Word& symbols) const {
    std::vector<Word> all;
    bool inside = false;
    for (const std::int64_t symbol : symbols) {
      if (symbol == separator_) {
        inside = false;
        continue;
      }
      if (!inside || separator_ < 0) all.emplace_back();
      all.back().push_back(symbol);
      inside = true;
    }
    return all;
  }

  bool of_words_;
  std::int64_t blank_;
  std::int64_t pad_;
  std::int64_t separator_;
  std::size_t errors_ = 0;
  std::size_t length_ = 0;
};

}  // namespace

std::unique_ptr<Meter> begin_error_rate(bool of_words, const Parameters& parameters) {
  return std::make_unique<ErrorRateMeter>(of_words, parameters);
}

}  // namespace tightrope
