// SPDX-License-Identifier: Apache-2.0
// One run of the user's validation function.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tightrope/plan.h"

namespace tightrope {

struct Evaluation {
  double metric = 0;                           // where the function returns a number
  std::int64_t items = 0;                      // that the function read; 0 where it reads none
  std::map<std::string, double> metrics = {};  // where it returns several, by name; otherwise empty
  double seconds = 0;                          // that it took
};

// Runs the user's function on the model under this plan; the empty plan stands for the original model as it was loaded.
// `name` is for messages: "original model", "quantized model", "candidate 3".
using Evaluate = std::function<Evaluation(const Plan& plan, std::string_view name)>;

// What earlier runs measured, where that is kept. Both may be empty.
struct Memory {
  std::function<std::optional<Evaluation>(const Plan&)> find;
  std::function<void(const Plan&, const Evaluation&)> keep;  // it is safe afterwards
};

}  // namespace tightrope
