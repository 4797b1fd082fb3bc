// SPDX-License-Identifier: Apache-2.0
#include "tightrope/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "support/builders.h"
#include "support/fake_model.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using test::FakeModel;
using test::LogCapture;
using test::NetBuilder;
using test::sample_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

std::vector<float> waves(std::size_t count, float phase) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 1.7F * static_cast<float>(i));
  return values;
}

// x [?,3,4] -> conv1 (3 to 4 channels) -> relu -> conv2 (4 to 2) -> flat [?,8] -> fc [?,5].
std::unique_ptr<FakeModel> network() {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 3, 4});
  const ValueId relu = net.relu("relu", net.convolution("conv1", x, waves(12, 0), 3, 4));
  const ValueId conv2 = net.convolution("conv2", relu, waves(8, 1), 4, 2);
  return net.build({net.matmul("fc", net.reshape("flat", conv2, {-1, 8}), waves(40, 2), 8, 5)});
}

std::vector<Sample> samples(std::size_t count) {
  std::vector<Sample> result;
  for (std::size_t i = 0; i < count; ++i) {
    auto values = waves(12, 3 + static_cast<float>(i));
    for (float& value : values) value += 0.5F;
    result.push_back(sample_of(values, {1, 3, 4}));
  }
  return result;
}

std::vector<std::vector<float>> outputs_of(const Model& model, const std::vector<Sample>& data) {
  const auto session = model.compile();
  std::vector<std::vector<float>> outputs;
  for (const Sample& sample : data) outputs.push_back(session->run(sample)[0].to_floats());
  return outputs;
}

// The mean over items of the outputs' distance from those of the float model, below zero: higher is better.
class Fidelity {
 public:
  Fidelity(const Model& model, const std::vector<Sample>& data) : targets_(outputs_of(model, data)) {}

  Validation operator()(Session& session, const Dataset& data) const {
    double sum = 0;
    std::size_t item = 0;
    for (auto read = data.read(); const auto sample = read(); ++item) {
      const auto found = session.run(*sample)[0].to_floats();
      for (std::size_t i = 0; i < found.size(); ++i) sum -= std::abs(found[i] - targets_[item][i]);
    }
    return sum / static_cast<double>(item);
  }

 private:
  std::vector<std::vector<float>> targets_;
};

AccuracyOptions limit(double max_drop) {
  AccuracyOptions options;
  options.max_drop = max_drop;
  return options;
}

TEST(Quantize, TellsTheWholeStory) {
  const auto model = network();
  const auto data = dataset_of(samples(10));
  LogCapture log;
  const QuantizationResult result = quantize(*model, *data);
  EXPECT_THAT(result.report.quantized, ElementsAre("conv1", "conv2", "fc"));
  EXPECT_EQ(result.report.status, "quantized");
  EXPECT_EQ(result.report.framework, "fake");
  EXPECT_EQ(result.report.calibration_items, 10);
  EXPECT_THAT(result.report.evaluations, IsEmpty());
  std::vector<std::string> stages;
  for (const StageRecord& stage : result.report.stages) stages.push_back(stage.name);
  EXPECT_THAT(stages, ElementsAre("placement", "calibration", "ranges", "weights", "bias correction", "writing"));
  EXPECT_THAT(result.plan.quantizers, SizeIs(6));
  for (const Quantizer& quantizer : result.plan.quantizers) {
    EXPECT_THAT(quantizer.range.low, Not(IsEmpty())) << quantizer.node;
    EXPECT_EQ(quantizer.half_range, quantizer.kind == SiteKind::kWeight && quantizer.node == "conv1");
  }
  EXPECT_EQ(dynamic_cast<const FakeModel&>(*result.model).plan(), result.plan);
  EXPECT_THAT(log.text(LogLevel::kInfo),
              HasSubstr("3 operations run in 8 bits, with 6 quantizers calibrated on 10 items"));
}

