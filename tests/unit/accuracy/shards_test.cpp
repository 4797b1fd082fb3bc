// SPDX-License-Identifier: Apache-2.0
#include "accuracy/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "accuracy/early.h"

namespace tightrope {
namespace {

using testing::ElementsAreArray;
using testing::SizeIs;

std::vector<std::int64_t> positions(std::int64_t count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 100);
  return all;
}

Evaluation part_at(std::span<const std::int64_t> items) {
  Evaluation part;
  for (const std::int64_t item : items) part.values.push_back(1.0 / static_cast<double>(item));
  part.items = std::ssize(part.values);
  part.metric = std::accumulate(part.values.begin(), part.values.end(), 0.0) / static_cast<double>(part.values.size());
  return part;
}

// Three workers that give the values of `part_at`, changed by a test.
template <typename Change>
Elsewhere three_workers(Change change) {
  return {[] { return std::size_t{3}; },
          [change](const Plan&, std::string_view, std::span<const std::vector<std::int64_t>> parts) {
            std::vector<std::optional<Evaluation>> all;
            for (const auto& part : parts) all.emplace_back(part_at(part));
            change(all);
            return all;
          }};
}

TEST(Shards, AreContiguousAndOfAboutEqualSize) {
  const auto all = positions(100);
  const auto shards = shards_of(all, 3);
  ASSERT_THAT(shards, SizeIs(3));
  std::vector<std::int64_t> together;
  for (const auto& shard : shards) {
    EXPECT_GE(shard.size(), 33U);
    EXPECT_LE(shard.size(), 34U);
    together.insert(together.end(), shard.begin(), shard.end());
  }
  EXPECT_EQ(together, all);
}

TEST(Shards, AreNotMadeOfAFewItems) {
  EXPECT_THAT(shards_of(positions(16), 100), SizeIs(2));
  EXPECT_THAT(shards_of(positions(15), 100), SizeIs(1));
  EXPECT_THAT(shards_of(positions(16), 0), SizeIs(1));
}

TEST(Shards, GiveTheValuesInTheOrderOfTheItems) {
  const auto nothing = [](auto&) {};
  const auto all = positions(50);
  const auto found = evaluate_in_shards(three_workers(nothing), {}, "candidate 1", all);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->values, ElementsAreArray(part_at(all).values));
  EXPECT_EQ(found->metric, part_at(all).metric);
  EXPECT_EQ(found->items, 50);
}

TEST(Shards, GiveNothingWhereOneOfThemIsMissing) {
  const auto all = positions(50);
  const auto evaluate = [&](const auto& change) {
    return evaluate_in_shards(three_workers(change), {}, "candidate 1", all);
  };
  EXPECT_FALSE(evaluate([](auto& parts) { parts[1].reset(); }));
  EXPECT_FALSE(evaluate([](auto& parts) { parts.pop_back(); }));
  EXPECT_FALSE(evaluate([](auto& parts) { parts[2]->values.pop_back(); }));
  EXPECT_FALSE(evaluate([](auto& parts) { parts[0]->metric += 1; }));
}

TEST(Shards, GiveNothingWithoutWorkers) { EXPECT_FALSE(evaluate_in_shards({}, {}, "candidate 1", positions(50))); }

}  // namespace
}  // namespace tightrope
