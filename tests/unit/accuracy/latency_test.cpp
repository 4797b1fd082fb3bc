// SPDX-License-Identifier: Apache-2.0
#include "accuracy/latency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "support/builders.h"

namespace tightrope {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Ge;
using testing::Lt;

// Runs take so long in turn, the last of them from then on.
class SlowSession : public Session {
 public:
  SlowSession(std::vector<int> milliseconds, std::vector<int>& turns, int number)
      : milliseconds_(std::move(milliseconds)), turns_(turns), number_(number) {}

  std::vector<Tensor> run(const Sample&) override {
    turns_.push_back(number_);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds_.front()));
    if (milliseconds_.size() > 1) milliseconds_.erase(milliseconds_.begin());
    return {};
  }
  void run_all(const SampleReader&, std::string_view,
               const std::function<void(std::size_t, std::vector<Tensor>)>&) override {
    FAIL() << "one sample at a time";
  }

 private:
  std::vector<int> milliseconds_;
  std::vector<int>& turns_;
  int number_;
};

TEST(Latencies, AreTheShortestRunsBehindTheFirst) {
  std::vector<int> turns;
  std::vector<std::unique_ptr<Session>> sessions;
  sessions.push_back(std::make_unique<SlowSession>(std::vector<int>{1, 30, 10, 20}, turns, 0));
  sessions.push_back(std::make_unique<SlowSession>(std::vector<int>{40, 5, 5, 25}, turns, 1));
  const std::vector<double> seconds = latencies(sessions, {}, 0);
  EXPECT_THAT(seconds[0], AllOf(Ge(0.010), Lt(0.020)));
  EXPECT_THAT(seconds[1], AllOf(Ge(0.005), Lt(0.015)));
  EXPECT_EQ(turns.size(), 2 + 2 * 3U);
  for (std::size_t round = 0; round < turns.size(); round += 2) EXPECT_NE(turns[round], turns[round + 1]);
}

Plan three_products() {
  Plan plan;
  for (const char* name : {"a", "b", "c"}) {
    plan.quantizers.push_back(test::output_quantizer(std::string("before ") + name, {name}, 0, 1));
  }
  return plan;
}

TEST(SavingsOf, AreDifferencesToThePlanAsAWhole) {
  const Plan plan = three_products();
  const auto groups = form_groups(plan);
  const Latency latency = [](std::span<const Plan> plans) {
    std::vector<double> seconds;
    for (const Plan& candidate : plans) {
      const auto left = quantized_operations(candidate);
      const auto saves = [&](const char* name, double saving) {
        return std::ranges::count(left, name) > 0 ? saving : 0;
      };
      seconds.push_back(10 - saves("a", 2) - saves("b", -1) - saves("c", 0.5));
    }
    return seconds;
  };
  EXPECT_THAT(savings_of(plan, groups, RestoreMode::kActivationsAndWeights, latency),
              ElementsAre(DoubleNear(2, 1e-12), DoubleNear(-1, 1e-12), DoubleNear(0.5, 1e-12)));
}

TEST(SavingsOf, ComparesManyGroupsAFewAtATime) {
  Plan plan;
  for (int i = 0; i < 20; ++i) {
    plan.quantizers.push_back(test::output_quantizer("v" + std::to_string(i), {"op" + std::to_string(i)}, 0, 1));
  }
  std::size_t drift = 0;
  const Latency latency = [&](std::span<const Plan> plans) {
    EXPECT_EQ(plans.front(), plan);
    EXPECT_LE(plans.size(), 9U);
    ++drift;  // a machine that gets slower
    std::vector<double> seconds(plans.size(), static_cast<double>(drift) + 1);
    seconds.front() = static_cast<double>(drift);
    return seconds;
  };
  const auto savings = savings_of(plan, form_groups(plan), RestoreMode::kActivationsAndWeights, latency);
  EXPECT_THAT(savings, testing::AllOf(testing::SizeIs(20), testing::Each(1)));
}

TEST(PricesFrom, AreSavingsButNotBelowAHundredthOfTheMean) {
  EXPECT_THAT(prices_from(std::vector<double>{3, -5, 0, 1}), ElementsAre(3, 0.01, 0.01, 1));
  EXPECT_THAT(prices_from(std::vector<double>{-1, 0}), ElementsAre(1, 1));
}

}  // namespace
}  // namespace tightrope
