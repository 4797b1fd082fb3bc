// SPDX-License-Identifier: Apache-2.0
#include "accuracy/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <span>

#include "accuracy/messages.h"
#include "accuracy/ranking.h"
#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::LogCapture;
using test::NetBuilder;
using test::output_quantizer;
using test::sample_of;
using test::weight_quantizer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

constexpr int kItems = 200;
constexpr int kClasses = 4;

AccuracyOptions limit(double max_drop) {
  AccuracyOptions options;
  options.max_drop = max_drop;
  return options;
}

// A classifier of four products with one group each; "coarse" ones are quantized so roughly that they cost accuracy.
class ControlAccuracy : public testing::Test {
 protected:
  void build(const std::vector<int>& levels) {
    NetBuilder net;
    ValueId value = net.input("x", {-1, kClasses});
    std::string before = "x";
    plan = {};
    std::vector<float> identity(kClasses * kClasses, 0);
    for (std::size_t i = 0; i < kClasses; ++i) identity[i * kClasses + i] = 1;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const std::string name = "product" + std::to_string(i);
      value = net.matmul(name, value, identity, kClasses, kClasses);
      plan.quantizers.push_back(output_quantizer(before, {name}, 0, 1, levels[i]));
      plan.quantizers.push_back(weight_quantizer(name, {1, 1, 1, 1}));
      before = name;
    }
    model = net.build({value});
    std::mt19937 random(5);
    for (int i = 0; i < kItems; ++i) {
      std::vector<float> scores(kClasses);
      for (float& score : scores) score = static_cast<float>(random() % 1000) / 1000.0F;
      items.push_back(sample_of(scores, {1, kClasses}));
      labels.push_back(std::ranges::max_element(scores) - scores.begin());
    }
  }

  // The share of items that this plan classifies wrongly.
  double error_rate(const Plan& candidate) const {
    const auto session = model->apply(candidate)->compile();
    int wrong = 0;
    for (int i = 0; i < kItems; ++i) {
      const auto scores = session->run(items[static_cast<std::size_t>(i)])[0].to_floats();
      wrong += std::ranges::max_element(scores) - scores.begin() == labels[static_cast<std::size_t>(i)] ? 0 : 1;
    }
    return static_cast<double>(wrong) / kItems;
  }

  Evaluate accuracy() const {
    return [this](const Plan& candidate, std::string_view) { return Evaluation{1 - error_rate(candidate), kItems}; };
  }

  Means means(const Evaluate& evaluate) const {
    Means result;
    result.evaluate = evaluate;
    result.rank = [this](const Plan& ranked, std::span<const Group> groups,
                         const std::function<bool(double)>& has_time) {
      return rank_groups(*model, ranked, groups, std::span(items).first(8), {}, RestoreMode::kActivationsAndWeights,
                         has_time);
    };
    return result;
  }

  Controlled control(const Means& with, const AccuracyOptions& options) const {
    Start start = evaluate_original(with, options);
    start.report.framework = "fake";
    return control_accuracy(plan, with, options, std::move(start));
  }
  Controlled control(const Evaluate& evaluate, const AccuracyOptions& options) const {
    return control(means(evaluate), options);
  }

  std::unique_ptr<test::FakeModel> model;
  Plan plan;
  std::vector<Sample> items;
  std::vector<std::ptrdiff_t> labels;
};

TEST_F(ControlAccuracy, ReturnsTheQuantizedModelWhereItIsGoodEnough) {
  build({256, 256, 256, 256});
  const auto [best, report, met] = control(accuracy(), limit(0.05));
  EXPECT_TRUE(met);
  EXPECT_EQ(best, plan);
  EXPECT_EQ(report.status, "met");
  EXPECT_TRUE(report.minimal);
  EXPECT_THAT(report.evaluations, SizeIs(2));
  EXPECT_THAT(report.groups, IsEmpty());
  EXPECT_THAT(report.quantized, ElementsAre("product0", "product1", "product2", "product3"));
  EXPECT_THAT(report.reverted, IsEmpty());
  EXPECT_EQ(report.original_metric, 1);
  EXPECT_EQ(report.final_metric, report.quantized_metric);
  EXPECT_EQ(advice_for(report), "");
}

