// SPDX-License-Identifier: Apache-2.0
#include "statistics/collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "statistics/thinning.h"
#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using test::LogCapture;
using test::NetBuilder;
using test::sample_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

// A reader that does not know its length.
class Stream : public Dataset {
 public:
  explicit Stream(std::size_t items) : items_(items) {}
  std::optional<std::size_t> size() const override { return std::nullopt; }
  SampleReader read() const override {
    return [this, item = std::size_t{0}]() mutable -> std::optional<Sample> {
      if (item == items_) return std::nullopt;
      ++given;
      const auto value = static_cast<float>(item++);
      return sample_of({value, -value}, {1, 2});
    };
  }
  mutable std::size_t given = 0;

 private:
  std::size_t items_;
};

// x [?,2] -> relu, and a request for either.
class Collect : public testing::Test {
 protected:
  Collect() {
    NetBuilder net;
    x = net.input("x", {-1, 2});
    relu = net.relu("relu", x);
    model = net.build({relu});
    three = dataset_of({sample_of({1, -4}, {1, 2}), sample_of({3, 2, -1, 5}, {2, 2}), sample_of({2, 0}, {1, 2})});
  }

  StatisticRequest extremes(ValueId value, std::vector<int> axes = {}, Aggregator low = Aggregator::kMin,
                            Aggregator high = Aggregator::kMax) const {
    return {value, std::move(axes), false, {Statistic::kMin, low}, {Statistic::kMax, high}};
  }

  Observed one(const StatisticRequest& request) const {
    return collect(*model, *three, std::vector{request}, 300, 0).observed.at(0);
  }

  ValueId x = kNone;
  ValueId relu = kNone;
  std::unique_ptr<test::FakeModel> model;
  std::unique_ptr<Dataset> three;
};

TEST_F(Collect, FindsTheExtremesOfAllItems) {
  const Observed found = one(extremes(x));
  EXPECT_THAT(found.low, ElementsAre(-4));
  EXPECT_THAT(found.high, ElementsAre(5));
  EXPECT_THAT(found.magnitude, ElementsAre(5));
  EXPECT_THAT(found.mean, IsEmpty());
}

TEST_F(Collect, AveragesTheItemsExtremesWhereAskedFor) {
  const Observed found = one(extremes(x, {}, Aggregator::kMean, Aggregator::kMean));
  EXPECT_THAT(found.low, ElementsAre(-5.0F / 3));        // -4, -1, 0
  EXPECT_THAT(found.high, ElementsAre(8.0F / 3));        // 1, 5, 2
  EXPECT_THAT(found.magnitude, ElementsAre(11.0F / 3));  // 4, 5, 2
}

TEST_F(Collect, AggregatesTheEndsEachInItsOwnWay) {
  const Observed found = one(extremes(x, {}, Aggregator::kMax, Aggregator::kMin));
  EXPECT_THAT(found.low, ElementsAre(0));
  EXPECT_THAT(found.high, ElementsAre(1));
  EXPECT_THAT(found.magnitude, ElementsAre(2));
}

TEST_F(Collect, KeepsChannelsApart) {
  const Observed found = one(extremes(x, {1}));
  EXPECT_THAT(found.low, ElementsAre(-1, -4));
  EXPECT_THAT(found.high, ElementsAre(3, 5));
  EXPECT_THAT(found.magnitude, ElementsAre(3, 5));
}

TEST_F(Collect, AveragesTheMeansOfTheItems) {
  const StatisticRequest request{x, {1}, true};
  const Observed found = one(request);
  EXPECT_THAT(found.mean, ElementsAre((1 + 1 + 2) / 3.0F, (-4 + 3.5F + 0) / 3));
  EXPECT_THAT(found.low, IsEmpty());
}