TEST(Quantize, StaysCloseToTheFloatModel) {
  const auto model = network();
  const auto data = samples(10);
  const auto exact = outputs_of(*model, data);
  const auto found = outputs_of(*quantize(*model, *dataset_of(data)).model, data);
  double error = 0;
  double size = 0;
  for (std::size_t item = 0; item < exact.size(); ++item) {
    for (std::size_t i = 0; i < exact[item].size(); ++i) {
      error += std::pow(exact[item][i] - found[item][i], 2);
      size += std::pow(exact[item][i], 2);
    }
  }
  EXPECT_LT(std::sqrt(error / size), 0.05);
  EXPECT_GT(error, 0);
  EXPECT_EQ(outputs_of(*model, data), exact) << "the model itself is untouched";
  EXPECT_TRUE(model->plan().empty());
}

TEST(Quantize, MeasuresBiasesIfTheCorrectionIsNotToBeFast) {
  const auto data = dataset_of(samples(10));
  QuantizeOptions options;
  options.weight_rounding = false;
  const auto fast = network();
  EXPECT_THAT(quantize(*fast, *data, options).plan.bias_shifts, testing::Not(IsEmpty()));
  EXPECT_EQ(fast->usage().compiled, 1) << "for calibration";

  options.fast_bias_correction = false;
  const auto accurate = network();
  LogCapture log;
  quantize(*accurate, *data, options);
  EXPECT_EQ(accurate->usage().compiled, 3) << "also the base and the quantized model";
  EXPECT_THAT(log.text(LogLevel::kInfo), HasSubstr("measured corrections were refused"));

  options.bias_correction = false;
  const auto none = network();
  EXPECT_THAT(quantize(*none, *data, options).plan.bias_shifts, IsEmpty());
  EXPECT_EQ(none->usage().compiled, 1);
}

TEST(Quantize, ReadsTheSubsetOnly) {
  QuantizeOptions options;
  options.subset_size = 4;
  options.weight_rounding = false;
  const auto model = network();
  EXPECT_EQ(quantize(*model, *dataset_of(samples(10)), options).report.calibration_items, 4);
  EXPECT_EQ(model->usage().run, 4);
}

TEST(Quantize, LooksAtFewItemsToSeeWhetherWeightsNeedRounding) {
  const auto model = network();
  quantize(*model, *dataset_of(samples(40)));
  EXPECT_EQ(model->usage().compiled, 2) << "for calibration, and for what the layers read";
  EXPECT_EQ(model->usage().run, 48);
}

TEST(Quantize, RoundsAllWeightsByTheDataWhereAskedTo) {
  const auto rounded = [](const std::optional<bool>& weight_rounding) {
    QuantizeOptions options;
    options.weight_rounding = weight_rounding;
    return std::ranges::count_if(quantize(*network(), *dataset_of(samples(40)), options).plan.quantizers,
                                 [](const Quantizer& quantizer) { return !quantizer.rounding.empty(); });
  };
  EXPECT_EQ(rounded(std::nullopt), 0) << "nothing is lost by the nearest levels";
  EXPECT_GT(rounded(true), 0);
  EXPECT_EQ(rounded(false), 0);
}

TEST(Quantize, HonoursItsOptions) {
  const auto model = network();
  const auto data = dataset_of(samples(3));
  QuantizeOptions options;
  options.preset = Preset::kMixed;
  options.overflow_fix = OverflowFix::kDisable;
  options.ignored_scope.names = {"conv2"};
  options.activation_range.min.aggregator = options.activation_range.max.aggregator = Aggregator::kMean;
  const QuantizationResult result = quantize(*model, *data, options);
  EXPECT_THAT(result.report.quantized, ElementsAre("conv1", "fc"));
  for (const Quantizer& quantizer : result.plan.quantizers) {
    EXPECT_FALSE(quantizer.half_range);
    EXPECT_EQ(quantizer.config.mode, quantizer.kind == SiteKind::kWeight ? Mode::kSymmetric : Mode::kAsymmetric);
  }
  options.activation_range = {};
  const QuantizationResult widest = quantize(*model, *data, options);
  EXPECT_LT(result.plan.quantizers[0].range.high[0], widest.plan.quantizers[0].range.high[0])
      << "a mean of maxima is less";
  options.subset_size = 0;
  EXPECT_THROW(quantize(*model, *data, options), InvalidArgument);
}

