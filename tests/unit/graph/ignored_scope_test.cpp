// SPDX-License-Identifier: Apache-2.0
#include "graph/ignored_scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "support/graph_builder.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// x -> stem -> left -> leftmost -> sum -> head -> head/result; stem -> right -> sum; right -> side -> side/result.
Graph forked() {
  GraphBuilder net;
  const ValueId stem = net.relu("stem", net.input("x"));
  const ValueId leftmost = net.other("leftmost", "Sigmoid", net.relu("left", stem));
  const ValueId right = net.relu("right", stem);
  const ValueId side = net.other("side", "Sigmoid", right);
  net.result(net.relu("head", net.sum("sum", leftmost, right)));
  net.result(side);
  return net.graph;
}

std::vector<std::string> ignored(const IgnoredScope& scope, const Graph& graph = forked()) {
  const auto marks = ignored_nodes(graph, scope);
  EXPECT_EQ(marks.size(), graph.nodes().size());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i]) names.push_back(graph.nodes()[i].name);
  }
  return names;
}

IgnoredScope scope_of(std::vector<std::string> names, std::vector<std::string> patterns = {},
                      std::vector<std::string> types = {}, std::vector<Subgraph> subgraphs = {}) {
  return {std::move(names), std::move(patterns), std::move(types), std::move(subgraphs), true};
}

std::vector<std::string> between(std::vector<std::string> inputs, std::vector<std::string> outputs) {
  return ignored(scope_of({}, {}, {}, {{std::move(inputs), std::move(outputs)}}));
}

TEST(IgnoredScope, IsEmptyAtFirst) { EXPECT_THAT(ignored({}), IsEmpty()); }

TEST(IgnoredScope, TakesNamesPatternsAndTypesTogether) {
  EXPECT_THAT(ignored(scope_of({"head", "x"})), ElementsAre("x", "head"));
  EXPECT_THAT(ignored(scope_of({}, {}, {"Sigmoid"})), ElementsAre("leftmost", "side"));
  EXPECT_THAT(ignored(scope_of({"x"}, {"he"}, {"Add"})), ElementsAre("x", "sum", "head", "head/result"));
}

TEST(IgnoredScope, MatchesPatternsAtTheStartOfTheName) {
  EXPECT_THAT(ignored(scope_of({}, {"left"})), ElementsAre("left", "leftmost"));
  EXPECT_THAT(ignored(scope_of({}, {"left$"})), ElementsAre("left"));
  EXPECT_THAT(ignored(scope_of({}, {".*t$"})), ElementsAre("left", "leftmost", "right", "head/result", "side/result"));
  EXPECT_THAT(ignored(scope_of({}, {"s(tem|um)"})), ElementsAre("stem", "sum"));
  EXPECT_THAT([] { ignored(scope_of({}, {"eft"})); }, ThrowsMessage<InvalidArgument>(HasSubstr("pattern 'eft'")));
  EXPECT_THAT([] { ignored(scope_of({}, {"x|eft"})); }, testing::Not(testing::Throws<InvalidArgument>()));
}

TEST(IgnoredScope, RefusesAPatternThatIsNone) {
  IgnoredScope scope = scope_of({}, {"(left"});
  EXPECT_THAT([&] { ignored(scope); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'(left'"), HasSubstr("regular expression"))));
  scope.validate = false;
  EXPECT_THROW(ignored(scope), InvalidArgument);
}

TEST(IgnoredScope, TakesAllPathsOfASubgraph) {
  EXPECT_THAT(between({"stem"}, {"sum"}), ElementsAre("stem", "left", "leftmost", "right", "sum"));
  EXPECT_THAT(between({"left"}, {"sum"}), ElementsAre("left", "leftmost", "sum"));
  EXPECT_THAT(between({"left", "right"}, {"sum", "side"}), ElementsAre("left", "leftmost", "right", "side", "sum"));
  EXPECT_THAT(between({"right"}, {"right"}), ElementsAre("right"));
}

TEST(IgnoredScope, RefusesASubgraphWithoutAPath) {
  EXPECT_THAT([] { between({"sum"}, {"stem"}); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("no path"), HasSubstr("'sum'"), HasSubstr("'stem'"))));
  EXPECT_THAT([] { between({"left"}, {"side"}); }, ThrowsMessage<InvalidArgument>(HasSubstr("no path")));
  EXPECT_THAT([] { between({"lefd"}, {"side"}); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'lefd'"), HasSubstr("'left'"))));
}

TEST(IgnoredScope, NamesTheNearest) {
  EXPECT_THAT([] { ignored(scope_of({"heat"})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("name 'heat'"), HasSubstr("nearest are 'head', "))));
  EXPECT_THAT([] { ignored(scope_of({}, {}, {"relu"})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("type 'relu'"), HasSubstr("'Relu'"))));
  EXPECT_THAT([] { ignored(scope_of({}, {"rigth.*"})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("pattern 'rigth.*'"), HasSubstr("'right'"))));
}

TEST(IgnoredScope, TakesWhatMatchesWithoutValidation) {
  IgnoredScope scope = scope_of({"none", "x"}, {"none"}, {"None"},
                                {{{"sum"}, {"stem"}}, {{"none"}, {"sum"}}, {{"left", "none"}, {"sum"}}});
  scope.validate = false;
  EXPECT_THAT(ignored(scope), ElementsAre("x", "left", "leftmost", "sum"));
}

TEST(IgnoredScope, T19TakesExactlyWhatLiesBetweenDistantEndsInOnePass) {
  GraphBuilder net;
  ValueId value = net.relu("first", net.conv("stem", net.input("x")));
  std::vector<std::string> inside = {"first"};
  for (int block = 0; block < 500; ++block) {  // 2^500 paths
    const std::string name = std::to_string(block);
    const ValueId conv = net.conv("conv" + name, value);
    net.result(net.other("aside" + name, "Sigmoid", conv));
    value = net.sum("sum" + name, value, net.relu("relu" + name, conv));
    inside.insert(inside.end(), {"conv" + name, "relu" + name, "sum" + name});
  }
  net.result(net.relu("last", value));
  const auto start = std::chrono::steady_clock::now();
  const auto names = ignored(scope_of({}, {}, {}, {{{"first"}, {"sum499"}}}), net.graph);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  EXPECT_EQ(names, inside);
}

}  // namespace
}  // namespace tightrope