TEST_F(ControlAccuracy, GoesOnWithARepairedPlanThatIsBetter) {
  build({256, 256, 4, 256});
  Means with = means(accuracy());
  int repairs = 0;
  with.repair = [&](const Plan& first) {
    ++repairs;
    Plan better = first;
    better.quantizers[4].range.levels = 256;
    return Repaired{better, {{{"product2"}, "another range", 0.5, 0.01}}};
  };
  const auto [best, report, met] = control(with, limit(0.05));
  EXPECT_TRUE(met);
  EXPECT_EQ(repairs, 1);
  EXPECT_EQ(best, with.repair(plan).plan);
  ASSERT_THAT(report.repairs, SizeIs(1));
  EXPECT_EQ(report.repairs[0].what, "another range");
  EXPECT_THAT(report.reverted, IsEmpty());
  ASSERT_THAT(report.evaluations, SizeIs(3));
  EXPECT_EQ(report.evaluations[2].name, "repaired model");
  EXPECT_EQ(report.final_metric, report.evaluations[2].metric);
  EXPECT_EQ(report.quantized_metric, report.evaluations[1].metric);
}

TEST_F(ControlAccuracy, ForgetsARepairedPlanThatIsNoBetter) {
  build({256, 256, 4, 256});
  Means with = means(accuracy());
  with.repair = [&](const Plan& first) {
    Plan worse = first;
    for (Quantizer& quantizer : worse.quantizers) quantizer.range.levels = 3;
    return Repaired{worse, {{{"product1"}, "other levels", 0.5, 0.01}}};
  };
  const auto [best, report, met] = control(with, limit(0.02));
  EXPECT_TRUE(met);
  EXPECT_EQ(report.evaluations[2].name, "repaired model");
  EXPECT_THAT(report.reverted, ElementsAre("product2"));
  EXPECT_THAT(report.repairs, IsEmpty());
}

TEST_F(ControlAccuracy, RepairsNothingThatIsGoodEnoughUnlessAsked) {
  build({256, 256, 256, 256});
  Means with = means(accuracy());
  with.repair = [](const Plan&) -> Repaired { throw InternalError("nobody asked for it"); };
  EXPECT_THAT(control(with, limit(0.05)).report.evaluations, SizeIs(2));
}

TEST_F(ControlAccuracy, RevertsTheCulpritAlone) {
  build({256, 256, 4, 256});
  const auto [best, report, met] = control(accuracy(), limit(0.02));
  EXPECT_TRUE(met);
  EXPECT_THAT(report.reverted, ElementsAre("product2"));
  EXPECT_THAT(report.quantized, ElementsAre("product0", "product1", "product3"));
  EXPECT_TRUE(report.minimal);
  EXPECT_LE(*report.drop, 0.02);
  EXPECT_EQ(*report.final_metric, 1 - error_rate(best)) << "the number belongs to the plan that is returned";
  EXPECT_EQ(quantized_operations(best), report.quantized);
  ASSERT_THAT(report.groups, SizeIs(4));
  EXPECT_TRUE(report.groups[2].reverted);
  EXPECT_GT(report.groups[2].score, report.groups[0].score);
  ASSERT_THAT(report.evaluations, SizeIs(3));
  EXPECT_EQ(report.evaluations[2].name, "candidate 1");
  EXPECT_THAT(report.evaluations[2].reverted, ElementsAre("product2"));
  EXPECT_EQ(report.evaluations[2].items, kItems);
  std::vector<std::string> stages;
  for (const StageRecord& stage : report.stages) stages.push_back(stage.name);
  EXPECT_THAT(stages,
              ElementsAre("validation of the original", "validation of the quantized model", "ranking", "search"));
  EXPECT_EQ(report.framework, "fake");
}

