// SPDX-License-Identifier: Apache-2.0
#include "pipeline/damaged_plan.h"

#include <algorithm>
#include <random>

#include "graph/site.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

std::vector<float> random_signs(std::int64_t count, std::mt19937& random) {
  std::vector<float> signs;
  for (std::int64_t i = 0; i < count; ++i) signs.push_back(random() % 2 == 0 ? 1 : -1);
  signs.front() = -1;
  return signs;
}

}  // namespace

Plan damaged_plan(const Model& model, const QuantizeOptions& options) {
  Plan plan;
  Rescaling damage;
  std::mt19937 random(1);
  try {
    for (const Quantizer& quantizer : place(model.graph(), options).quantizers) {
      if (quantizer.kind != SiteKind::kWeight) continue;
      const Shape& shape = model.graph().value(value_of(quantizer, model.graph())).shape;
      const auto widest = std::ranges::max_element(shape);
      if (widest == shape.end() || *widest < 1) continue;
      damage.constants.push_back({quantizer.node,
                                  quantizer.port,
                                  {static_cast<int>(widest - shape.begin())},
                                  random_signs(*widest, random),
                                  {}});
    }
  } catch (const Error&) {
    return {};  // what can't be quantized is said when it is to be
  }
  if (!damage.constants.empty()) plan.rescalings.push_back(std::move(damage));
  return plan;
}

}  // namespace tightrope
