// SPDX-License-Identifier: Apache-2.0
#include "statistics/single_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::NetBuilder;
using test::sample_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Gives its items once more at each reading, and counts them.
class Batches : public Dataset {
 public:
  explicit Batches(std::vector<Sample> items, std::int64_t batch_size = 0)
      : items_(std::move(items)), batch_size_(batch_size) {}
  std::optional<std::size_t> size() const override { return items_.size(); }
  std::int64_t batch_size() const override { return batch_size_; }
  SampleReader read() const override {
    return [this, next = std::size_t{0}]() mutable -> std::optional<Sample> {
      if (next == items_.size()) return std::nullopt;
      ++given;
      return items_[next++];
    };
  }
  mutable int given = 0;

 private:
  std::vector<Sample> items_;
  std::int64_t batch_size_;
};

Graph graph_of(const std::vector<Shape>& inputs) {
  NetBuilder net;
  std::vector<ValueId> outputs;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    outputs.push_back(net.relu("relu" + std::to_string(i), net.input("x" + std::to_string(i), inputs[i])));
  return net.build(outputs)->graph();
}

std::vector<std::vector<float>> read_all(const Dataset& data) {
  std::vector<std::vector<float>> values;
  const SampleReader read = data.read();
  while (const auto sample = read()) values.push_back(sample->inputs[0].tensor.to_floats());
  return values;
}

const std::vector<Sample> kBatches = {sample_of({1, 2, 3, 4}, {2, 2}), sample_of({5, 6, 7, 8}, {2, 2}),
                                      sample_of({9, 10}, {1, 2})};

TEST(SingleSamples, AreTheEntriesOfAllBatchesAtEachReading) {
  const Batches batches(kBatches);
  const SingleSamples samples(graph_of({{-1, 2}}), batches);
  EXPECT_TRUE(samples.are_single());
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(read_all(samples), ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4), ElementsAre(5, 6),
                                               ElementsAre(7, 8), ElementsAre(9, 10)));
  }
  EXPECT_EQ(samples.read()()->inputs[0].tensor.shape(), Shape({1, 2}));
  EXPECT_EQ(samples.at_most(3), 6);
}

TEST(SingleSamples, TakeNoItemTwiceFromASourceThatCanBeReadOnce) {
  const Batches batches(kBatches);
  const SingleSamples samples(graph_of({{-1, 2}}), batches);
  read_all(samples);
  EXPECT_EQ(batches.given, 3);
}

TEST(SingleSamples, StayTogetherWhereTheFirstAxisMayBeAnother) {
  const auto are_single = [](const std::vector<Shape>& inputs, const Batches& batches) {
    const SingleSamples samples(graph_of(inputs), batches);
    EXPECT_EQ(read_all(samples).size(), samples.are_single() ? 5U : 3U);
    return samples.are_single();
  };
  EXPECT_TRUE(are_single({{-1, 2}}, Batches(kBatches, 2)));
  EXPECT_FALSE(are_single({{-1, 2}}, Batches(kBatches, 4))) << "batches of 4 with 2 entries: time steps, perhaps";
  EXPECT_FALSE(are_single({{2, 2}}, Batches(kBatches))) << "the model takes no single samples";
}

TEST(SingleSamples, StayTogetherWhereInputsDiffer) {
  Sample sample = sample_of({1, 2, 3, 4}, {2, 2});
  sample.inputs.push_back(sample_of({1, 2, 3}, {3, 1}).inputs[0]);
  const Graph graph = graph_of({{-1, 2}, {-1, 1}});
  EXPECT_FALSE(SingleSamples(graph, Batches({sample})).are_single());

  Sample good = sample_of({1, 2, 3, 4}, {2, 2});
  good.inputs.push_back(sample_of({1, 2}, {2, 1}).inputs[0]);
  const Batches batches({good, sample});
  const SingleSamples samples(graph, batches);
  EXPECT_THAT([&] { read_all(samples); },
              ThrowsMessage<InvalidArgument>(HasSubstr("batch 1: its inputs have different extents")));
}

TEST(SingleSamples, AreTheOnlyBatchEvenIfItIsSmall) {
  const Batches small({sample_of({1, 2, 3, 4}, {2, 2})}, 32);
  EXPECT_TRUE(SingleSamples(graph_of({{-1, 2}}), small).are_single());
}

}  // namespace
}  // namespace tightrope