TEST_F(ControlAccuracy, TellsTheFateOfEachGroupAndTheReason) {
  build({4, 256, 5, 256});
  const auto report = control(accuracy(), limit(0.02)).report;
  ASSERT_THAT(report.reverted, ElementsAre("product0", "product2"));
  ASSERT_THAT(report.groups, SizeIs(4));
  double sum = 0;
  for (const GroupRecord& group : report.groups) sum += group.contribution;
  EXPECT_NEAR(sum, report.evaluations[1].drop, 0.1) << "the drop of the quantized model, shared out";
  EXPECT_GT(report.groups[0].contribution, report.groups[1].contribution);
  for (const std::size_t g : {0U, 2U}) {
    const auto alone = std::ranges::find_if(report.evaluations, [&](const EvaluationRecord& record) {
      return record.reverted.size() == 1 && record.reverted[0] != report.groups[g].operations[0];
    });
    ASSERT_NE(alone, report.evaluations.end()) << "the result is proven minimal";
    EXPECT_GT(alone->drop, 0.02);
    EXPECT_THAT(report.groups[g].why, AllOf(HasSubstr("with it in 8 bits the drop would be"), HasSubstr(alone->name)));
  }
  EXPECT_THAT(report.groups[1].why, HasSubstr("stays in 8 bits: the limit is met"));
}

TEST_F(ControlAccuracy, KeepsTheWeightsOfRevertedOperationsInEightBitsWhereTheLimitHolds) {
  build({256, 256, 4, 256});
  Means with = means(accuracy());
  const auto weights = [](const Plan& candidate) {
    return static_cast<double>(std::ranges::count(candidate.quantizers, SiteKind::kWeight, &Quantizer::kind));
  };
  with.weight_elements = weights;
  const auto [best, report, met] = control(with, limit(0.02));
  EXPECT_TRUE(met);
  EXPECT_EQ(weights(best), 4) << "the activations of product2 were the culprit";
  EXPECT_EQ(best.quantizers.size(), 7);
  EXPECT_THAT(report.reverted, ElementsAre("product2"));
  EXPECT_EQ(report.evaluations.back().name, "weights kept in 8 bits");
  EXPECT_EQ(report.final_metric, report.evaluations.back().metric);
  EXPECT_EQ(*report.final_metric, 1 - error_rate(best)) << "the number belongs to the plan that is returned";
  EXPECT_THAT(report.groups[2].why, HasSubstr("Its weights stay in 8 bits."));

  AccuracyOptions options = limit(0.02);
  options.repair = false;
  EXPECT_EQ(weights(control(with, options).plan), 3) << "it is a repair";
  options.repair = true;
  options.max_num_iterations = 1;
  EXPECT_EQ(control(with, options).report.evaluations.back().name, "candidate 1") << "no validation is left";
}

TEST_F(ControlAccuracy, RevertsWeightsThatBreakTheLimitByThemselves) {
  build({256, 256, 256, 256});
  plan.quantizers[5].range.levels = 2;
  Means with = means(accuracy());
  with.weight_elements = [](const Plan& candidate) { return static_cast<double>(candidate.quantizers.size()); };
  const auto [best, report, met] = control(with, limit(0.02));
  EXPECT_TRUE(met);
  ASSERT_THAT(report.reverted, ElementsAre("product2"));
  EXPECT_EQ(report.evaluations.back().name, "weights kept in 8 bits");
  EXPECT_GT(report.evaluations.back().drop, 0.02);
  EXPECT_EQ(best.quantizers.size(), 6) << "the weight is in floating point, too";
  EXPECT_EQ(*report.final_metric, 1 - error_rate(best));
}

TEST_F(ControlAccuracy, LowersAnErrorRateWhereLowerIsBetter) {
  build({256, 4, 256, 6});
  AccuracyOptions options = limit(0.01);
  options.higher_is_better = false;
  const auto [best, report, met] = control(
      [&](const Plan& candidate, std::string_view) { return Evaluation{error_rate(candidate), kItems}; }, options);
  EXPECT_GT(*report.quantized_metric, 0.01);
  EXPECT_TRUE(met);
  EXPECT_LE(error_rate(best), 0.01);
  EXPECT_LE(*report.final_metric, *report.original_metric + 0.01);
  EXPECT_FALSE(report.higher_is_better);
}

