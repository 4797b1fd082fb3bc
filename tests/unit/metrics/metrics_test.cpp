// SPDX-License-Identifier: Apache-2.0
#include "tightrope/metrics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tightrope/error.h"

namespace tightrope {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Function = std::function<std::vector<Tensor>(const Sample&)>;

Tensor floats(std::vector<float> values, Shape shape) { return Tensor::copy_of(std::span<const float>(values), shape); }
Tensor integers(std::vector<std::int64_t> values, Shape shape) {
  return Tensor::copy_of(std::span<const std::int64_t>(values), shape);
}

// Computes a function of the sample, two samples at a time where all are run.
class FakeSession : public Session {
 public:
  FakeSession(Function function, int* runs) : function_(std::move(function)), runs_(runs) {}

  std::vector<Tensor> run(const Sample& sample) override {
    if (runs_ != nullptr) ++*runs_;
    return function_(sample);
  }

  void run_all(const SampleReader& next, std::string_view,
               const std::function<void(std::size_t, std::vector<Tensor>)>& done) override {
    std::size_t index = 0;
    while (auto first = next()) {
      const auto second = next();
      done(index++, run(*first));
      if (!second) break;
      done(index++, run(*second));
    }
  }

 private:
  Function function_;
  int* runs_;
};

// A model that does nothing but run.
class FakeModel : public Model {
 public:
  explicit FakeModel(Function function) : function_(std::move(function)) {}
  const Graph& graph() const override { return graph_; }
  Tensor constant(ValueId) const override { return {}; }
  std::unique_ptr<Model> apply(const Plan&) const override { return nullptr; }
  std::unique_ptr<Session> compile(const CompileOptions&, std::span<const Probe>,
                                   std::span<const Addend>) const override {
    return std::make_unique<FakeSession>(function_, &runs);
  }
  std::string_view framework() const override { return "fake"; }
  void save(const std::filesystem::path&) const override {}
  std::vector<std::filesystem::path> files_of(const std::filesystem::path&) const override { return {}; }
  void set_note(const std::string&, const std::string&) override {}
  std::string note(const std::string&) const override { return {}; }

  mutable int runs = 0;

 private:
  Graph graph_;
  Function function_;
};

std::vector<Tensor> identity(const Sample& sample) { return {sample.inputs[0].tensor}; }

Sample sample_of(Tensor input, Tensor label = {}) {
  return {.inputs = {{"x", std::move(input)}}, .label = std::move(label)};
}

Validation measure(const std::string& metric, std::vector<Sample> samples, Function function = identity) {
  const FakeModel original(identity);
  FakeSession session(std::move(function), nullptr);
  return built_in_metric(metric, original).validate(session, *dataset_of(std::move(samples)));
}

std::string refusal(const std::string& metric, std::vector<Sample> samples) {
  try {
    measure(metric, std::move(samples));
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(Metrics, AnUnknownNameListsTheKnownOnes) {
  const FakeModel original(identity);
  try {
    built_in_metric("best", original);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("'best'"), HasSubstr("ssim, top1, top5, wer and 'cmd:PROGRAM'")));
  }
}

TEST(Metrics, EveryListedNameIsKnownAndSaysWhatItNeeds) {
  const FakeModel original(identity);
  for (const std::string& name : built_in_metric_names()) {
    const Metric metric = built_in_metric(name, original);
    EXPECT_EQ(metric.name, name);
    EXPECT_EQ(metric.higher_is_better, name != "mse" && name != "cer" && name != "wer") << name;
    EXPECT_EQ(metric.needs_labels, name != "cosine" && name != "sqnr") << name;
  }
}

TEST(Metrics, DataWithoutItemsIsRefused) {
  for (const std::string& name : built_in_metric_names()) EXPECT_THAT(refusal(name, {}), HasSubstr("no items")) << name;
}

TEST(Top1, CountsTheItemsWhoseLargestScoreStandsAtTheLabel) {
  const Validation result = measure("top1", {sample_of(floats({0, 5, 1}, {1, 3}), integers({1}, {1})),
                                             sample_of(floats({9, 5, 1}, {1, 3}), integers({2}, {1})),
                                             sample_of(floats({0, 5, 8}, {1, 3}), floats({2}, {1, 1}))});
  EXPECT_DOUBLE_EQ(result.metric, 2.0 / 3);
  EXPECT_THAT(result.values, ElementsAre(1, 0, 1));
}

TEST(Top1, TheFirstOfEqualScoresWins) {
  EXPECT_EQ(measure("top1", {sample_of(floats({4, 4}, {1, 2}), integers({0}, {1}))}).metric, 1);
  EXPECT_EQ(measure("top1", {sample_of(floats({4, 4}, {1, 2}), integers({1}, {1}))}).metric, 0);
}

TEST(Top1, AScoreThatIsNotANumberMakesTheEntryWrong) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(measure("top1", {sample_of(floats({nan, 4}, {1, 2}), integers({1}, {1}))}).metric, 0);
  EXPECT_EQ(measure("top1", {sample_of(floats({nan, 4}, {1, 2}), integers({0}, {1}))}).metric, 0);
}