TEST(Quantize, SharesOneRangeAmongTheInputsOfAConcatenation) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const ValueId y = net.input("y", {-1, 2});
  const auto model = net.build({net.matmul("fc", net.concat("joined", {x, y}, 1), waves(8, 0), 4, 2)});
  Sample sample = sample_of({1, -2}, {1, 2}, "x");
  sample.inputs.push_back(sample_of({2.54F, 1}, {1, 2}, "y").inputs[0]);
  const Plan plan = quantize(*model, *dataset_of({sample})).plan;
  ASSERT_THAT(plan.quantizers, SizeIs(3));
  EXPECT_EQ(plan.quantizers[0].range, plan.quantizers[1].range);
  EXPECT_NEAR(plan.quantizers[0].range.low[0], -2.56F, 1e-6F);
  EXPECT_NEAR(plan.quantizers[0].range.high[0], 2.54F, 1e-6F);
}

TEST(Quantize, LeavesInFloatingPointWhatHasNoBounds) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const ValueId logarithm = net.map("log", "Log", x, [](float value) { return std::log(value); });
  const ValueId masked = net.matmul("masked", logarithm, waves(4, 0), 2, 2);
  const auto model = net.build({masked, net.matmul("fc", x, waves(4, 1), 2, 2)});
  LogCapture log;
  const auto result = quantize(*model, *dataset_of({sample_of({0, 2}, {1, 2})}));
  EXPECT_THAT(result.report.quantized, ElementsAre("fc"));
  for (const Quantizer& quantizer : result.plan.quantizers) EXPECT_NE(quantizer.node, "masked") << "nor its weight";
  EXPECT_THAT(log.text(LogLevel::kWarning), AllOf(HasSubstr("'log'"), HasSubstr("masked stays in floating point")));
}

// x -> fc; in one branch of an If p -> conv -> flat -> inner, and in the other q -> other.
TEST(Quantize, KeepsTheActivationsOfABranchThatNoItemTakesInFloatingPoint) {
  NetBuilder net;
  const ValueId x = net.input("x", {-1, 2});
  const ValueId fc = net.map("gate", "If", net.matmul("fc", x, waves(4, 0), 2, 2), [](float value) { return value; });
  net.body = "gate/then";
  const ValueId conv = net.convolution("conv", net.input("p", {-1, 2, 3}), waves(4, 1), 2, 2);
  const ValueId inner = net.matmul("inner", net.reshape("flat", conv, {-1, 6}), waves(12, 2), 6, 2);
  net.body = "gate/else";
  const ValueId other = net.matmul("other", net.input("q", {-1, 2}), waves(4, 3), 2, 2);
  const auto model = net.build({fc, inner, other});
  Sample sample = sample_of({1, 2}, {1, 2}, "x");
  sample.inputs.push_back(sample_of({}, {0, 2, 3}, "p").inputs[0]);
  sample.inputs.push_back(sample_of({3, 4}, {1, 2}, "q").inputs[0]);

  LogCapture log;
  const auto result = quantize(*model, *dataset_of({sample, sample, sample}));
  std::vector<std::string> activations;
  std::vector<std::string> weights;
  for (const Quantizer& quantizer : result.plan.quantizers)
    (quantizer.kind == SiteKind::kWeight ? weights : activations).push_back(quantizer.node);
  EXPECT_THAT(activations, ElementsAre("x", "q"));
  EXPECT_THAT(weights, ElementsAre("fc", "conv", "inner", "other"));
  std::vector<std::string> shifted;
  for (const BiasShift& shift : result.plan.bias_shifts) shifted.push_back(shift.node);
  EXPECT_THAT(shifted, ElementsAre("fc", "other")) << "nothing is known of what is read in the other branch";
  EXPECT_EQ(log.text(LogLevel::kWarning),
            "[calibration] node 'gate' (If): none of the 3 items gives values to its then branch; activations without "
            "values stay in floating point there. Items that take the branch are needed to quantize them.\n");
}

TEST(Quantize, KeepsTheReportInTheModel) {
  const QuantizationResult result = quantize(*network(), *dataset_of(samples(3)));
  const std::string note = result.model->note(std::string(kReportNote));
  EXPECT_EQ(report_from_json(note).quantized, result.report.quantized);
  EXPECT_EQ(note, to_json(report_from_json(note), false)) << "no times";
}