TEST_F(ControlAccuracy, CountsSuccessWithTheLastGroupAsSuccess) {
  build({4, 4});
  const auto [best, report, met] = control(accuracy(), limit(0.001));
  EXPECT_TRUE(met);
  EXPECT_TRUE(best.empty());
  EXPECT_EQ(report.status, "met");
  EXPECT_EQ(report.drop, 0);
  EXPECT_EQ(report.drop_reverted, 0);
  EXPECT_THAT(report.quantized, IsEmpty());
}

TEST_F(ControlAccuracy, RejectsAMetricThatIsNotFinite) {
  build({256, 4});
  const auto nan_at = [&](std::string_view place) {
    return [&, place](const Plan& candidate, std::string_view name) {
      return Evaluation{name == place ? std::numeric_limits<double>::quiet_NaN() : 1 - error_rate(candidate), kItems};
    };
  };
  for (const std::string place : {"original model", "quantized model", "candidate 1"}) {
    EXPECT_THAT([&] { control(nan_at(place), limit(0.01)); },
                ThrowsMessage<InvalidArgument>(AllOf(HasSubstr(place), HasSubstr("nan"))));
  }
}

TEST_F(ControlAccuracy, RejectsARelativeDropFromZeroAfterTheFirstValidation) {
  build({4});
  AccuracyOptions options = limit(0.01);
  options.drop_type = DropType::kRelative;
  options.higher_is_better = false;
  int calls = 0;
  const Evaluate evaluate = [&](const Plan& candidate, std::string_view) {
    ++calls;
    return Evaluation{error_rate(candidate), kItems};
  };
  EXPECT_THAT([&] { control(evaluate, options); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("original model"), HasSubstr("absolute limit"))));
  EXPECT_EQ(calls, 1);
}

TEST_F(ControlAccuracy, ExplainsValidationDataThatCanBeReadOnce) {
  build({4});
  int calls = 0;
  const Evaluate evaluate = [&](const Plan&, std::string_view) {
    return Evaluation{calls++ == 0 ? 1.0 : std::numeric_limits<double>::quiet_NaN(), calls == 1 ? kItems : 0};
  };
  EXPECT_THAT(
      [&] { control(evaluate, {}); },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("quantized model"), HasSubstr("generator"), HasSubstr("200"))));
}

TEST_F(ControlAccuracy, AcceptsAFunctionThatReadsNoItems) {
  build({256});
  const auto result = control(
      [&](const Plan& candidate, std::string_view) { return Evaluation{1 - error_rate(candidate), 0}; }, limit(0.05));
  EXPECT_TRUE(result.met);
}

TEST_F(ControlAccuracy, WarnsOnceWhereTheNumberOfItemsVaries) {
  build({4, 4, 4});
  LogCapture capture;
  std::int64_t count = 100;
  control([&](const Plan& candidate, std::string_view) { return Evaluation{1 - error_rate(candidate), count++}; },
          limit(0.02));
  const std::string warnings = capture.text(LogLevel::kWarning);
  EXPECT_THAT(warnings, HasSubstr("101 items were read, but 100"));
  EXPECT_THAT(warnings, Not(HasSubstr("102")));
}

TEST_F(ControlAccuracy, WarnsWhereOneItemWeighsMoreThanTheLimit) {
  build({256});
  LogCapture capture;
  control([&](const Plan&, std::string_view) { return Evaluation{0.9, 50}; }, limit(0.01));
  EXPECT_THAT(capture.text(LogLevel::kWarning), AllOf(HasSubstr("50 items"), HasSubstr("0.02")));
}