TEST(Top1, UnitAxesBehindTheClassesDoNotCount) {
  EXPECT_EQ(measure("top1", {sample_of(floats({0, 5, 1}, {1, 3, 1, 1}), integers({1}, {1}))}).metric, 1);
}

TEST(Top1, TheBatchSizeDoesNotChangeTheMetric) {
  const Validation result = measure("top1", {sample_of(floats({1, 0, 1, 0}, {2, 2}), integers({0, 1}, {2})),
                                             sample_of(floats({1, 0}, {1, 2}), integers({0}, {1}))});
  EXPECT_DOUBLE_EQ(result.metric, 2.0 / 3);
  EXPECT_THAT(result.values, IsEmpty());  // their mean would be another number
}

TEST(Top1, LabelsThatAreNoClassAreRefusedWithTheirItem) {
  const auto refused = [](Tensor label) {
    return refusal("top1", {sample_of(floats({1, 0}, {1, 2}), integers({0}, {1})),
                            sample_of(floats({1, 0}, {1, 2}), std::move(label))});
  };
  EXPECT_THAT(refused(integers({2}, {1})), AllOf(HasSubstr("item 1"), HasSubstr("label is 2"), HasSubstr("0 to 1")));
  EXPECT_THAT(refused(integers({-1}, {1})), HasSubstr("label is -1"));
  EXPECT_THAT(refused(floats({0.5f}, {1})), HasSubstr("label is 0.5"));
  EXPECT_THAT(refused(floats({std::nanf("")}, {1})), HasSubstr("item 1"));
  EXPECT_THAT(refused(Tensor()), HasSubstr("item 1 has no label"));
  EXPECT_THAT(refused(integers({0, 1}, {2})), AllOf(HasSubstr("item 1"), HasSubstr("[2]"), HasSubstr("[1,2]")));
}

TEST(Mse, IsTheMeanOverItemsOfTheirMeanSquaredErrors) {
  const Validation result = measure("mse", {sample_of(floats({0, 0}, {1, 2}), floats({1, 3}, {1, 2})),
                                            sample_of(floats({1, 1}, {1, 2}), floats({1, 1}, {1, 2}))});
  EXPECT_DOUBLE_EQ(result.metric, 2.5);
  EXPECT_THAT(result.values, ElementsAre(5, 0));
}

TEST(Mse, TakesLabelsOfAnotherTypeAndShapeWithEquallyManyElements) {
  EXPECT_DOUBLE_EQ(measure("mse", {sample_of(floats({0, 2}, {1, 2}), integers({1, 2}, {2}))}).metric, 0.5);
}

TEST(Mse, LabelsOfAnotherSizeAreRefusedWithItemAndShapes) {
  EXPECT_THAT(refusal("mse", {sample_of(floats({0, 2}, {1, 2}), floats({1, 2, 3}, {1, 3}))}),
              AllOf(HasSubstr("item 0"), HasSubstr("[1,3]"), HasSubstr("[1,2]")));
  EXPECT_THAT(refusal("mse", {sample_of(floats({0, 2}, {1, 2}))}), HasSubstr("no label"));
}

TEST(Mse, AnOutputThatIsNotANumberGivesAMetricThatIsNone) {
  const Validation result = measure("mse", {sample_of(floats({std::nanf("")}, {1, 1}), floats({1}, {1, 1}))});
  EXPECT_TRUE(std::isnan(result.metric));
}