TEST(Quantize, RefusesDataAndModelsThatDoNotFit) {
  const auto model = network();
  EXPECT_THAT([&] { quantize(*model, *dataset_of({})); }, ThrowsMessage<InvalidArgument>(HasSubstr("no items")));
  auto values = waves(12, 0);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT([&] { quantize(*model, *dataset_of({sample_of(values, {1, 3, 4})})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("NaN"), HasSubstr("node '"))));
  NetBuilder net;
  const auto nothing = net.build({net.relu("relu", net.input("x", {-1, 2}))});
  EXPECT_THROW(quantize(*nothing, *dataset_of({sample_of({1, 2}, {1, 2})})), QuantizationError);
  NetBuilder broken;
  const ValueId x = broken.input("x", {-1, 2});
  const auto poisoned = broken.build({broken.matmul("fc", x, {1, 2, std::numeric_limits<float>::infinity(), 1}, 2, 2)});
  EXPECT_THAT([&] { quantize(*poisoned, *dataset_of({sample_of({1, 2}, {1, 2})})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("node 'fc'"), HasSubstr("not finite"))));
}

TEST(Quantize, GivesTheSameFromThePlanAsText) {
  const auto model = network();
  const auto data = samples(6);
  const QuantizationResult result = quantize(*model, *dataset_of(data));
  const Plan read = plan_from_json(to_json(result.plan));
  EXPECT_EQ(read, result.plan);
  EXPECT_EQ(outputs_of(*model->apply(read), data), outputs_of(*result.model, data));
}

TEST(Quantize, GivesTheSameTwice) {
  const auto first = quantize(*network(), *dataset_of(samples(6)));
  const auto second = quantize(*network(), *dataset_of(samples(6)));
  EXPECT_EQ(to_json(first.plan), to_json(second.plan));
  EXPECT_EQ(to_json(first.report, false), to_json(second.report, false));
}

class WithControl : public testing::Test {
 protected:
  std::unique_ptr<FakeModel> model = network();
  std::vector<Sample> items = samples(12);
  std::unique_ptr<Dataset> data = dataset_of(items);
  Fidelity fidelity{*model, items};
  // What quantizing everything costs.
  double loss = -fidelity(*quantize(*model, *data).model->compile(), *data).metric;
};

TEST_F(WithControl, ReturnsTheQuantizedModelWhereItIsGoodEnough) {
  const auto result = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(2 * loss));
  EXPECT_EQ(result.report.status, "met");
  EXPECT_EQ(result.plan, quantize(*model, *data).plan);
  EXPECT_THAT(result.report.evaluations, SizeIs(2));
  EXPECT_EQ(result.report.evaluations[0].items, 12);
  EXPECT_NEAR(*result.report.drop, loss, 1e-12);
}

TEST_F(WithControl, RevertsUntilTheLimitIsMet) {
  AccuracyOptions options = limit(loss / 2);
  options.repair = false;
  const auto result = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, options);
  EXPECT_EQ(result.report.status, "met");
  EXPECT_THAT(result.report.reverted, Not(IsEmpty()));
  EXPECT_LE(*result.report.drop, loss / 2);
  EXPECT_EQ(*result.report.final_metric, fidelity(*result.model->compile(), *data).metric)
      << "measured on this very model";
  EXPECT_EQ(report_from_json(result.model->note(std::string(kReportNote))).reverted, result.report.reverted);
}

TEST_F(WithControl, RepairsBeforeItReverts) {
  const auto result = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(loss / 2));
  EXPECT_EQ(result.report.status, "met");
  EXPECT_THAT(result.report.reverted, IsEmpty());
  EXPECT_THAT(result.report.repairs, Not(IsEmpty()));
  EXPECT_EQ(*result.report.final_metric, fidelity(*result.model->compile(), *data).metric);
}