TEST_F(Collect, AnswersEachRequestInItsPlace) {
  const std::vector<StatisticRequest> requests = {extremes(relu), {x, {}, true}, extremes(x)};
  const Statistics found = collect(*model, *three, requests, 300, 0);
  ASSERT_THAT(found.observed, SizeIs(3));
  EXPECT_THAT(found.observed[0].low, ElementsAre(0));
  EXPECT_THAT(found.observed[1].mean, SizeIs(1));
  EXPECT_THAT(found.observed[2].low, ElementsAre(-4));
  EXPECT_EQ(found.items, 3);
  EXPECT_EQ(model->usage().compiled, 1) << "one pass serves all";
  EXPECT_EQ(model->usage().run, 3);
  EXPECT_TRUE(model->usage().options.throughput);
}

TEST_F(Collect, NamesTheNodeAndTheItemOfANan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto data = dataset_of({sample_of({1, 2}, {1, 2}), sample_of({nan, 2}, {1, 2})});
  StatisticRequest outside = extremes(x, {1});
  outside.in_graph = false;
  for (const StatisticRequest& request : {extremes(x, {1}), outside}) {
    EXPECT_THAT([&] { collect(*model, *data, std::vector{request}, 300, 0); },
                ThrowsMessage<InvalidArgument>(
                    AllOf(HasSubstr("node 'x' (Parameter)"), HasSubstr("item 1"), HasSubstr("NaN"))));
  }
}

TEST_F(Collect, FindsTheSameOutsideOfTheGraph) {
  for (const bool per_sample : {false, true}) {
    for (const std::vector<int>& axes : {std::vector<int>{}, std::vector<int>{1}}) {
      StatisticRequest request = extremes(x, axes, Aggregator::kMean, Aggregator::kMedian);
      request.per_sample = per_sample;
      const Observed inside = one(request);
      request.in_graph = false;
      const Observed outside = one(request);
      EXPECT_EQ(inside.low, outside.low);
      EXPECT_EQ(inside.high, outside.high);
      EXPECT_EQ(inside.magnitude, outside.magnitude);
    }
  }
  StatisticRequest mean{x, {1}, true};
  const Observed inside = one(mean);
  mean.in_graph = false;
  EXPECT_EQ(one(mean).mean, inside.mean);
}

TEST_F(Collect, CountsEachSampleOfABatchAsAnItemWhereAskedFor) {
  StatisticRequest request = extremes(x, {}, Aggregator::kMean, Aggregator::kMean);
  request.per_sample = true;
  const Observed found = one(request);
  EXPECT_THAT(found.low, ElementsAre((-4 + 2 - 1 + 0) / 4.0F));
  EXPECT_THAT(found.high, ElementsAre((1 + 3 + 5 + 2) / 4.0F));
  EXPECT_THAT(found.magnitude, ElementsAre((4 + 3 + 5 + 2) / 4.0F));
  request.channel_axes = {1};
  EXPECT_THAT(one(request).high, ElementsAre((1 + 3 - 1 + 2) / 4.0F, (-4 + 2 + 5 + 0) / 4.0F));
}

TEST_F(Collect, TakesQuantilesOfEachItem) {
  StatisticRequest request = extremes(x, {}, Aggregator::kMean, Aggregator::kMax);
  request.low = {Statistic::kQuantile, Aggregator::kMean, 0.25};
  request.high = {Statistic::kQuantile, Aggregator::kMax, 0.25};
  const Observed found = one(request);  // of {-4, 1}, {-1, 2, 3, 5}, {0, 2}
  EXPECT_THAT(found.low, ElementsAre((-2.75F + 1.25F + 0.5F) / 3));
  EXPECT_THAT(found.high, ElementsAre(3.5F));
  EXPECT_THAT(found.magnitude, ElementsAre(3.5F));
}

TEST_F(Collect, AMagnitudeIsThatOfBothEndsWhereTheyAreNoExtremes) {
  StatisticRequest request = extremes(x);
  request.low = {Statistic::kQuantile, Aggregator::kMin, 0};
  request.high = {Statistic::kQuantile, Aggregator::kMin, 0};
  const Observed found = one(request);
  EXPECT_THAT(found.low, ElementsAre(-4));
  EXPECT_THAT(found.high, ElementsAre(1));
  EXPECT_THAT(found.magnitude, ElementsAre(4)) << "a symmetric range must not cut off the lower end";
}

