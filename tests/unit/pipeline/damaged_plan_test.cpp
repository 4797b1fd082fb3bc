// SPDX-License-Identifier: Apache-2.0
#include "pipeline/damaged_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::NetBuilder;
using test::sample_of;

std::vector<float> waves(std::size_t count, float phase) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i));
  return values;
}

std::unique_ptr<test::FakeModel> network() {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 4});
  const ValueId first = net.relu("relu", net.matmul("first", x, waves(32, 0), 4, 8));
  return net.build({net.matmul("last", first, waves(24, 1), 8, 3)});
}

TEST(DamagedPlan, ChangesWhatTheModelComputesWithoutQuantizingIt) {
  const auto model = network();
  const Plan plan = damaged_plan(*model, {});
  EXPECT_TRUE(plan.quantizers.empty());
  ASSERT_FALSE(plan.empty());
  EXPECT_EQ(plan, damaged_plan(*model, {}));
  const auto damaged = model->apply(plan)->compile();
  const auto original = model->compile();
  int changed = 0;
  for (int i = 0; i < 20; ++i) {
    const Sample sample = sample_of(waves(4, static_cast<float>(i)), {1, 4});
    const auto best_of = [](const std::vector<float>& scores) {
      return std::ranges::max_element(scores) - scores.begin();
    };
    const std::vector<float> outputs = damaged->run(sample)[0].to_floats();
    for (const float output : outputs) EXPECT_TRUE(std::isfinite(output));
    changed += best_of(outputs) == best_of(original->run(sample)[0].to_floats()) ? 0 : 1;
  }
  EXPECT_GE(changed, 5);
}

TEST(DamagedPlan, IsEmptyWhereNothingHasAWeight) {
  NetBuilder net;
  const auto model = net.build({net.relu("relu", net.input("x", {-1, 4}))});
  EXPECT_TRUE(damaged_plan(*model, {}).empty());
}

// The core's own way to run a function on parts of the data.
TEST(QuantizeWithAccuracyControl, JudgesCandidatesOnAPartOfDataInMemory) {
  const auto model = network();
  std::vector<Sample> samples;
  for (int i = 0; i < 300; ++i) samples.push_back(sample_of(waves(4, static_cast<float>(i)), {1, 4}));
  // Large values in a few items make the range too coarse for all others.
  for (std::size_t i = 0; i < 4; ++i) samples[i] = sample_of(std::vector<float>(4, 300), {1, 4});
  const auto original = model->compile();
  std::vector<std::int64_t> counts;
  const ValidationFn validate = [&](Session& session, const Dataset& data) -> Validation {
    std::vector<double> values;
    for (auto read = data.read(); const auto sample = read();) {
      const auto found = session.run(*sample)[0].to_floats();
      const auto wanted = original->run(*sample)[0].to_floats();
      double error = 0;
      for (std::size_t k = 0; k < found.size(); ++k) error += std::abs(found[k] - wanted[k]);
      values.push_back(-error);
    }
    EXPECT_EQ(data.size(), values.size());
    counts.push_back(std::ssize(values));
    double sum = 0;
    for (const double value : values) sum += value;
    return {sum / static_cast<double>(values.size()), values};
  };
  AccuracyOptions accuracy;
  accuracy.max_drop = 0.01;
  const auto data = dataset_of(samples);
  const auto run = [&] { return quantize_with_accuracy_control(*model, *data, *data, validate, {}, accuracy); };
  const QuantizationResult result = run();
  const std::vector<std::int64_t> with_parts = counts;
  EXPECT_EQ(with_parts[0], 5);
  EXPECT_EQ(result.report.status, "met");
  EXPECT_TRUE(std::ranges::any_of(result.report.evaluations, &EvaluationRecord::early));
  ASSERT_TRUE(result.report.interval);
  EXPECT_LE(result.report.interval->low, *result.report.drop);
  accuracy.early_stopping = false;
  EXPECT_EQ(run().report.reverted, result.report.reverted);
}

}  // namespace
}  // namespace tightrope