TEST_F(ControlAccuracy, DoesNotTakeASmoothMetricForAShareOfItems) {
  build({256});
  LogCapture capture;
  control([&](const Plan& candidate, std::string_view) { return Evaluation{candidate.empty() ? 1 : 0.9971, 50}; },
          limit(0.01));
  EXPECT_EQ(capture.text(LogLevel::kWarning), "");
}

TEST_F(ControlAccuracy, ReturnsTheBestPlanWhereTheLimitCannotBeMet) {
  build({256, 4, 256});
  const Evaluate evaluate = [&](const Plan& candidate, std::string_view name) {
    return Evaluation{name == "original model" ? 1 : 0.9 - error_rate(candidate), kItems};
  };
  const auto [best, report, met] = control(evaluate, limit(0.01));
  EXPECT_FALSE(met);
  EXPECT_EQ(report.status, "not met");
  EXPECT_FALSE(report.minimal);
  EXPECT_DOUBLE_EQ(*report.drop_reverted, 0.1);
  EXPECT_DOUBLE_EQ(*report.drop, 0.1);
  EXPECT_EQ(*report.final_metric, 0.9 - error_rate(best));
  EXPECT_THAT(report.stopped, HasSubstr("everything reverted"));
  EXPECT_THAT(advice_for(report), HasSubstr("0.1"));
}

TEST_F(ControlAccuracy, StopsAtTheNumberOfIterations) {
  build({4, 4, 4, 4});
  AccuracyOptions options = limit(0);
  options.max_num_iterations = 1;
  const auto [best, report, met] = control(accuracy(), options);
  EXPECT_THAT(report.evaluations, SizeIs(3));
  EXPECT_EQ(met, *report.drop <= 0);
  EXPECT_FALSE(report.minimal);
  EXPECT_EQ(*report.final_metric, 1 - error_rate(best));
}

TEST_F(ControlAccuracy, ReturnsTheQuantizedModelForZeroIterations) {
  build({256, 4});
  AccuracyOptions options = limit(0.01);
  options.max_num_iterations = 0;
  const auto [best, report, met] = control(accuracy(), options);
  EXPECT_FALSE(met);
  EXPECT_EQ(best, plan);
  EXPECT_THAT(report.evaluations, SizeIs(2));
  EXPECT_THAT(report.stopped, HasSubstr("max_num_iterations is 0"));
  EXPECT_THAT(advice_for(report), HasSubstr("max_num_iterations"));
}

TEST_F(ControlAccuracy, KeepsWeightsWhereOnlyActivationsAreReverted) {
  build({256, 4, 256});
  AccuracyOptions options = limit(0.02);
  options.restore_mode = RestoreMode::kActivationsOnly;
  const auto [best, report, met] = control(accuracy(), options);
  EXPECT_TRUE(met);
  EXPECT_THAT(report.reverted, ElementsAre("product1"));
  EXPECT_EQ(std::ranges::count(best.quantizers, SiteKind::kWeight, &Quantizer::kind), 3);
  EXPECT_THAT(best.quantizers, SizeIs(5));
}

TEST_F(ControlAccuracy, HasNothingToRevertInAnEmptyPlan) {
  build({});
  const Evaluate evaluate = [](const Plan&, std::string_view name) {
    return Evaluation{name == "original model" ? 1.0 : 0.5, kItems};
  };
  const auto result = control(evaluate, {});
  EXPECT_FALSE(result.met);
  EXPECT_THAT(result.report.stopped, HasSubstr("Nothing was quantized"));
  EXPECT_THAT(advice_for(result.report), HasSubstr("Nothing was quantized"));
}

TEST_F(ControlAccuracy, LetsAnErrorOfTheFunctionThrough) {
  build({4, 4});
  const Evaluate evaluate = [](const Plan&, std::string_view name) -> Evaluation {
    if (name == "candidate 1") throw std::out_of_range("the user's own");
    return {name == "original model" ? 1.0 : 0.5, kItems};
  };
  EXPECT_THAT([&] { control(evaluate, {}); }, ThrowsMessage<std::out_of_range>("the user's own"));
}