TEST_F(Collect, LooksAtMagnitudesWhereAskedFor) {
  StatisticRequest request = extremes(x);
  request.high = {Statistic::kAbsMax, Aggregator::kMin};
  EXPECT_THAT(one(request).high, ElementsAre(2));
  request.high = {Statistic::kAbsQuantile, Aggregator::kMax, 0.25};  // of {1, 4}, {1, 2, 3, 5}, {0, 2}
  EXPECT_THAT(one(request).high, ElementsAre(3.5F));
  EXPECT_THAT(one(request).magnitude, ElementsAre(3.5F));
}

TEST_F(Collect, TakesMeansAsEnds) {
  StatisticRequest request = extremes(x);
  request.low = {Statistic::kMean, Aggregator::kMin};
  request.high = {Statistic::kMean, Aggregator::kMax};
  EXPECT_THAT(one(request).low, ElementsAre(-1.5F));
  EXPECT_THAT(one(request).high, ElementsAre(2.25F));
}

TEST_F(Collect, ClipsElementsBeforeItReducesThem) {
  StatisticRequest request = extremes(x);
  request.low.clip = request.high.clip = 2;
  EXPECT_THAT(one(request).low, ElementsAre(-2));
  EXPECT_THAT(one(request).high, ElementsAre(2));
  EXPECT_THAT(one(request).magnitude, ElementsAre(2));
  request.low = {Statistic::kMean, Aggregator::kMin, 0, 2};
  EXPECT_THAT(one(request).low, ElementsAre(-0.5F)) << "of {-2, 1}";
}

TEST_F(Collect, AggregatesTheElementsThemselves) {
  StatisticRequest request = extremes(x);  // -4 -1 0 1 2 2 3 5
  request.low = {Statistic::kRaw, Aggregator::kMedian};
  request.high = {Statistic::kRaw, Aggregator::kMean};
  EXPECT_THAT(one(request).low, ElementsAre(1.5F));
  EXPECT_THAT(one(request).high, ElementsAre(1.0F));
  request.channel_axes = {1};  // 1 3 -1 2 and -4 2 5 0
  EXPECT_THAT(one(request).low, ElementsAre(1.5F, 1.0F));
  EXPECT_THAT(one(request).high, ElementsAre(1.25F, 0.75F));
}

TEST_F(Collect, LeavesOutUnusualItems) {
  std::vector<Sample> samples;
  for (int i = 0; i <= 100; ++i) samples.push_back(sample_of({0, i == 100 ? 1e6F : static_cast<float>(i)}, {1, 2}));
  const auto data = dataset_of(std::move(samples));
  StatisticRequest request = extremes(x);
  request.low = {Statistic::kMax, Aggregator::kMedianNoOutliers, 0.05};
  request.high = {Statistic::kMax, Aggregator::kMeanNoOutliers, 0.05};
  const Observed found = collect(*model, *data, std::vector{request}, 300, 0).observed[0];
  EXPECT_THAT(found.low, ElementsAre(50)) << "5 to 95 are left";
  EXPECT_THAT(found.high, ElementsAre(50));
}

TEST_F(Collect, AsksForAReductionOnce) {
  StatisticRequest other = extremes(x);
  other.low.clip = 1;
  collect(*model, *three, std::vector{extremes(x), other, extremes(relu)}, 300, 0);
  EXPECT_EQ(model->usage().probes, 4U);
}

TEST_F(Collect, HandsOnHowManyRequestsRunAtATime) {
  collect(*model, *three, std::vector{extremes(x)}, 300, 0, 3);
  EXPECT_EQ(model->usage().options.requests, 3);
}

