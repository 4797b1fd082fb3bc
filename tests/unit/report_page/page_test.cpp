// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "report_page/picture.h"
#include "support/graph_builder.h"
#include "tightrope/error.h"
#include "tightrope/report_page.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Report controlled() {
  Report report;
  report.framework = "openvino";
  report.status = "met";
  report.drop_type = "absolute";
  report.max_drop = 0.1;
  report.original_metric = 0.9;
  report.quantized_metric = 0.5;
  report.final_metric = 0.85;
  report.drop = 0.05;
  report.quantized = {"a", "b", "c"};
  report.reverted = {"d"};
  return report;
}

std::string data_of(const std::string& page) {
  const std::string begin = R"(<script type="application/json" id="data">)";
  const std::size_t from = page.find(begin) + begin.size();
  return page.substr(from, page.find("</script>", from) - from);
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Verdict, SaysHowMuchWithinWhichLimit) {
  EXPECT_EQ(verdict(controlled()),
            "3 of 4 operations run in 8 bits; the metric dropped by 0.05, within the limit of 0.1.");
}

TEST(Verdict, SaysThatTheLimitWasNotMet) {
  Report report = controlled();
  report.status = "not met";
  report.drop = 0.3;
  EXPECT_EQ(verdict(report),
            "The limit was not met: in the best model found, the metric dropped by 0.3, and 0.1 is allowed.");
}

TEST(Verdict, GivesRelativeDropsInPercentAndKnowsTheirDirection) {
  Report report = controlled();
  report.drop_type = "relative";
  report.higher_is_better = false;
  EXPECT_THAT(verdict(report), HasSubstr("the metric rose by 5% of the original's, within the limit of 10%"));
  report.drop = -0.02;
  EXPECT_THAT(verdict(report), HasSubstr("the metric fell by 2% of the original's"));
  report.drop = 0;
  EXPECT_THAT(verdict(report), HasSubstr("the metric did not change,"));
}

TEST(Verdict, OfSeveralMetricsTellsHowMuchOfALimitIsUsedUp) {
  Report report = controlled();
  report.limits = {{"top1", 0.01, "absolute", true}, {"loss", 0.1, "relative", false}};
  report.max_drop = 1;
  report.drop = 0.6;
  EXPECT_EQ(
      verdict(report),
      "3 of 4 operations run in 8 bits; all 2 metrics are within their limits, of which at most 60 % is used up.");
  report.status = "not met";
  report.drop = 1.5;
  EXPECT_EQ(verdict(report),
            "The limits were not met: in the best model found, a metric drops by 1.5 times what is allowed.");
}

TEST(Verdict, DoesNotClaimAccuracyThatWasNotMeasured) {
  Report report;
  report.status = "quantized";
  report.quantized = {"a"};
  EXPECT_EQ(verdict(report),
            "1 operation runs in 8 bits: quantized, not validated, so nothing is known of the accuracy.");
}

TEST(Page, LoadsNothing) {
  const std::string page = to_html(controlled());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::string markup = page.substr(0, page.find("<script"));
  EXPECT_FALSE(std::regex_search(markup, std::regex("src=|@import|url\\(|<link|<img|<iframe")));
  EXPECT_FALSE(std::regex_search(markup, std::regex("href=\"[^#]")));
  EXPECT_EQ(count_of(page, "<script"), 3U);
  EXPECT_EQ(count_of(page, "<script src"), 0U);
}

TEST(Page, KeepsHostileNamesInsideOfItsData) {
  const std::string hostile = "</script><script>alert(1)</script>&amp;<!--{{script}}\u2028\u2029\"'";
  Report report = controlled();
  report.quantized = {hostile};
  report.reverted = {hostile + "2"};
  report.status = hostile;
  report.stopped = hostile;
  GraphBuilder builder;
  builder.conv(hostile, builder.input(hostile + "3"));
  const std::string page = to_html(report, {.title = hostile, .graph = &builder.graph});
  EXPECT_EQ(count_of(page, "<script"), 3U);
  EXPECT_EQ(count_of(page, "</script>"), 3U);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_EQ(count_of(page, "showContents();"), 1U);  // the name of a part of the template is not replaced
  const auto data = nlohmann::json::parse(data_of(page));
  EXPECT_EQ(data["report"]["quantized"][0], hostile);
  EXPECT_EQ(data["operations"][0]["name"], hostile + "3");
  EXPECT_THAT(data_of(page), Not(HasSubstr("\u2028")));
  EXPECT_THAT(data_of(page), Not(HasSubstr("<")));
}

TEST(Page, RefusesNamesThatAreNotUtf8) {
  Report report = controlled();
  report.quantized = {"\xff\xfe"};
  EXPECT_THROW(to_html(report), InvalidArgument);
  EXPECT_THROW(to_html(controlled(), {.title = "\xff"}), InvalidArgument);
}

TEST(Page, IsTheSameForTheSameReport) { EXPECT_EQ(to_html(controlled()), to_html(controlled())); }

TEST(Page, SaysWhatBecameOfEachOperationAndWhy) {
  GraphBuilder builder;
  builder.conv("d", builder.eltwise("x", "Relu", builder.conv("a", builder.input("image"))));
  std::vector<Decision> decisions(builder.graph.nodes().size());
  decisions[static_cast<std::size_t>(builder.graph.find("a"))].why = "it is a convolution";
  const std::string page = to_html(controlled(), {.graph = &builder.graph, .decisions = decisions});
  const auto data = nlohmann::json::parse(data_of(page));
  std::vector<std::string> lines;
  for (const auto& each : data["operations"]) {
    lines.push_back(each["name"].get<std::string>() + " " + each["fate"].get<std::string>() + " " +
                    each.value("why", "-") + (each.contains("at") ? " drawn" : ""));
  }
  EXPECT_THAT(lines, ElementsAre("image end - drawn", "a int8 it is a convolution drawn", "x float - drawn",
                                 "d reverted - drawn", "b int8 -", "c int8 -"));
}

TEST(Page, DrawsNothingWithoutANetwork) {
  const auto data = nlohmann::json::parse(data_of(to_html(controlled())));
  EXPECT_FALSE(data.contains("drawing"));
  EXPECT_FALSE(data["has_graph"].get<bool>());
}

TEST(Picture, LeavesOutConstantsAndLeadsThroughQuantizers) {
  GraphBuilder builder;
  const ValueId image = builder.input("image");
  const ValueId fake = builder.add("fq", "FakeQuantize", OpKind::kQuantizer, {image, builder.constant("low")});
  const ValueId weight = builder.add("convert", "Convert", OpKind::kOther, {builder.constant("w8")});
  const ValueId conv = builder.add("conv", "Convolution", OpKind::kConvolution, {fake, weight});
  builder.sum("sum", conv, fake);
  const report_page::Picture picture = report_page::picture_of(builder.graph);
  std::vector<std::string> names;
  for (const NodeId id : picture.nodes) names.push_back(builder.graph.node(id).name);
  EXPECT_THAT(names, ElementsAre("image", "conv", "sum"));
  std::vector<std::pair<int, int>> edges;
  for (const auto& edge : picture.edges) edges.emplace_back(edge.from, edge.to);
  EXPECT_THAT(edges, ElementsAre(std::pair(0, 1), std::pair(0, 2), std::pair(1, 2)));
}

}  // namespace
}  // namespace tightrope
