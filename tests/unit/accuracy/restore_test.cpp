// SPDX-License-Identifier: Apache-2.0
#include "accuracy/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "support/generated_problem.h"

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Set = std::vector<bool>;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// A made-up network: what the drop is for every set of reverted groups.
struct Problem {
  std::vector<double> prices;
  std::vector<double> scores;
  double max_drop = 1;
  std::function<double(const Set&)> drop;
};

struct Search {
  RestoreResult result;
  std::vector<Set> asked;
};

Search solve(const Problem& problem, std::int64_t max_validations = kUnlimited) {
  Search run;
  const Set nothing(problem.prices.size(), false);
  run.result = restore(problem.prices, problem.scores, problem.drop(nothing), problem.max_drop, max_validations,
                       [&](const Set& reverted) {
                         run.asked.push_back(reverted);
                         return problem.drop(reverted);
                       });
  EXPECT_EQ(run.result.validations, static_cast<std::int64_t>(run.asked.size()));
  EXPECT_EQ(std::set<Set>(run.asked.begin(), run.asked.end()).size(), run.asked.size()) << "a set was evaluated twice";
  EXPECT_EQ(std::ranges::count(run.asked, nothing), 0) << "the quantized model was evaluated again";
  EXPECT_EQ(run.result.best.drop, problem.drop(run.result.best.reverted));
  EXPECT_EQ(run.result.met, run.result.best.drop <= problem.max_drop);
  return run;
}

// The drop is the sum of what each quantized group contributes.
Problem additive(std::vector<double> contributions, double max_drop) {
  Problem problem;
  problem.prices.assign(contributions.size(), 1);
  problem.scores = contributions;
  problem.max_drop = max_drop;
  problem.drop = [contributions](const Set& reverted) {
    double sum = 0;
    for (std::size_t g = 0; g < reverted.size(); ++g) sum += reverted[g] ? 0 : contributions[g];
    return sum;
  };
  return problem;
}

double total_price(const Problem& problem, const Set& reverted) {
  double sum = 0;
  for (std::size_t g = 0; g < reverted.size(); ++g) sum += reverted[g] ? problem.prices[g] : 0;
  return sum;
}

double cheapest_price(const Problem& problem) {
  const std::size_t count = problem.prices.size();
  double best = std::numeric_limits<double>::infinity();
  for (std::uint32_t bits = 0; bits < 1U << count; ++bits) {
    Set reverted(count);
    for (std::size_t g = 0; g < count; ++g) reverted[g] = (bits >> g & 1U) != 0;
    if (problem.drop(reverted) <= problem.max_drop) best = std::min(best, total_price(problem, reverted));
  }
  return best;
}

void expect_one_minimal(const Problem& problem, const Set& reverted) {
  for (std::size_t g = 0; g < reverted.size(); ++g) {
    if (!reverted[g]) continue;
    Set smaller = reverted;
    smaller[g] = false;
    EXPECT_GT(problem.drop(smaller), problem.max_drop) << "group " << g << " need not be reverted";
  }
}

TEST(Restore, StopsBeforeAnythingElseWhereTheLimitIsMetAlready) {
  const Search run = solve(additive({0.2, 0.3}, 0.5));
  EXPECT_TRUE(run.result.met);
  EXPECT_TRUE(run.result.minimal);
  EXPECT_THAT(run.asked, testing::IsEmpty());
  EXPECT_THAT(run.result.best.reverted, ElementsAre(false, false));
}

TEST(Restore, RevertsTheOneCulpritWithOneValidation) {
  const Search run = solve(additive({0.1, 5, 0.1, 0.2}, 1));
  EXPECT_THAT(run.result.best.reverted, ElementsAre(false, true, false, false));
  EXPECT_EQ(run.result.validations, 1);
  EXPECT_TRUE(run.result.minimal);
}

TEST(Restore, CountsSuccessWithTheLastGroupAsSuccess) {
  Problem problem = additive({4, 3, 2}, 1);
  const Search run = solve(problem);
  EXPECT_TRUE(run.result.met);
  EXPECT_TRUE(run.result.minimal);
  EXPECT_THAT(run.result.best.reverted, ElementsAre(true, true, true));

  EXPECT_TRUE(solve(additive({4}, 1)).result.met);
}

TEST(Restore, GivesBackWhatNeedNotBeReverted) {
  Problem problem = additive({5, 0, 4, 0, 3}, 1);
  problem.scores = {0.1, 0.9, 0.2, 0.8, 0.3};  // misleading
  const Search run = solve(problem);
  EXPECT_THAT(run.result.best.reverted, ElementsAre(true, false, true, false, true));
  EXPECT_TRUE(run.result.minimal);
}

TEST(Restore, StartsWhereTheScoresPredictTheLimit) {
  const Search run = solve(additive({5, 4, 3, 2, 1, 0.5, 0.25, 0.125}, 2));
  // 1 + 0.5 + 0.25 + 0.125 is allowed, so four groups go at once.
  ASSERT_FALSE(run.asked.empty());
  EXPECT_THAT(run.asked[0], ElementsAre(true, true, true, true, false, false, false, false));
  EXPECT_TRUE(run.result.met);
}