TEST_F(ControlAccuracy, GivesTheSameReportTwice) {
  build({8, 256, 4, 6});
  const auto first = control(accuracy(), limit(0.05));
  const auto second = control(accuracy(), limit(0.05));
  EXPECT_EQ(to_json(first.report, false), to_json(second.report, false));
  EXPECT_EQ(first.plan, second.plan);
}

TEST_F(ControlAccuracy, T26HoldsAllLimitsAndTellsWhichOneWasBinding) {
  build({256, 4, 256, 6});
  AccuracyOptions options;
  options.limits = {{"accuracy", 0.1, DropType::kAbsolute, true}, {"error", 0.02, DropType::kAbsolute, false}};
  const Evaluate evaluate = [&](const Plan& candidate, std::string_view) {
    const double error = error_rate(candidate);
    return Evaluation{0, kItems, {{"accuracy", 1 - error}, {"error", error}, {"of no interest", 7}}};
  };
  const auto [best, report, met] = control(evaluate, options);
  EXPECT_TRUE(met);
  EXPECT_LE(error_rate(best), 0.02);
  ASSERT_THAT(report.final_metrics, SizeIs(2));
  EXPECT_EQ(report.final_metrics[1].metric, error_rate(best));
  EXPECT_EQ(report.original_metric, std::nullopt);
  for (std::size_t i = 1; i < report.evaluations.size(); ++i) {
    EXPECT_EQ(report.evaluations[i].binding, report.evaluations[i].drop == 0 ? "accuracy" : "error");
    EXPECT_THAT(report.evaluations[i].metrics, SizeIs(2));
  }
}

TEST_F(ControlAccuracy, NamesTheLimitsThatCouldNotBeMet) {
  build({256, 4});
  AccuracyOptions options;
  options.limits = {{"easy", 5, DropType::kAbsolute, true}, {"hard", 0.01, DropType::kAbsolute, true}};
  const auto [best, report, met] = control(
      [](const Plan&, std::string_view name) {
        const double metric = name == "original model" ? 1 : 0.75;
        return Evaluation{0, kItems, {{"easy", metric}, {"hard", metric}}};
      },
      options);
  EXPECT_FALSE(met);
  EXPECT_THAT(shortfall_of(report), AllOf(HasSubstr("drop of 'hard' is 0.25, at most 0.01"), Not(HasSubstr("easy"))));
}

TEST_F(ControlAccuracy, DoesNotMeasureAgainWhatIsRemembered) {
  build({8, 256, 4, 6});
  std::vector<std::pair<Plan, Evaluation>> kept;
  int calls = 0;
  Means with = means([&](const Plan& candidate, std::string_view) {
    ++calls;
    return Evaluation{1 - error_rate(candidate), kItems};
  });
  with.memory.keep = [&](const Plan& candidate, const Evaluation& found) { kept.emplace_back(candidate, found); };
  with.memory.find = [&](const Plan& candidate) -> std::optional<Evaluation> {
    const auto found = std::ranges::find(kept, candidate, &std::pair<Plan, Evaluation>::first);
    return found == kept.end() ? std::nullopt : std::optional(found->second);
  };
  const auto first = control(with, limit(0.05));
  const int first_calls = calls;
  EXPECT_EQ(calls, static_cast<int>(kept.size())) << "each plan once: everything reverted is the original";
  const auto second = control(with, limit(0.05));
  EXPECT_EQ(calls, first_calls) << "nothing was measured again";
  EXPECT_EQ(to_json(second.report, false), to_json(first.report, false));
  EXPECT_EQ(second.report.evaluations.back().seconds, first.report.evaluations.back().seconds);
  const auto strict = control(with, limit(0.01));
  EXPECT_EQ(calls, static_cast<int>(kept.size())) << "another limit measures only what is new";
  EXPECT_LT(calls - first_calls, static_cast<int>(strict.report.evaluations.size()) - 1);
}

