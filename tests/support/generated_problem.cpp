// SPDX-License-Identifier: Apache-2.0
#include "support/generated_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "accuracy/ranking.h"
#include "pipeline/make_plan.h"
#include "support/builders.h"

namespace tightrope::test {
namespace {

constexpr int kWidth = 12;
constexpr int kClasses = 5;
constexpr int kItems = 200;

// The distributions of the standard library differ between platforms.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  double share() { return static_cast<double>(engine_()) / 4294967296.0; }
  std::uint32_t below(std::uint32_t count) { return static_cast<std::uint32_t>(engine_() % count); }
  float normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += share();
    return static_cast<float>(sum);
  }
  std::vector<float> normals(int count, double scale) {
    std::vector<float> values;
    for (int i = 0; i < count; ++i) values.push_back(normal() * static_cast<float>(scale));
    return values;
  }

 private:
  std::mt19937 engine_;
};

float gelu(float x) { return 0.5F * x * (1 + std::erf(x * 0.70710678F)); }

std::unique_ptr<FakeModel> network(Random& random, std::size_t most_groups) {
  NetBuilder net;
  ValueId x = net.input("x", {-1, kWidth});
  const std::size_t layers = 3 + random.below(static_cast<std::uint32_t>(most_groups - 3));
  std::vector<float> shrink(kWidth, 1);  // undoes what the layer before enlarged
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const std::string name = "layer" + std::to_string(layer);
    std::vector<float> grow(kWidth, 1);
    for (std::uint32_t outliers = random.below(3); outliers > 0; --outliers) {
      grow[random.below(kWidth)] = static_cast<float>(std::pow(10, 2.6 * random.share()));
    }
    const auto weight = [&] {
      std::vector<float> values = random.normals(kWidth * kWidth, 1.3 / std::sqrt(kWidth));
      for (int k = 0; k < kWidth; ++k) {
        for (int column = 0; column < kWidth; ++column) values[k * kWidth + column] *= shrink[k] * grow[column];
      }
      return values;
    };
    const std::uint32_t kind = random.below(4);
    const bool skips = kind == 0 && std::ranges::all_of(shrink, [](float factor) { return factor == 1; });
    if (skips) std::ranges::fill(grow, 1.0F);
    ValueId y = net.matmul(name, x, weight(), kWidth, kWidth);
    if (kind == 1) y = net.add(name + "/sum", y, net.matmul(name + "/twin", x, weight(), kWidth, kWidth));
    y = kind == 2 ? net.map(name + "/gelu", "Gelu", y, gelu) : net.relu(name + "/relu", y);
    x = skips ? net.add(name + "/skip", x, y) : y;
    for (int k = 0; k < kWidth; ++k) shrink[k] = kind == 2 ? 1 : 1 / grow[k];
  }
  std::vector<float> last = random.normals(kWidth * kClasses, 1);
  for (int k = 0; k < kWidth; ++k) {
    for (int column = 0; column < kClasses; ++column) last[k * kClasses + column] *= shrink[k];
  }
  return net.build({net.matmul("last", x, std::move(last), kWidth, kClasses)});
}

std::vector<int> classes_of(const Model& model, const Sample& items) {
  const std::vector<float> scores = model.compile()->run(items)[0].to_floats();
  std::vector<int> classes;
  for (auto row = scores.begin(); row != scores.end(); row += kClasses) {
    classes.push_back(static_cast<int>(std::max_element(row, row + kClasses) - row));
  }
  return classes;
}

}  // namespace

GeneratedProblem::GeneratedProblem(std::uint32_t seed, std::size_t most_groups) {
  Random random(seed);
  model_ = network(random, most_groups);
  std::vector<Sample> calibration;
  for (int i = 0; i < 64; ++i) calibration.push_back(sample_of(random.normals(kWidth, 1), {1, kWidth}));
  PlanResult made = make_plan(*model_, *dataset_of(calibration), {}, 8);
  plan_ = std::move(made.plan);
  ranking_items_ = std::move(made.samples);
  groups_ = form_groups(plan_);
  items_ = sample_of(random.normals(kItems * kWidth, 1), {kItems, kWidth});
  labels_ = classes_of(*model_, items_);
  for (int& label : labels_) {
    if (random.below(10) == 0) label = static_cast<int>(random.below(kClasses));  // a model makes mistakes
  }
  original_ = accuracy(*model_);
}

double GeneratedProblem::accuracy(const Model& model) const {
  const std::vector<int> found = classes_of(model, items_);
  int right = 0;
  for (std::size_t i = 0; i < labels_.size(); ++i) right += found[i] == labels_[i] ? 1 : 0;
  return static_cast<double>(right) / kItems;
}

double GeneratedProblem::drop(const std::vector<bool>& reverted) {
  if (const auto known = drops_.find(reverted); known != drops_.end()) return known->second;
  const auto candidate = model_->apply(without(plan_, groups_, reverted, RestoreMode::kActivationsAndWeights));
  return drops_[reverted] = std::round((original_ - accuracy(*candidate)) * kItems) / kItems;
}

std::vector<double> GeneratedProblem::prices() const {
  std::vector<double> prices;
  for (const Group& group : groups_) prices.push_back(price(group));
  return prices;
}

std::vector<double> GeneratedProblem::scores() const {
  return rank_groups(*model_, plan_, groups_, ranking_items_, {}, RestoreMode::kActivationsAndWeights);
}

double GeneratedProblem::price_of(const std::vector<bool>& reverted) const {
  double sum = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) sum += reverted[g] ? price(groups_[g]) : 0;
  return sum;
}

double GeneratedProblem::least_price(double max_drop) {
  double least = std::numeric_limits<double>::infinity();
  for (std::uint32_t bits = 0; bits < 1U << groups(); ++bits) {
    std::vector<bool> reverted(groups());
    for (std::size_t g = 0; g < groups(); ++g) reverted[g] = (bits >> g & 1U) != 0;
    if (price_of(reverted) < least && drop(reverted) <= max_drop) least = price_of(reverted);
  }
  return least;
}

void for_each_generated_problem(int count, double max_drop, std::size_t most_groups,
                                const std::function<void(std::uint32_t, GeneratedProblem&)>& use) {
  for (std::uint32_t seed = 1; count > 0; ++seed) {
    GeneratedProblem problem(seed, most_groups);
    if (problem.groups() < 2 || problem.groups() > most_groups) continue;
    if (problem.drop(std::vector<bool>(problem.groups(), false)) <= max_drop) continue;
    use(seed, problem);
    --count;
  }
}

}  // namespace tightrope::test