TEST(Restore, PrefersCheapGroupsOfEqualHarm) {
  Problem problem = additive({2, 2}, 2.5);
  problem.prices = {10, 1};
  EXPECT_THAT(solve(problem).result.best.reverted, ElementsAre(false, true));
}

TEST(Restore, BreaksTiesByIndex) {
  EXPECT_THAT(solve(additive({2, 2, 2, 2}, 4)).result.best.reverted, ElementsAre(true, true, false, false));
}

TEST(Restore, WorksWithoutUsefulScores) {
  Problem problem = additive({0, 3, 0, 3}, 1);
  problem.scores.assign(4, 0);
  EXPECT_THAT(solve(problem).result.best.reverted, ElementsAre(false, true, false, true));
}

TEST(Restore, GivesBackLargeSetsInChunks) {
  std::vector<double> contributions(64, 0);
  contributions[63] = 5;
  Problem problem = additive(contributions, 1);
  for (std::size_t g = 0; g < 64; ++g) problem.scores[g] = 64.0 - static_cast<double>(g);  // the culprit comes last
  const Search run = solve(problem);
  EXPECT_EQ(std::ranges::count(run.result.best.reverted, true), 1);
  EXPECT_TRUE(run.result.best.reverted[63]);
  EXPECT_LT(run.result.validations, 40) << "not one by one, though the scores are the wrong way round";
}

TEST(Restore, SaysSoWhereNothingPasses) {
  Problem problem = additive({3, 2, 1}, 1);
  const auto drop = problem.drop;
  problem.drop = [drop](const Set& reverted) { return drop(reverted) + 2; };
  const Search run = solve(problem);
  EXPECT_FALSE(run.result.met);
  EXPECT_FALSE(run.result.minimal);
  EXPECT_THAT(run.result.best.reverted, ElementsAre(true, true, true));
  EXPECT_EQ(run.asked.back(), Set(3, true)) << "everything reverted must be tried before giving up";
  EXPECT_THAT(run.result.stopped, HasSubstr("everything reverted"));
}

TEST(Restore, ReturnsTheLowestDropWhereNothingPasses) {
  Problem problem = additive({3, 2, 1}, 1.5);
  problem.drop = [](const Set& reverted) { return std::ranges::count(reverted, true) == 2 ? 2.0 : 7.0; };
  const Search run = solve(problem);
  EXPECT_FALSE(run.result.met);
  EXPECT_EQ(run.result.best.drop, 2);
}

TEST(Restore, EndsForALimitThatAsksForAnImprovement) {
  const Search run = solve(additive({3, 2, 1}, -0.5));
  EXPECT_FALSE(run.result.met);
  EXPECT_EQ(run.result.best.drop, 0);
}

TEST(Restore, HasNothingToRevertWithoutGroups) {
  Problem problem = additive({}, 1);
  problem.drop = [](const Set&) { return 3.0; };
  const Search run = solve(problem);
  EXPECT_FALSE(run.result.met);
  EXPECT_THAT(run.result.stopped, HasSubstr("nothing to revert"));
}

TEST(Restore, ReturnsTheQuantizedModelWithoutValidations) {
  const Search run = solve(additive({3, 2}, 1), 0);
  EXPECT_FALSE(run.result.met);
  EXPECT_THAT(run.result.best.reverted, ElementsAre(false, false));
  EXPECT_THAT(run.result.stopped, HasSubstr("limited to 0"));
}

TEST(Restore, ReturnsTheBestSoFarWithEveryBudget) {
  Problem problem = additive({5, 0, 4, 0, 3, 0}, 1);
  problem.scores = {0.1, 0.9, 0.2, 0.8, 0.3, 0.7};
  const Search full = solve(problem);
  double previous = std::numeric_limits<double>::infinity();
  for (std::int64_t budget = 0; budget < full.result.validations; ++budget) {
    const Search run = solve(problem, budget);
    EXPECT_EQ(run.result.validations, budget);
    EXPECT_FALSE(run.result.minimal);
    EXPECT_THAT(run.result.stopped, HasSubstr("limited to"));
    // The last validation is kept for everything reverted as long as nothing has met the limit.
    const bool ends_with_everything = !run.asked.empty() && run.asked.back() == Set(6, true);
    const std::size_t same = run.asked.size() - (ends_with_everything ? 1 : 0);
    EXPECT_TRUE(std::ranges::equal(std::span(run.asked).first(same), std::span(full.asked).first(same)));
    for (const Set& asked : run.asked) {
      if (problem.drop(asked) > problem.max_drop) continue;
      EXPECT_TRUE(run.result.met);
      EXPECT_LE(total_price(problem, run.result.best.reverted), total_price(problem, asked));
    }
    if (run.result.met) {
      EXPECT_LE(total_price(problem, run.result.best.reverted), previous);
      previous = total_price(problem, run.result.best.reverted);
    }
  }
  const Search exact = solve(problem, full.result.validations);
  EXPECT_TRUE(exact.result.minimal) << "a budget that is just enough does not stop anything";
}