TEST_F(ControlAccuracy, T27ReturnsTheBestOfItsTime) {
  build({4, 256, 4, 6});
  AccuracyOptions options = limit(0.001);
  options.time_budget = 1e-9;
  const auto hurried = control(accuracy(), options);
  EXPECT_FALSE(hurried.met);
  EXPECT_THAT(hurried.report.evaluations, SizeIs(2)) << "the first two are always made";
  EXPECT_THAT(hurried.report.stopped, HasSubstr("time budget of 1e-09 s"));
  EXPECT_THAT(advice_for(hurried.report), HasSubstr("time_budget"));
  EXPECT_EQ(hurried.plan, plan);
  options.time_budget = 1e9;
  EXPECT_TRUE(control(accuracy(), options).met);

  Means slow = means(accuracy());
  slow.rank = [](const Plan&, std::span<const Group>, const std::function<bool(double)>& has_time) {
    return has_time(1e10) ? std::vector<double>() : std::vector<double>{0.25, 0.75};
  };
  EXPECT_EQ(control(slow, options).report.groups[3].score, 0.5) << "the mean of those that were ranked";
}

TEST_F(ControlAccuracy, TellsEachEvaluationWithTheBestSoFarOnceItIsSafe) {
  build({4, 256, 4, 6});
  Means with = means(accuracy());
  std::size_t kept = 0;
  with.memory.keep = [&](const Plan&, const Evaluation&) { ++kept; };
  std::vector<EvaluationRecord> told;
  std::optional<EvaluationRecord> best;
  with.watch = Watch([&](const Event& event) {
    if (event.kind != Event::Kind::kEvaluation) return false;
    told.push_back(*event.evaluation);
    best = event.best;
    EXPECT_EQ(event.best.has_value(), told.size() > 1);
    EXPECT_GE(kept + 1, told.size()) << "everything reverted is the original, which is kept already";
    return false;
  });
  const Controlled found = control(with, limit(0.05));
  const Report& report = found.report;
  EXPECT_TRUE(found.met);
  ASSERT_EQ(told.size(), report.evaluations.size());
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].name, report.evaluations[i].name);
  EXPECT_EQ(best->reverted, report.reverted);
  EXPECT_EQ(best->drop, report.drop);
}

TEST_F(ControlAccuracy, EndsWhereItsWatchSaysSo) {
  build({4, 256, 4, 6});
  for (const std::size_t evaluations : {1, 2, 3, 4}) {
    Means with = means(accuracy());
    std::size_t told = 0;
    with.watch =
        Watch([&](const Event& event) { return event.kind == Event::Kind::kEvaluation && ++told == evaluations; });
    const auto [best, report, met] = control(with, limit(0.001));
    EXPECT_THAT(report.evaluations, SizeIs(std::max<std::size_t>(evaluations, 2))) << "the first two are always made";
    EXPECT_EQ(report.stopped, "A callback stopped the search.");
    EXPECT_FALSE(report.minimal);
    const auto lowest = std::ranges::min(std::span(report.evaluations).subspan(1), {}, &EvaluationRecord::drop);
    EXPECT_EQ(report.drop, lowest.drop);
  }
}

TEST_F(ControlAccuracy, EndsARankingWhereItsWatchSaysSo) {
  build({4, 256, 4, 6});
  Means with = means(accuracy());
  with.watch =
      Watch([](const Event& event) { return event.kind == Event::Kind::kStageStarted && event.stage == "ranking"; });
  with.rank = [](const Plan&, std::span<const Group>, const std::function<bool(double)>& has_time) {
    return has_time(0) ? std::vector<double>() : std::vector<double>{0.5};
  };
  const LogCapture log;
  const auto [best, report, met] = control(with, limit(0.001));
  EXPECT_THAT(report.evaluations, SizeIs(2));
  EXPECT_EQ(best, plan);
  EXPECT_THAT(log.text(LogLevel::kInfo), HasSubstr("it was stopped after 1 of 4 groups"));
}

