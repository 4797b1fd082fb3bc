// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tightrope/error.h"
#include "tightrope/report.h"

namespace tightrope {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

Report example() {
  Report report;
  report.framework = "openvino";
  report.status = "met";
  report.stopped = "No reverted operation can return to 8 bits within the limit.";
  report.drop_type = "absolute";
  report.max_drop = 0.01;
  report.original_metric = 0.9473684210526315;
  report.quantized_metric = 0.1 + 0.2;
  report.final_metric = 0.9447;
  report.drop = 0.0026;
  report.minimal = true;
  report.quantized = {"conv1", "conv3"};
  report.reverted = {"conv2"};
  report.calibration_items = 300;
  report.evaluations = {{"original model", {}, 0.9473684210526315, 0, 190, 1.5},
                        {"candidate 1", {"conv2"}, 0.9447, 0.0026, 190, 1.25}};
  report.groups = {{{"conv1", "conv3"}, 1.0 / 3, false}, {{"conv2"}, 0.5, true, 0.04, "It was reverted.", 0.002}};
  report.stages = {{"ranking", 0.75}, {"search", 2}};
  report.latency = {0.004, 0.001, 0.003};
  report.limits = {{"f1", 0.02, "relative", false}};
  report.final_metrics = {{"f1", 0.75, 0.0125}};
  report.evaluations[1].binding = "f1";
  report.evaluations[1].metrics = report.final_metrics;
  report.evaluations[1].early = true;
  report.interval = {{-0.001, 0.02, 0.95, 800}};
  report.deployed = {{"bf16", 0.9, 0.04, 0.0374}};
  report.stages[1].estimate = 3;
  report.environment = {{"processor", "a fast one, 2 threads"}};
  return report;
}

TEST(ReportJson, SurvivesTheRoundTrip) {
  const std::string json = to_json(example());
  const Report read = report_from_json(json);
  EXPECT_EQ(to_json(read), json);
  EXPECT_EQ(read.original_metric, example().original_metric);
  EXPECT_EQ(read.quantized_metric, 0.1 + 0.2);
  EXPECT_EQ(read.drop_reverted, std::nullopt);
  EXPECT_EQ(read.groups[0].score, 1.0 / 3);
  EXPECT_TRUE(read.groups[1].reverted);
  EXPECT_EQ(read.groups[0].saving, std::nullopt);
  EXPECT_EQ(read.groups[1].saving, 0.002);
  EXPECT_EQ(read.groups[1].contribution, 0.04);
  EXPECT_EQ(read.groups[1].why, "It was reverted.");
  EXPECT_EQ(read.environment[0].name, "processor");
  EXPECT_EQ(read.latency->final, 0.003);
  EXPECT_EQ(read.evaluations[1].seconds, 1.25);
  EXPECT_EQ(read.evaluations[1].reverted, example().evaluations[1].reverted);
  EXPECT_EQ(read.stages[0].name, "ranking");
  EXPECT_EQ(read.stages[1].estimate, 3);
  EXPECT_FALSE(read.evaluations[0].early);
  EXPECT_TRUE(read.evaluations[1].early);
  EXPECT_EQ(read.interval->items_needed, 800);
  EXPECT_EQ(read.deployed->drop_by_execution, 0.0374);
  EXPECT_EQ(to_json(report_from_json(to_json(Report{}))), to_json(Report{}));
}

TEST(ReportJson, IsTheSameForEqualRunsWithoutTimes) {
  Report slow = example();
  slow.evaluations[0].seconds = 99;
  slow.stages[1].seconds = 98;
  slow.groups[1].saving = 97;
  slow.latency = {};
  slow.environment = {{"processor", "a slow one"}};
  EXPECT_NE(to_json(slow), to_json(example()));
  EXPECT_EQ(to_json(slow, false), to_json(example(), false));
  EXPECT_THAT(to_json(slow, false), Not(HasSubstr("seconds")));
  EXPECT_EQ(report_from_json(to_json(slow, false)).stages[1].seconds, 0);
}

TEST(ReportJson, NamesTheKeyOfAMistake) {
  std::string json = to_json(example());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT([&] { report_from_json(with("\"items\": 190", "\"items\": true")); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("[report] evaluations[0].items"), HasSubstr("integer"))));
  EXPECT_THAT([&] { report_from_json(with("\"score\"", "\"points\"")); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("groups[0].score"), HasSubstr("missing"))));
  EXPECT_THAT([&] { report_from_json(with("\"version\": 4", "\"version\": 0")); },
              ThrowsMessage<InvalidArgument>(HasSubstr("version")));
  EXPECT_THAT([&] { report_from_json(with("\"minimal\"", "\"more\": 1, \"minimal\"")); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("more"), HasSubstr("not known"))));
}

TEST(ReportText, SaysWhatCountsInAFewLines) {
  EXPECT_THAT(to_text(example()), AllOf(HasSubstr("2 operations in 8 bits, 1 returned to floating point\n  conv2\n"),
                                        HasSubstr("original 0.947368, quantized 0.3, final 0.9447 (higher is better)"),
                                        HasSubstr("absolute drop: 0.0026, limit 0.01: met"),
                                        HasSubstr("proven minimal"), HasSubstr("time: 2.8 s")));
  EXPECT_THAT(
      to_text(example()),
      AllOf(HasSubstr("-0.001 to 0.02 with 95 % confidence; about 800 items"), HasSubstr("in bf16, as deployed"),
            HasSubstr("drop 0.04, of which execution 0.0374"), HasSubstr("about 3.0 s were expected")));
}

TEST(ReportText, LeavesOutWhatWasNotMeasured) {
  Report report;
  report.status = "quantized";
  report.quantized = {"conv"};
  const std::string text = to_text(report);
  EXPECT_THAT(text, HasSubstr("1 operations in 8 bits"));
  EXPECT_THAT(text, Not(HasSubstr("metric")));
}

}  // namespace
}  // namespace tightrope
