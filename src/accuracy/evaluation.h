// SPDX-License-Identifier: Apache-2.0
// One run of the user's validation function.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/plan.h"

namespace tightrope {

struct Evaluation {
  double metric = 0;                           // where the function returns a number
  std::int64_t items = 0;                      // that the function read; 0 where it reads none
  std::map<std::string, double> metrics = {};  // where it returns several, by name; otherwise empty
  double seconds = 0;                          // that it took
  std::vector<double> values = {};             // one per item, in their order, where the function gives them
};

// Runs the user's function on the model under this plan; the empty plan stands for the original model as it was loaded.
// `name` is for messages: "original model", "quantized model", "candidate 3".
using Evaluate = std::function<Evaluation(const Plan& plan, std::string_view name)>;

inline bool values_are_finite(const Evaluation& evaluation) {
  return std::ranges::all_of(evaluation.values, [](double value) { return std::isfinite(value); });
}

// The user's function on some of the items.
struct Parts {
  std::int64_t items = 0;      // of the whole data; 0: not known, and nothing is ever asked of a part
  bool random_access = false;  // reading one item doesn't take reading those before it
  // `positions` are ascending. Nothing where the function raised something: there are metrics of all data alone.
  // `model` is the one of the last call where the plan is.
  std::function<std::optional<Evaluation>(const Plan& plan, std::string_view name,
                                          std::span<const std::int64_t> positions)>
      evaluate = {};
};

// Runs of the user's function on other threads, processes or machines. Empty functions: there are none.
struct Elsewhere {
  std::function<std::size_t()> workers = {};  // how many there are at present
  // On several parts at once, as Parts::evaluate does on one; nothing for parts that have to be evaluated here.
  std::function<std::vector<std::optional<Evaluation>>(const Plan& plan, std::string_view name,
                                                       std::span<const std::vector<std::int64_t>> parts)>
      evaluate_parts = {};
};

// What earlier runs measured, where that is kept. All may be empty.
struct Memory {
  std::function<std::optional<Evaluation>(const Plan&)> find;
  std::function<void(const Plan&, const Evaluation&)> keep;  // it is safe afterwards
  // The same of the first items in the order of accuracy/early.h: their values, and the seconds.
  std::function<std::optional<Evaluation>(const Plan&)> find_part = {};
  std::function<void(const Plan&, const Evaluation&)> keep_part = {};
};

}  // namespace tightrope
