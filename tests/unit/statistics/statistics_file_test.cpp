// SPDX-License-Identifier: Apache-2.0
#include "statistics/statistics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::sample_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

class StatisticsFile : public testing::Test {
 protected:
  StatisticsFile() {
    test::NetBuilder net;
    x = net.input("x", {-1, 2});
    relu = net.relu("relu", x);
    model = net.build({relu});
    path = std::filesystem::path(testing::TempDir()) /
           (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".json");
    std::filesystem::remove(path);
  }
  ~StatisticsFile() override { std::filesystem::remove(path); }

  Statistics collected(const std::vector<StatisticRequest>& requests, const Dataset& items) const {
    return collect_or_reuse(path, *model, items, requests, 300, 1);
  }

  ValueId x = kNone;
  ValueId relu = kNone;
  std::unique_ptr<test::FakeModel> model;
  std::filesystem::path path;
  std::unique_ptr<Dataset> data = dataset_of({sample_of({1, -4.1F}, {1, 2}), sample_of({3, 2}, {1, 2})});
};

TEST_F(StatisticsFile, SparesTheModelWhatItHolds) {
  const StatisticRequest of_x{x, {1}};
  const Observed first = collected({of_x}, *data).observed[0];
  EXPECT_EQ(model->usage().run, 2);
  const Statistics again = collected({of_x}, *data);
  EXPECT_EQ(model->usage().run, 2);
  EXPECT_EQ(again.observed[0].low, first.low);
  EXPECT_EQ(again.observed[0].high, first.high);
  EXPECT_EQ(again.observed[0].magnitude, first.magnitude);
  EXPECT_EQ(again.items, 2);
  EXPECT_THAT(again.samples, SizeIs(1));
}

TEST_F(StatisticsFile, IsAskedForEachRequestByAllThatMatters) {
  StatisticRequest other{x, {1}};
  other.low.aggregator = Aggregator::kMean;
  const StatisticRequest mean{x, {1}, true};
  collected({StatisticRequest{x, {1}}}, *data);
  const Statistics mixed = collected({other, StatisticRequest{x, {1}}, mean, StatisticRequest{relu, {}}}, *data);
  EXPECT_THAT(mixed.observed[0].low, ElementsAre(2, -1.05F));
  EXPECT_THAT(mixed.observed[1].low, ElementsAre(1, -4.1F));
  EXPECT_THAT(mixed.observed[2].mean, ElementsAre(2, -1.05F));
  EXPECT_THAT(mixed.observed[3].high, ElementsAre(3));
  EXPECT_EQ(model->usage().run, 4);
  EXPECT_EQ(model->usage().probes, 5U) << "the missing ones alone: two, one and two";
}

TEST_F(StatisticsFile, HoldsInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto unbounded = dataset_of({sample_of({-infinity, infinity}, {1, 2})});
  collected({StatisticRequest{x, {}}}, *unbounded);
  const Observed found = collected({StatisticRequest{x, {}}}, *unbounded).observed[0];
  EXPECT_THAT(found.low, ElementsAre(-infinity));
  EXPECT_THAT(found.high, ElementsAre(infinity));
}

TEST_F(StatisticsFile, KnowsItsData) {
  collected({StatisticRequest{x, {}}}, *data);
  const auto other = dataset_of({sample_of({1, -4.1F}, {1, 2}), sample_of({3, 2.001F}, {1, 2})});
  EXPECT_THAT([&] { collected({StatisticRequest{x, {}}}, *other); },
              ThrowsMessage<InvalidArgument>(HasSubstr("on other data")));
  EXPECT_THAT([&] { collected({StatisticRequest{relu, {}}}, *other); },
              ThrowsMessage<InvalidArgument>(HasSubstr("on other data")));
}

}  // namespace
}  // namespace tightrope