// Uniform in [0, 1), the same on every platform.
double random_share(std::mt19937& random) { return static_cast<double>(random()) / 4294967296.0; }

Problem random_additive(std::mt19937& random, double noise) {
  const std::size_t count = 1 + random() % 8;
  std::vector<double> contributions(count);
  for (double& value : contributions) value = std::pow(random_share(random), 3);
  const double total = std::accumulate(contributions.begin(), contributions.end(), 0.0);
  Problem problem = additive(contributions, total * random_share(random) * 0.8);
  for (std::size_t g = 0; g < count; ++g) {
    problem.prices[g] = random() % 4 == 0 ? 0.25 : 1.0 + static_cast<double>(random() % 3);
    problem.scores[g] *= 1 + noise * (random_share(random) - 0.5);
  }
  return problem;
}

TEST(Restore, IsNearTheCheapestSetWhereHarmAddsUp) {
  std::mt19937 random(1);
  double ratio = 0;
  constexpr int kRuns = 400;
  for (int i = 0; i < kRuns; ++i) {
    const Problem problem = random_additive(random, i % 2 == 0 ? 0 : 0.5);
    const Search run = solve(problem);
    EXPECT_TRUE(run.result.met);
    EXPECT_TRUE(run.result.minimal);
    expect_one_minimal(problem, run.result.best.reverted);
    const double cheapest = cheapest_price(problem);
    ratio += (cheapest == 0 ? 1 : total_price(problem, run.result.best.reverted) / cheapest) / kRuns;
  }
  EXPECT_LE(ratio, 1.3);
  RecordProperty("price_over_minimum", std::to_string(ratio));
}

TEST(Restore, AlwaysEndsWithAOneMinimalSetWhereEverythingRevertedPasses) {
  std::mt19937 random(2);
  for (int i = 0; i < 400; ++i) {
    Problem problem = random_additive(random, 2);
    std::vector<double> drops(std::size_t{1} << problem.prices.size());
    for (double& drop : drops) drop = random_share(random);  // nothing is monotone
    drops.back() = 0;
    problem.max_drop = 0.3 * random_share(random);
    problem.drop = [drops](const Set& reverted) {
      std::size_t index = 0;
      for (std::size_t g = 0; g < reverted.size(); ++g) index |= static_cast<std::size_t>(reverted[g]) << g;
      return drops[index];
    };
    const Search run = solve(problem);
    EXPECT_TRUE(run.result.met);
    EXPECT_TRUE(run.result.minimal);
    expect_one_minimal(problem, run.result.best.reverted);
  }
}

TEST(Restore, EndsWithAOneMinimalSetOfManyGroups) {
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    std::vector<double> contributions(60);
    for (double& value : contributions) value = std::pow(random_share(random), 6);
    const double total = std::accumulate(contributions.begin(), contributions.end(), 0.0);
    Problem problem = additive(contributions, total * 0.1 * random_share(random));
    for (double& score : problem.scores) score *= 0.2 + random_share(random);
    const Search run = solve(problem);
    EXPECT_TRUE(run.result.met && run.result.minimal);
    expect_one_minimal(problem, run.result.best.reverted);
  }
}

TEST(Restore, StopsWithTheBestSoFarWhereItIsTold) {
  const Problem problem = additive({1, 2, 4, 8}, 3);
  int asked = 0;
  const RestoreResult result = restore(problem.prices, problem.scores, problem.drop(Set(4, false)), problem.max_drop,
                                       kUnlimited, [&](const Set& reverted) -> std::optional<double> {
                                         if (++asked > 1) return std::nullopt;
                                         return problem.drop(reverted);
                                       });
  EXPECT_EQ(asked, 2) << "it is not asked again";
  EXPECT_EQ(result.validations, 1);
  EXPECT_FALSE(result.minimal);
  EXPECT_LT(result.best.drop, 15);
  EXPECT_THAT(result.stopped, HasSubstr("stopped"));
}

// 50 networks take seconds: benchmarks/search_study.cpp.
TEST(Restore, T09_RevertsHardlyMoreThanTheCheapestSetOnNetworksThatAreQuantizedForReal) {
  constexpr double kMaxDrop = 0.02;
  double price = 0;
  double least = 0;
  test::for_each_generated_problem(12, kMaxDrop, 7, [&](std::uint32_t seed, test::GeneratedProblem& network) {
    SCOPED_TRACE(seed);
    const Problem problem{network.prices(), network.scores(), kMaxDrop,
                          [&](const Set& reverted) { return network.drop(reverted); }};
    const Search run = solve(problem);
    EXPECT_TRUE(run.result.met);
    EXPECT_TRUE(run.result.minimal);
    const Set& best = run.result.best.reverted;
    for (std::size_t g = 0; g < best.size(); ++g) {
      if (!best[g]) continue;
      Set smaller = best;
      smaller[g] = false;
      EXPECT_GT(network.drop(smaller), kMaxDrop) << "group " << g << " can return";
    }
    price += network.price_of(best);
    least += network.least_price(kMaxDrop);
  });
  EXPECT_LE(price, 1.05 * least);
}

}  // namespace
}  // namespace tightrope