TEST_F(WithControl, GoesOnFromWhatTheWorkDirKept) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "work_dir_of_quantize_test";
  std::filesystem::remove_all(folder);
  AccuracyOptions options = limit(loss / 2);
  const auto uninterrupted = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, options);
  options.work_dir = folder;
  int calls = 0;
  int allowed = 2;
  const ValidationFn counting = [&](Session& session, const Dataset& validation) {
    if (calls == allowed) throw std::out_of_range("the power is gone");
    ++calls;
    return fidelity(session, validation);
  };
  const auto run = [&](const Dataset& calibration) {
    return quantize_with_accuracy_control(*model, calibration, *data, counting, {}, options);
  };
  EXPECT_THROW(run(*data), std::out_of_range);
  allowed = 1000;
  const auto resumed = run(*data);
  EXPECT_EQ(resumed.plan, uninterrupted.plan);
  EXPECT_EQ(to_json(resumed.report, false), to_json(uninterrupted.report, false));
  EXPECT_LE(calls, static_cast<int>(uninterrupted.report.evaluations.size()));

  const int before = calls;
  run(*data);
  EXPECT_EQ(calls, before);
  LogCapture log;
  run(*dataset_of({items.begin() + 1, items.end()}));
  EXPECT_GT(calls, before + 1);
  EXPECT_THAT(log.text(LogLevel::kWarning), HasSubstr("since the calibration data are other ones"));
  std::filesystem::remove_all(folder);
}

TEST_F(WithControl, ThrowsTheBestModelWhereTheLimitCannotBeMet) {
  bool original_seen = false;
  const ValidationFn stubborn = [&](Session& session, const Dataset& validation) -> Validation {
    const double metric = fidelity(session, validation).metric;
    return metric == 0 && !std::exchange(original_seen, true) ? 1.0 : metric;
  };
  try {
    quantize_with_accuracy_control(*model, *data, *data, stubborn, {}, limit(loss / 100));
    FAIL();
  } catch (const AccuracyNotReached& error) {
    const QuantizationResult& best = error.best();
    EXPECT_EQ(best.report.status, "not met");
    EXPECT_EQ(*best.report.final_metric, fidelity(*best.model->compile(), *data).metric);
    EXPECT_EQ(report_from_json(best.model->note(std::string(kReportNote))).status, "not met");
    EXPECT_EQ(dynamic_cast<const FakeModel&>(*best.model).plan(), best.plan);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("[accuracy control]"), HasSubstr("absolute drop"), HasSubstr("at most")));
  }
}

TEST_F(WithControl, ThrowsTheQuantizedModelForZeroIterations) {
  AccuracyOptions options = limit(loss / 2);
  options.max_num_iterations = 0;
  try {
    quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, options);
    FAIL();
  } catch (const AccuracyNotReached& error) {
    EXPECT_EQ(error.best().plan, quantize(*model, *data).plan);
    EXPECT_THAT(error.what(), HasSubstr("max_num_iterations"));
  }
}

TEST_F(WithControl, ValidatesWithTheDeviceAndPrecisionThatWereAskedFor) {
  AccuracyOptions options = limit(2 * loss);
  options.validation_device = "GPU";
  options.validation_precision = "bf16";
  const ValidationFn validate = [&](Session& session, const Dataset& data_items) {
    EXPECT_EQ(model->usage().options.device, "GPU");
    EXPECT_EQ(model->usage().options.precision, "bf16");
    EXPECT_FALSE(model->usage().options.throughput);
    return fidelity(session, data_items);
  };
  quantize_with_accuracy_control(*model, *data, *data, validate, {}, options);
}

TEST_F(WithControl, ComparesLatenciesWithThePrecisionThatTheDeviceChooses) {
  const auto result = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(2 * loss));
  EXPECT_EQ(model->usage().options.precision, "");
  EXPECT_FALSE(model->usage().options.throughput);
  ASSERT_TRUE(result.report.latency);
  EXPECT_GT(result.report.latency->original, 0);
  EXPECT_EQ(result.report.latency->quantized, result.report.latency->final) << "one and the same model";
}

TEST_F(WithControl, SavesTheQuantizedModelBeforeTheSearch) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "tightrope_intermediate";
  std::filesystem::remove_all(folder);
  AccuracyOptions options = limit(loss / 2);
  options.intermediate_model_dir = folder.string();
  EXPECT_THAT([&] { quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, options); },
              ThrowsMessage<IoError>(HasSubstr("intermediate_model_dir")));
  std::filesystem::create_directories(folder);
  quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, options);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  ASSERT_THAT(files, SizeIs(1));
  EXPECT_EQ(files[0].stem(), "intermediate_model");
  std::ifstream file(files[0]);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), to_json(quantize(*model, *data).plan));
  std::filesystem::remove_all(folder);
}