TEST(Psnr, IsTwentyDecibelsForAnErrorOfATenth) {
  const Validation result = measure("psnr", {sample_of(floats({0.5f, 0.6f}, {1, 2}), floats({0.6f, 0.5f}, {1, 2}))});
  EXPECT_NEAR(result.metric, 20, 1e-5);
}

TEST(Psnr, StaysFiniteForEqualImages) {
  EXPECT_DOUBLE_EQ(measure("psnr", {sample_of(floats({0.5f}, {1, 1}), floats({0.5f}, {1, 1}))}).metric, 120);
}

TEST(Psnr, EntriesOfABatchCountOneByOne) {
  const Validation result = measure("psnr", {sample_of(floats({0.5f, 0.5f}, {2, 1}), floats({0.6f, 0.51f}, {2, 1}))});
  EXPECT_NEAR(result.metric, 30, 1e-3);
  EXPECT_EQ(result.values.size(), 1u);
}

TEST(Psnr, TargetsOutsideOfZeroToOneAreRefused) {
  EXPECT_THAT(refusal("psnr", {sample_of(floats({1}, {1, 1}), floats({200}, {1, 1}))}),
              AllOf(HasSubstr("item 0"), HasSubstr("200"), HasSubstr("[0,1]")));
}

TEST(Cosine, IsOneForTheOriginalAndLessForOtherDirections) {
  const std::vector<Sample> samples = {sample_of(floats({1, 0}, {1, 2})), sample_of(floats({3, 4}, {1, 2}))};
  EXPECT_DOUBLE_EQ(measure("cosine", samples).metric, 1);
  const Validation turned = measure("cosine", samples, [](const Sample& sample) {
    const auto values = sample.inputs[0].tensor.to_floats();
    return std::vector<Tensor>{floats({values[0], -values[1]}, {1, 2})};
  });
  EXPECT_NEAR(turned.values.at(0), 1, 1e-12);
  EXPECT_NEAR(turned.values.at(1), -0.28, 1e-12);
  EXPECT_NEAR(turned.metric, 0.36, 1e-12);
}

TEST(Cosine, VectorsOfZerosAgreeOnlyWithEachOther) {
  const auto zero = [](const Sample&) { return std::vector<Tensor>{floats({0, 0}, {1, 2})}; };
  EXPECT_EQ(measure("cosine", {sample_of(floats({0, 0}, {1, 2}))}).metric, 1);
  EXPECT_EQ(measure("cosine", {sample_of(floats({1, 0}, {1, 2}))}, zero).metric, 0);
}

TEST(Cosine, RunsTheOriginalOncePerItemWhateverPartsOfTheDataCome) {
  const FakeModel original(identity);
  const Metric metric = built_in_metric("cosine", original);
  FakeSession session(identity, nullptr);
  const Sample first = sample_of(floats({1, 2}, {1, 2}));
  const Sample second = sample_of(floats({3, 4}, {1, 2}));
  EXPECT_DOUBLE_EQ(metric.validate(session, *dataset_of({first, second})).metric, 1);
  EXPECT_EQ(original.runs, 2);
  EXPECT_DOUBLE_EQ(metric.validate(session, *dataset_of({second})).metric, 1);
  EXPECT_EQ(original.runs, 2);
  EXPECT_DOUBLE_EQ(metric.validate(session, *dataset_of({second, sample_of(floats({5, 6}, {1, 2}))})).metric, 1);
  EXPECT_EQ(original.runs, 3);
}

TEST(Cosine, ReadsTheDataOnceEachTime) {
  class Counted : public Dataset {
   public:
    std::optional<std::size_t> size() const override { return 40; }
    SampleReader read() const override {
      return [this, next = 0]() mutable -> std::optional<Sample> {
        if (next == 40) return std::nullopt;
        ++items;
        return sample_of(floats({1, static_cast<float>(next++)}, {1, 2}));
      };
    }
    mutable int items = 0;
  };
  const FakeModel original(identity);
  const Metric metric = built_in_metric("cosine", original);
  FakeSession session(identity, nullptr);
  const Counted data;
  EXPECT_NEAR(metric.validate(session, data).metric, 1, 1e-12);
  EXPECT_EQ(data.items, 40);
  EXPECT_EQ(metric.validate(session, data).values.size(), 40u);
  EXPECT_EQ(data.items, 80);
  EXPECT_EQ(original.runs, 40);
}