// A second for each product, less for those in 8 bits.
Latency latency_of(std::vector<double> savings, std::size_t products) {
  return [savings = std::move(savings), products](std::span<const Plan> plans) {
    std::vector<double> seconds;
    for (const Plan& candidate : plans) {
      double sum = static_cast<double>(products);
      for (const std::string& name : quantized_operations(candidate)) sum -= savings[name.back() - '0'];
      seconds.push_back(sum);
    }
    return seconds;
  };
}

TEST_F(ControlAccuracy, KeepsWhatSavesMostTimeIfAsked) {
  build({256, 8, 6, 256});
  AccuracyOptions options = limit(0.21);  // either of the coarse products is enough
  Means with = means(accuracy());
  with.latency = latency_of({0.5, 0.1, 0.6, 0.5}, 4);
  EXPECT_THAT(control(with, options).report.reverted, ElementsAre("product2"));
  options.objective = Objective::kLatency;
  const auto found = control(with, options);
  EXPECT_THAT(found.report.reverted, ElementsAre("product1"));
  EXPECT_NEAR(*found.report.groups[2].saving, 0.6, 1e-9);
  EXPECT_NEAR(found.report.latency->original, 4, 1e-9);
  EXPECT_NEAR(found.report.latency->quantized, 4 - 1.7, 1e-9);
  EXPECT_NEAR(found.report.latency->final, 4 - 1.6, 1e-9);
}

TEST_F(ControlAccuracy, T23RevertsWhatIsSlowerIn8BitsIfLatencyCounts) {
  build({256, 256, 256});
  AccuracyOptions options = limit(0.05);
  Means with = means(accuracy());
  with.latency = latency_of({0.5, -0.2, 0.5}, 3);
  EXPECT_THAT(control(with, options).report.reverted, IsEmpty());
  options.objective = Objective::kLatency;
  const auto found = control(with, options);
  EXPECT_THAT(found.report.reverted, ElementsAre("product1"));
  EXPECT_EQ(*found.report.final_metric, 1 - error_rate(found.plan));
  EXPECT_NEAR(found.report.latency->final, 2, 1e-9);
}

TEST_F(ControlAccuracy, T23ReturnsTheOriginalWhereNothingIsFasterIfLatencyCounts) {
  build({256, 256});
  AccuracyOptions options = limit(0.05);
  Means with = means(accuracy());
  with.latency = latency_of({0.3, -0.3}, 2);
  LogCapture capture;
  EXPECT_THAT(control(with, options).report.reverted, IsEmpty()) << "only said";
  EXPECT_THAT(capture.text(LogLevel::kWarning), HasSubstr("8 bits do not pay"));
  with.latency = latency_of({0.01, 0.01}, 2);
  options.objective = Objective::kLatency;
  const auto found = control(with, options);
  EXPECT_TRUE(found.met);
  EXPECT_TRUE(found.plan.empty());
  EXPECT_EQ(found.report.drop, 0);
  EXPECT_EQ(found.report.final_metric, 1);
  EXPECT_THAT(found.report.reverted, ElementsAre("product0", "product1"));
  EXPECT_THAT(found.report.stopped, HasSubstr("not faster than the original"));
}

TEST_F(ControlAccuracy, TellsEachCandidateInTheLog) {
  build({256, 4, 256});
  LogCapture capture;
  control(accuracy(), limit(0.02));
  EXPECT_THAT(capture.text(LogLevel::kInfo),
              AllOf(HasSubstr("original model: metric 1 on 200 items"), HasSubstr("candidate 1: metric"),
                    HasSubstr("1 of 3 operations reverted: product1"), HasSubstr("limit met")));
}

TEST(AdviceFor, NamesALimitThatTheBestModelMeets) {
  Report report;
  report.status = "not met";
  report.quantized = {"conv"};
  report.drop = 0.0123456;
  EXPECT_THAT(advice_for(report), HasSubstr("max_drop 0.01235 "));
  report.drop = 0.02;
  EXPECT_THAT(advice_for(report), HasSubstr("max_drop 0.02 "));
}

}  // namespace
}  // namespace tightrope