TEST_F(Collect, KeepsInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto data = dataset_of({sample_of({1, 2}, {1, 2}), sample_of({-infinity, infinity}, {1, 2})});
  const Observed found = collect(*model, *data, std::vector{extremes(x, {1})}, 300, 0).observed[0];
  EXPECT_THAT(found.low, ElementsAre(-infinity, 2));
  EXPECT_THAT(found.high, ElementsAre(1, infinity));
  EXPECT_THAT(found.magnitude, ElementsAre(infinity, infinity));
}

TEST_F(Collect, PassesOverItemsWithoutElements) {
  const auto data = dataset_of({sample_of({}, {0, 2}), sample_of({3, 1}, {1, 2}), sample_of({}, {0, 2})});
  const Observed found = collect(*model, *data, std::vector{extremes(x)}, 300, 0).observed[0];
  EXPECT_THAT(found.low, ElementsAre(1));
  EXPECT_THAT(found.high, ElementsAre(3));
}

TEST_F(Collect, NeedsElementsOnSomeItem) {
  const auto data = dataset_of({sample_of({}, {0, 2}), sample_of({}, {0, 2})});
  EXPECT_THAT([&] { collect(*model, *data, std::vector{extremes(relu)}, 300, 0); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("node 'relu'"), HasSubstr("no elements"))));
}

// x [?,2] in a branch of an If.
class CollectInABranch : public testing::Test {
 protected:
  CollectInABranch() {
    NetBuilder net;
    net.body = "gate/then";
    x = net.input("x", {-1, 2});
    model = net.build({x});
    requests = {{x, {}, false}, {x, {1}, false}, {x, {1}, true}};
  }

  ValueId x = kNone;
  std::unique_ptr<test::FakeModel> model;
  std::vector<StatisticRequest> requests;
};

TEST_F(CollectInABranch, PassesOverItemsThatTakeTheOther) {
  const auto data =
      dataset_of({sample_of({}, {0, 2}), sample_of({3, -1}, {1, 2}), sample_of({}, {0, 2}), sample_of({5, 0}, {1, 2})});
  const Statistics found = collect(*model, *data, requests, 300, 0);
  EXPECT_THAT(found.observed[0].low, ElementsAre(-1));
  EXPECT_THAT(found.observed[1].high, ElementsAre(5, 0));
  EXPECT_THAT(found.observed[2].mean, ElementsAre(4, -0.5F));
  EXPECT_EQ(found.items, 4);
}

TEST_F(CollectInABranch, HasNothingToSayWhereNoItemTakesIt) {
  const auto data = dataset_of({sample_of({}, {0, 2}), sample_of({}, {0, 2})});
  for (const Observed& found : collect(*model, *data, requests, 300, 0).observed) {
    EXPECT_THAT(found.low, IsEmpty());
    EXPECT_THAT(found.high, IsEmpty());
    EXPECT_THAT(found.magnitude, IsEmpty());
    EXPECT_THAT(found.mean, IsEmpty());
  }
}

TEST_F(Collect, NeedsAnItem) {
  EXPECT_THAT([&] { collect(*model, Stream(0), std::vector{extremes(x)}, 300, 8); },
              ThrowsMessage<InvalidArgument>(HasSubstr("no items")));
}

TEST_F(Collect, ReadsNoMoreThanTheSubset) {
  const Stream data(20);
  const Statistics found = collect(*model, data, std::vector{extremes(x)}, 7, 0);
  EXPECT_EQ(found.items, 7);
  EXPECT_EQ(data.given, 7U);
  EXPECT_THAT(found.observed[0].high, ElementsAre(6));
}

TEST_F(Collect, TellsOfADatasetSmallerThanTheSubset) {
  LogCapture log;
  collect(*model, *three, std::vector{extremes(x)}, 300, 0);
  EXPECT_THAT(log.text(LogLevel::kInfo), AllOf(HasSubstr("3 items"), HasSubstr("subset_size=300")));
}