TEST(Cosine, ASampleOnWhichTheOriginalFailsIsLeftToTheMeasuredModelWhichKnowsItsNumber) {
  const auto failing = [](const char* message) {
    return [message](const Sample& sample) -> std::vector<Tensor> {
      if (sample.inputs[0].tensor.to_floats()[0] > 1) throw QuantizationError(message);
      return {sample.inputs[0].tensor};
    };
  };
  const FakeModel original(failing("among those read ahead"));
  FakeSession session(failing("of the validation data"), nullptr);
  const Metric metric = built_in_metric("cosine", original);
  try {
    metric.validate(session, *dataset_of({sample_of(floats({1}, {1, 1})), sample_of(floats({2}, {1, 1}))}));
    FAIL();
  } catch (const QuantizationError& error) {
    EXPECT_STREQ(error.what(), "of the validation data");
  }
}

TEST(Cosine, JoinsAllOutputs) {
  const auto two_outputs = [](const Sample& sample) {
    return std::vector<Tensor>{sample.inputs[0].tensor, sample.inputs[0].tensor};
  };
  const auto second_negated = [](const Sample& sample) {
    return std::vector<Tensor>{sample.inputs[0].tensor, floats({-1}, {1, 1})};
  };
  const FakeModel original(two_outputs);
  FakeSession session(second_negated, nullptr);
  const Metric metric = built_in_metric("cosine", original);
  EXPECT_NEAR(metric.validate(session, *dataset_of({sample_of(floats({1}, {1, 1}))})).metric, 0, 1e-12);
}

TEST(Sqnr, IsTwentyDecibelsForAnErrorOfATenthAndFiniteForTheOriginal) {
  const auto weaker = [](const Sample& sample) {
    std::vector<float> values = sample.inputs[0].tensor.to_floats();
    for (float& value : values) value *= 0.9F;
    return std::vector<Tensor>{floats(values, {1, 2})};
  };
  EXPECT_NEAR(measure("sqnr", {sample_of(floats({3, 4}, {1, 2}))}, weaker).metric, 20, 1e-5);
  EXPECT_EQ(measure("sqnr", {sample_of(floats({3, 4}, {1, 2}))}).metric, 120);
}

TEST(Metrics, SeveralAreMeasuredWithOnePassOverTheData) {
  FakeModel model(identity);
  const std::vector<Sample> samples = {sample_of(floats({0, 5, 1}, {1, 3}), integers({1}, {1})),
                                       sample_of(floats({9, 5, 1}, {1, 3}), integers({2}, {1}))};
  const ModelValidationFn both = model_validation_of({built_in_metric("top1", model), built_in_metric("top2", model)});
  const Validation found = both(model, *dataset_of(samples));
  EXPECT_EQ(model.runs, 2);
  EXPECT_EQ(found.metrics, (std::map<std::string, double>{{"top1", 0.5}, {"top2", 0.5}}));
  const Validation alone = model_validation_of({built_in_metric("top1", model)})(model, *dataset_of(samples));
  EXPECT_EQ(alone.metric, 0.5);
  EXPECT_THAT(alone.values, ElementsAre(1, 0));
}

TEST(Metrics, TwoOfOneNameAreRefused) {
  const FakeModel model(identity);
  EXPECT_THROW(validation_of({built_in_metric("f1", model), built_in_metric("f1:threshold=0.3", model)}),
               InvalidArgument);
}

TEST(Metrics, OnlyMeansOverItemsHaveValues) {
  const std::vector<Sample> samples = {sample_of(floats({0, 5}, {1, 2}), integers({1}, {1})),
                                       sample_of(floats({9, 5}, {1, 2}), integers({1}, {1}))};
  EXPECT_THAT(measure("f1", samples).values, IsEmpty());
  EXPECT_NEAR(measure("f1", samples).metric, 2.0 / 3, 1e-12);
  EXPECT_THAT(measure("cer", samples).values, IsEmpty());
}

}  // namespace
}  // namespace tightrope