TEST_F(WithControl, TellsItsEventsAndProgressAsBefore) {
  std::vector<std::string> seen;
  std::size_t before = 0;
  const ProgressSink own = set_progress_sink([&](std::string_view, std::size_t, std::size_t) { ++before; });
  std::size_t progress = 0;
  const auto result =
      quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(loss / 2), [&](const Event& event) {
        if (event.kind == Event::Kind::kStageEnded) seen.push_back(event.stage);
        progress += event.kind == Event::Kind::kProgress ? 1 : 0;
        EXPECT_FALSE(event.stage.empty());
        EXPECT_THAT(to_json(event), HasSubstr("\"stage\":\"" + event.stage + "\""));
        return false;
      });
  std::vector<std::string> stages;
  for (const StageRecord& stage : result.report.stages) stages.push_back(stage.name);
  stages.pop_back();  // the model is written by the C++ API itself
  EXPECT_EQ(seen, stages);
  EXPECT_GT(progress, 0U);
  EXPECT_EQ(progress, before) << "whoever looked at it before still does";
  tightrope::progress("test", 1, 1);
  EXPECT_EQ(before, progress + 1) << "and alone afterwards";
  set_progress_sink(own);
}

TEST_F(WithControl, LetsAnErrorOfTheFunctionOfEventsThrough) {
  for (const Event::Kind kind : {Event::Kind::kStageStarted, Event::Kind::kProgress, Event::Kind::kEvaluation}) {
    const EventFn failing = [&](const Event& event) -> bool {
      if (event.kind == kind) throw std::out_of_range("the caller's own");
      return false;
    };
    EXPECT_THAT([&] { quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(loss / 2), failing); },
                ThrowsMessage<std::out_of_range>("the caller's own"));
  }
}

TEST_F(WithControl, GivesTheSameOnBatchesOfAnySize) {
  const auto expected = quantize(*model, *data).plan;
  std::vector<Sample> batches;
  std::vector<float> values;
  const auto end_batch = [&] {
    if (values.empty()) return;
    batches.push_back(sample_of(values, {static_cast<std::int64_t>(values.size()) / 12, 3, 4}));
    values.clear();
  };
  std::size_t count = 0;
  for (auto read = data->read(); const auto sample = read();) {
    const auto found = sample->inputs[0].tensor.to_floats();
    values.insert(values.end(), found.begin(), found.end());
    if (++count % 5 == 0) end_batch();
  }
  end_batch();
  QuantizeOptions options;
  options.batchwise_statistics = true;
  const auto result = quantize(*model, *dataset_of(batches), options);
  EXPECT_EQ(to_json(result.plan), to_json(expected));
  EXPECT_EQ(result.report.calibration_items, static_cast<std::int64_t>(count));
}

TEST_F(WithControl, LetsAnErrorOfTheFunctionThrough) {
  const ValidationFn failing = [](Session&, const Dataset&) -> Validation {
    throw std::out_of_range("the user's own");
  };
  EXPECT_THAT([&] { quantize_with_accuracy_control(*model, *data, *data, failing); },
              ThrowsMessage<std::out_of_range>("the user's own"));
}

TEST_F(WithControl, ChecksItsOptionsFirst) {
  EXPECT_THROW(quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(-1)), InvalidArgument);
}

TEST_F(WithControl, GivesTheSameTwice) {
  const auto first = quantize_with_accuracy_control(*model, *data, *data, fidelity, {}, limit(loss / 2));
  const auto second = quantize_with_accuracy_control(*network(), *data, *data, fidelity, {}, limit(loss / 2));
  EXPECT_EQ(to_json(first.plan), to_json(second.plan));
  EXPECT_EQ(to_json(first.report, false), to_json(second.report, false));
  EXPECT_EQ(first.model->note(std::string(kReportNote)), second.model->note(std::string(kReportNote)));
}

}  // namespace
}  // namespace tightrope