TEST_F(Collect, ReportsProgressAfterEachItem) {
  std::vector<std::string> steps;
  const ProgressSink before = set_progress_sink([&](std::string_view stage, std::size_t done, std::size_t total) {
    steps.push_back(std::string(stage) + " " + std::to_string(done) + "/" + std::to_string(total));
  });
  collect(*model, *three, std::vector{extremes(x)}, 300, 0);
  collect(*model, *three, std::vector{extremes(x)}, 2, 0);
  set_progress_sink(before);
  EXPECT_THAT(steps, ElementsAre("calibration 1/3", "calibration 2/3", "calibration 3/3", "calibration 1/2",
                                 "calibration 2/2"));
}

TEST_F(Collect, LetsTheProgressSinkCancel) {
  const ProgressSink before =
      set_progress_sink([](std::string_view, std::size_t, std::size_t) { throw Cancelled("stop"); });
  EXPECT_THROW(collect(*model, *three, std::vector{extremes(x)}, 300, 0), Cancelled);
  set_progress_sink(before);
}

TEST_F(Collect, KeepsSamplesSpreadEvenlyInTheirOrder) {
  for (const std::size_t items : {1U, 7U, 8U, 9U, 15U, 16U, 17U, 100U, 1000U}) {
    const Statistics found = collect(*model, Stream(items), std::vector{extremes(x)}, 2000, 8);
    ASSERT_THAT(found.samples, SizeIs(std::min<std::size_t>(items, 8))) << items;
    std::vector<std::size_t> kept;
    for (const Sample& sample : found.samples)
      kept.push_back(static_cast<std::size_t>(sample.inputs[0].tensor.to_floats()[0]));
    EXPECT_EQ(kept.front(), 0U) << items;
    // No part of the data longer than a quarter goes without a sample.
    kept.push_back(items);
    for (std::size_t i = 1; i < kept.size(); ++i) {
      EXPECT_GT(kept[i], kept[i - 1]) << items;
      EXPECT_LE(kept[i] - kept[i - 1], std::max<std::size_t>(items / 4, 2)) << items;
    }
  }
}

TEST(Thinning, KeepsNoMoreThanItsBytesAndAtLeastOneSample) {
  for (const auto& [mebibytes, most] : std::vector<std::pair<std::int64_t, std::size_t>>{{100, 2}, {300, 1}}) {
    Thinning thinning(8);
    for (int i = 0; i < 40; ++i) {
      Sample sample;  // whose elements nobody looks at
      sample.inputs.push_back({"", Tensor(ElementType::kI8, {mebibytes << 20}, std::make_shared<std::byte>())});
      thinning.offer(sample);
    }
    EXPECT_LE(thinning.take().size(), most);
    EXPECT_GE(thinning.take().size(), 1U);
  }
}

TEST(Thinning, KeepsAtLeastEightLargeSamplesButNotManyMore) {
  Thinning thinning(32);
  for (int i = 0; i < 100; ++i) {
    Sample sample;
    sample.inputs.push_back({"", Tensor(ElementType::kI8, {std::int64_t{6} << 20}, std::make_shared<std::byte>())});
    thinning.offer(sample);
    EXPECT_GE(thinning.take().size(), std::min<std::size_t>(static_cast<std::size_t>(i) + 1, 8));
    EXPECT_LE(thinning.take().size(), Thinning::kMany);
  }
}

TEST_F(Collect, KeepsNoSamplesWhereNoneAreWanted) {
  EXPECT_THAT(collect(*model, Stream(5), std::vector{extremes(x)}, 300, 0).samples, IsEmpty());
}

TEST_F(Collect, LetsAnErrorOfTheDataThrough) {
  const auto data = dataset_of({sample_of({1, 2}, {1, 2}, "z")});
  EXPECT_THROW(collect(*model, *data, std::vector{extremes(x)}, 300, 0), InvalidArgument);
}

}  // namespace
}  // namespace tightrope
